"""What SQLite's errors mean: classified once, here.

Used by the hot commands, so it imports nothing slower than ``sqlite3`` and the error tree.
Source of the codes: https://www.sqlite.org/rescode.html
"""

import os
import sqlite3

from dotagent.core.errors import StoreBusy, StoreCorrupt, StoreError, StoreFull

_BUSY = {
    sqlite3.SQLITE_BUSY: "another process holds it",
    sqlite3.SQLITE_LOCKED: "another process holds it",
    sqlite3.SQLITE_IOERR: "the disk gave an input/output error",
    sqlite3.SQLITE_READONLY: "it may only be read",
}


def classify(error: sqlite3.Error, path: str) -> StoreError:
    """The ``StoreError`` that says what this SQLite error means for a person."""
    if os.path.isdir(path):
        return StoreError(
            f"the database {path} cannot be one: it is a folder",
            f"Move it out of the way: mv {path} {path}.aside",
        )
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreCorrupt(
            f"the database {path} is damaged ({error})",
            "Start the daemon: it sets the damaged file aside, keeps it, and begins a new record.",
        )
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(
            f"the database {path} cannot be written now: the disk is full ({error})",
            "Free space; nothing was half-written, and what is in flight will settle.",
        )
    if code in _BUSY:
        return StoreBusy(
            f"the database {path} cannot be written now: {_BUSY[code]} ({error})",
            "Free space or let the other program finish; nothing was half-written.",
        )
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreError(
            f"the database {path} cannot be opened ({error})",
            "Check that the folder exists, belongs to you and is writable.",
        )
    return StoreError(f"the database {path} cannot be used ({error})")
