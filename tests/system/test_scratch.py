"""Temporary folders of attempts."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from dotagent.system import scratch


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything here happens in a temporary place of its own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delattr(tempfile, "tempdir")
    tempfile.tempdir = None
    return tmp_path


def test_a_folder_is_fresh_and_private() -> None:
    """Two attempts never share one, and nobody else can look into it."""
    one, other = scratch.make("home-1"), scratch.make("home-1")

    assert one != other
    assert stat.S_IMODE(os.stat(one).st_mode) == 0o700


def test_a_sweep_takes_what_the_home_left_and_nothing_else() -> None:
    """All attempts of one home, and none of another whose name begins alike."""
    mine = [scratch.make("home-1"), scratch.make("home-11")]
    others = [scratch.make("home2-1"), scratch.make("else-1")]
    (Path(mine[0]) / "left").write_text("x")
    scratch.sweep("home")

    assert not any(os.path.exists(one) for one in mine)
    assert all(os.path.isdir(other) for other in others)
