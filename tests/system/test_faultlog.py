"""The log of faults: kept, private, never large."""

from __future__ import annotations

import stat
from pathlib import Path

from dotagent.system import faultlog


def test_texts_are_added(tmp_path: Path) -> None:
    """Each text follows the one before; the file is the user's alone."""
    log = tmp_path / "log"
    kept = [faultlog.append(str(log), "one\n"), faultlog.append(str(log), "two \udcff\n")]

    assert [True, True] == kept
    assert "one\ntwo \\udcff\n" == log.read_text()
    assert 0o600 == stat.S_IMODE(log.stat().st_mode)


def test_log_stays_small(tmp_path: Path) -> None:
    """A full log becomes the older piece, and replaces the one before it."""
    log = tmp_path / "log"
    for _ in range(5):
        faultlog.append(str(log), "x" * faultlog.LIMIT)

    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert 2 >= len(sizes)
    assert all(size <= 3 * faultlog.LIMIT for size in sizes)


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    """It is called on the way down: no exception, just the answer."""
    assert not faultlog.append(str(tmp_path / "no" / "log"), "text")
