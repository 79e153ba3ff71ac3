"""The record read for the doctor: complete, and without leaving a trace."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from dotagent.core.errors import StoreCorrupt, StoreNewer
from dotagent.store.checkup import NOTHING, Known, known, untouched
from dotagent.store.database import open_store


def put_away(folder: Path) -> str:
    """A database that nobody has open, whole in one file."""
    path = str(folder / "dotagent.db")
    open_store(path).close()
    return path


def read(path: str) -> Known | None:
    with untouched(path) as reader:
        return None if reader is None else known(reader, 0)


def test_nothing_is_left_beside_it(tmp_path: Path) -> None:
    """A database without a log is read without one."""
    path = put_away(tmp_path)
    found = read(path)

    assert NOTHING == found
    assert ["dotagent.db"] == os.listdir(tmp_path)


def test_what_is_still_in_the_log_is_seen(tmp_path: Path) -> None:
    """A database in use is read together with its log."""
    path = put_away(tmp_path)
    with sqlite3.connect(path) as db:
        db.execute(
            "INSERT INTO agents (name, path, root, sha256, enabled, inherits, first_seen_at)"
            " VALUES ('a', '/r/a/agent.toml', '/r', 'x', 1, 1, 0)"
        )
        db.commit()
        found = read(path)
    db.close()

    assert found is not None
    assert ["a"] == list(found.agents)


def test_no_database_is_nothing(tmp_path: Path) -> None:
    """Where nothing was recorded there is nothing to read, and nothing is made."""
    assert read(str(tmp_path / "dotagent.db")) is None
    assert [] == os.listdir(tmp_path)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """A file that is no database, and one of a newer dotagent."""
    path = put_away(tmp_path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    (tmp_path / "other.db").write_bytes(b"no database " * 1000)

    with pytest.raises(StoreNewer):
        read(path)
    with pytest.raises(StoreCorrupt):
        read(str(tmp_path / "other.db"))
