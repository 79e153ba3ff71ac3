"""What only reads: whatever SQLite has to say against it comes in our words, wherever it is met."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dotagent.core.errors import StoreCorrupt, StoreError
from dotagent.store.database import make
from dotagent.store.reading import connect_reader
from tests.store.builder import database

PAGE = 4096
ROWS = 500


def at_once(rows: sqlite3.Cursor) -> None:
    rows.fetchall()


def one_by_one(rows: sqlite3.Cursor) -> None:
    while rows.fetchone():
        pass


@pytest.fixture
def torn(tmp_path: Path) -> str:
    """A database in which the later rows of a table lie on pages that are no pages any more."""
    path = database(tmp_path)
    make(path)
    with closing(sqlite3.connect(path)) as db:
        names = [(f"{number:05}", "x" * 200) for number in range(ROWS)]
        db.execute("CREATE TABLE many (name TEXT, value TEXT)")
        db.executemany("INSERT INTO many VALUES (?, ?)", names)
        db.commit()
    data = bytearray(Path(path).read_bytes())
    start = data.index(b"00400x") // PAGE * PAGE
    data[start:] = b"\xa5" * (len(data) - start)
    Path(path).write_bytes(data)
    return path


@pytest.mark.parametrize("take", [list, at_once, one_by_one])
def test_damage_met_on_the_way(torn: str, take: Callable[[Any], object]) -> None:
    """The first rows are there; where a bad page is met, it is said as damage, however the rows are
    taken."""
    with closing(connect_reader(torn)) as reader:
        rows = reader.execute("SELECT * FROM many")
        first = rows.fetchone()
        with pytest.raises(StoreCorrupt, match=f"{torn} is damaged"):
            take(rows)

    assert "00000" == first["name"]


def test_what_cannot_be_asked(torn: str) -> None:
    """A look-up that SQLite refuses is an error of the store."""
    with closing(connect_reader(torn)) as reader, pytest.raises(StoreError, match="no such table"):
        reader.execute("SELECT * FROM nowhere")
