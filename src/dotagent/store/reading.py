"""Connections that only read, for commands and for the holder's own look-ups.

Used by the hot commands, so it imports nothing but ``sqlite3`` and the error tree. Invariants: a
database of a newer dotagent is never looked into; looking makes no home and no database.
"""

import os
import sqlite3
from contextlib import contextmanager

from dotagent.core.errors import HomeError, StoreError, StoreNewer
from dotagent.store import migrations
from dotagent.store.faults import classify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

IN_USE = "EXISTS (SELECT 1 FROM routing r WHERE r.fingerprint = destinations.fingerprint)"
"""A destination to which some notifier points still: what nobody uses is in no trouble."""

Reader = sqlite3.Connection
"""A connection that only reads."""


class _Rows(sqlite3.Cursor):
    """What a look-up found. What SQLite has to say against it comes as a ``StoreError``: whoever
    looks something up need not know SQL's errors, and a damaged page is met anywhere."""

    def execute(self, sql: str, params: "Any" = ()) -> "Self":
        try:
            return super().execute(sql, params)
        except sqlite3.Error as error:
            raise self._said(error) from error

    def fetchone(self) -> "Any":
        try:
            return super().fetchone()
        except sqlite3.Error as error:
            raise self._said(error) from error

    def fetchall(self) -> "list[Any]":
        try:
            return super().fetchall()
        except sqlite3.Error as error:
            raise self._said(error) from error

    def __next__(self) -> "Any":
        try:
            return super().__next__()
        except sqlite3.Error as error:
            raise self._said(error) from error

    def _said(self, error: sqlite3.Error) -> StoreError:
        connection = self.connection
        return classify(error, connection.path if isinstance(connection, _Connection) else "")


class _Connection(sqlite3.Connection):
    path = ""

    def execute(self, sql: str, params: "Any" = ()) -> _Rows:
        return self.cursor(_Rows).execute(sql, params)


def connect_reader(path: str) -> Reader:
    """A connection that cannot write; it raises ``StoreError`` now and at every look-up."""
    db = None
    try:
        db = sqlite3.connect(
            f"file:{quote(path)}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
        )
        db.path = path
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA busy_timeout = 5000")
        refuse_newer(db, path)
    except BaseException as error:
        if db is not None:
            db.close()
        if isinstance(error, sqlite3.Error):
            raise classify(error, path) from error
        raise
    return db


def refuse_newer(db: Reader, path: str) -> int:
    """The schema's version; raises ``StoreNewer`` where a newer dotagent has been at work."""
    found = int(db.execute("PRAGMA user_version").fetchone()[0])
    if found > migrations.LATEST:
        raise StoreNewer(
            f"the database {path} was made by a newer dotagent"
            f" (schema {found}; this one knows up to {migrations.LATEST})",
            "Upgrade dotagent, or point DOTAGENT_HOME at another home.",
        )
    return found


@contextmanager
def record(path: str) -> "Iterator[Reader | None]":
    """What this home has recorded, for reading; None where nothing has been yet.

    Raises ``HomeError`` where the home cannot even be looked into, and ``StoreError`` where its
    database cannot be used, also if that turns out only as it is read."""
    db = open_record(path)
    try:
        yield db
    except sqlite3.Error as error:
        raise classify(error, path) from error
    finally:
        if db is not None:
            db.close()


def open_record(path: str) -> Reader | None:
    """The same as ``record``, for who closes it and classifies its errors himself."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HomeError(
            f"the home cannot be looked into ({path}: {error.strerror})",
            "Check what lies there, or set DOTAGENT_HOME to another folder.",
        ) from error
    db = connect_reader(path)
    found = refuse_newer(db, path)
    if found == migrations.LATEST:
        return db
    db.close()
    if found == 0:
        return None  # it is being made at this moment
    raise StoreError(
        f"the database {path} was made by an older dotagent (schema {found}; this one reads"
        f" {migrations.LATEST})",
        "Whatever acts next brings it up to date: dotagent tick, or a restart of the daemon.",
    )


def quote(path: str) -> str:
    """The path as part of a ``file:`` address (https://www.sqlite.org/uri.html)."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
