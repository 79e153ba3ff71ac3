"""The last good copy is there whole, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dotagent.core.errors import HomeError
from dotagent.system import goodcopy


def test_a_copy_comes_back_byte_for_byte(tmp_path: Path) -> None:
    """What was accepted once can be parsed again, and nobody else can read it."""
    path = str(tmp_path / "disk.toml")
    goodcopy.write(path, b"[agent]\r\nname = 'disk'\xff")

    assert b"[agent]\r\nname = 'disk'\xff" == goodcopy.read(path)
    assert 0o600 == stat.S_IMODE(os.stat(path).st_mode)


def test_a_later_copy_replaces_the_earlier_one(tmp_path: Path) -> None:
    """The good copy is the last that was good; the one before it is still there, and no other.
    Keeping what is kept already changes nothing."""
    path = str(tmp_path / "disk.toml")
    goodcopy.write(path, b"first, and longer")
    goodcopy.write(path, b"second")
    one = goodcopy.both(path)
    goodcopy.write(path, b"third")
    goodcopy.write(path, b"third")

    assert (b"second", b"first, and longer") == one
    assert b"third" == goodcopy.read(path)
    assert (b"third", b"second") == goodcopy.both(path)


def test_a_forgotten_copy_is_gone(tmp_path: Path) -> None:
    """An agent that is wanted no more leaves none behind."""
    path = str(tmp_path / "disk.toml")
    goodcopy.write(path, b"x")
    goodcopy.write(path, b"y")

    assert [True, False] == [goodcopy.forget(path), goodcopy.forget(path)]
    assert () == goodcopy.both(path)


def test_an_unreadable_copy_is_an_error_not_an_absent_one(tmp_path: Path) -> None:
    """To run without the copy that exists would be silent; so it is said."""
    with pytest.raises(HomeError, match=r"the last good copy .* cannot be read: Is a directory"):
        goodcopy.read(str(tmp_path))


def test_many_are_kept_together(tmp_path: Path) -> None:
    """Each as if it were alone: what is new, what is changed, and what is there already. One that
    cannot be kept, for a folder is in its place, costs the others nothing and leaves nothing."""
    goodcopy.write(str(tmp_path / "changed.toml"), b"old")
    goodcopy.write(str(tmp_path / "same.toml"), b"same")
    (tmp_path / "broken.toml" / "inside").mkdir(parents=True)
    texts = {"new.toml": b"new", "changed.toml": b"young", "same.toml": b"same"}
    copies = {str(tmp_path / name): data for name, data in texts.items()}
    kept = goodcopy.write_many({**copies, str(tmp_path / "broken.toml"): b"x"})

    assert set(copies) == kept
    assert copies == {path: goodcopy.read(path) for path in copies}
    assert (b"young", b"old") == goodcopy.both(str(tmp_path / "changed.toml"))
    assert {*texts, "broken.toml", "changed.toml.before"} == set(os.listdir(tmp_path))
