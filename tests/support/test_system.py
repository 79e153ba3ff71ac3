"""A test that lacks something is skipped with a name on a laptop, and fails in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import system


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine without any program, outside CI."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    return monkeypatch


def test_a_missing_program_skips_and_names_its_package(bare: pytest.MonkeyPatch) -> None:
    """Outside CI the test is skipped, and the reason is what to install, each package once."""
    with pytest.raises(pytest.skip.Exception) as skipped:
        system.require("Xvfb", "dunst", "dunst", "unheard-of")

    assert "needs the Debian packages xvfb, dunst, unheard-of" == skipped.value.msg


def test_a_missing_program_fails_in_ci(bare: pytest.MonkeyPatch) -> None:
    """With CI=true nothing is skipped."""
    bare.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception) as failed:
        system.require("dunst")

    assert "needs the Debian package dunst; CI must not go without" == failed.value.msg


def test_a_present_program_is_enough(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is on PATH is neither skipped nor failed, in CI or not."""
    bare.setenv("CI", "true")
    (tmp_path / "dunst").touch(0o755)
    system.require("dunst")

    assert [] == system.missing("dunst")
