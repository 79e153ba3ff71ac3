"""The captured environment comes back as it was."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.errors import HomeError
from dotagent.system import environment

NAMES = st.text(st.characters(exclude_characters="=\0", codec="utf-8"), min_size=1)
VALUES = st.text(st.characters(exclude_characters="\0", codec="utf-8"))


@given(captured=st.dictionaries(NAMES, VALUES, max_size=5))
def test_what_was_captured_is_what_is_read(
    captured: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any name and value survive: newlines, quotes, equals signs, nothing at all."""
    path = str(tmp_path_factory.getbasetemp() / "environment")
    environment.write(path, captured)

    assert captured == environment.read(path)


def test_values_that_are_no_text_survive(tmp_path: Path) -> None:
    """An environment is bytes, and so is the file."""
    path = str(tmp_path / "environment")
    environment.write(path, {"OLD": os.fsdecode(b"\xff\xfe")})

    assert {"OLD": os.fsdecode(b"\xff\xfe")} == environment.read(path)
    assert 0o600 == stat.S_IMODE(os.stat(path).st_mode)


def test_nothing_captured_is_not_an_empty_environment(tmp_path: Path) -> None:
    """Before ``install`` there is none; after it there may be an empty one."""
    path = str(tmp_path / "environment")
    before = environment.read(path)
    environment.write(path, {})

    assert (None, {}) == (before, environment.read(path))


@pytest.mark.parametrize("content", [b"PATH=/bin", b"hunter2\0", b"\0", b"A=1\0\0"])
def test_a_damaged_file_is_refused_without_its_content(tmp_path: Path, content: bytes) -> None:
    """A cut or foreign file is an error that says how to mend it and nothing that stands in it."""
    path = tmp_path / "environment"
    path.write_bytes(content)

    with pytest.raises(HomeError, match="an entry is not NAME=value") as refused:
        environment.read(str(path))
    assert "hunter2" not in refused.value.message
    assert "dotagent install captures it anew" == refused.value.hint


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    """What cannot be read is told in the system's words."""
    with pytest.raises(HomeError, match="Is a directory"):
        environment.read(str(tmp_path))
