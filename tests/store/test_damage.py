"""A damaged database is found after a crash, set aside with what belongs to it, and kept."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from dotagent.core.errors import StoreBusy, StoreCorrupt
from dotagent.store import damage, holders
from tests.store.builder import Home, database

PAGE = 4096


def spoil(path: Path) -> None:
    """Write over a page in the middle that a start does not look at by itself."""
    data = bytearray(path.read_bytes())
    pages = len(data) // PAGE
    root = _root_of(path, "events")
    assert 1 < root <= pages
    data[(root - 1) * PAGE : root * PAGE] = b"\xa5" * PAGE
    path.write_bytes(data)


def _root_of(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        found: int = db.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)
        ).fetchone()[0]
    return found


DIES_HALFWAY = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size = 2")
db.execute("BEGIN")
db.execute("CREATE TABLE half (x)")
db.executemany("INSERT INTO half VALUES (?)", [("x" * 4000,)] * 50)
os._exit(0)
"""


def test_a_holder_that_died_as_it_made_the_database(tmp_path: Path) -> None:
    """What is half there, before there is a write-ahead log, is undone, and the next holder makes
    the database; it does not stop at what only a writer can undo."""
    path = database(tmp_path)
    subprocess.run([sys.executable, "-c", DIES_HALFWAY, path], check=True)
    assert Path(f"{path}-journal").stat().st_size

    damage.open_checked(path).close()

    with closing(sqlite3.connect(path)) as db:
        names = {row[0] for row in db.execute("SELECT name FROM sqlite_schema")}
    assert "holders" in names
    assert "half" not in names


async def test_it_is_checked_after_a_crash(home: Home, tmp_path: Path) -> None:
    """A page that nothing has read yet is found bad if the last holder died, not if it ended."""
    path = database(tmp_path)
    await home.store.write(lambda tx: holders.end(tx, home.actor, home.now, reason=None, synced=0))
    home.close()
    spoil(Path(path))
    damage.open_checked(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE holders SET ended_at = NULL")
        db.commit()

    with pytest.raises(StoreCorrupt, match="damaged"):
        damage.open_checked(path)


def test_it_is_set_aside_with_its_companions(tmp_path: Path) -> None:
    """The file and SQLite's own two are renamed alike, the error says where it is kept, and the
    names of all that were set aside come in order of time."""
    path = f"{tmp_path}/dotagent.db"
    for at in (20_000, 10_000):
        for suffix in ("", "-wal", "-shm"):
            Path(path + suffix).write_text(f"{at}{suffix}")
        with pytest.raises(StoreCorrupt, match=rf"no database; it is kept as {path}\.damaged-"):
            meet_damage(path, at)

    assert [f"{path}.damaged-10", f"{path}.damaged-20"] == damage.kept(path)
    assert "20000-wal" == Path(f"{path}.damaged-20-wal").read_text()
    assert not list(tmp_path.glob("dotagent.db")) + list(tmp_path.glob("dotagent.db-*"))


def meet_damage(path: str, at: int) -> None:
    """Find the database damaged at that time."""
    with damage.set_aside(path, lambda: at):
        raise StoreCorrupt("no database")


def test_what_is_no_damage_stays(tmp_path: Path) -> None:
    """A busy or full disk moves nothing."""
    path = f"{tmp_path}/dotagent.db"
    Path(path).write_text("mine")

    with pytest.raises(StoreBusy, match="full"), damage.set_aside(path, lambda: 1):
        raise StoreBusy("the disk is full")

    assert [] == damage.kept(path)
    assert "mine" == Path(path).read_text()
