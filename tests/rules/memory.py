"""The store's own operations over a database in memory, one transaction each, without a thread:
thousands of lives must be lived in a minute. A ``Switch`` turns one rule off.

A rule is switched off where it is written down: in the SQL of the operation that holds it, by a
replacement in the statement as it is executed, or by an index that is dropped. The code of the
store is as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

from dotagent.store import migrations
from dotagent.store.database import Param, Tx

T = TypeVar("T")


class Switch:
    """One rule, off. ``statements``: pairs of a piece of SQL and what stands there instead;
    ``dropped``: indexes that hold it too; ``omitted``: acts of the holder that are not done."""

    def __init__(
        self,
        *statements: tuple[str, str],
        dropped: Sequence[str] = (),
        omitted: Sequence[str] = (),
    ) -> None:
        self.statements = statements
        self.dropped = dropped
        self.omitted = omitted
        self.met: set[str] = set()
        """Pieces that occurred: one that never does switches nothing off."""
        self._bent: dict[str, str] = {}

    def bend(self, sql: str) -> str:
        """The statement as it is executed."""
        known = self._bent.get(sql)
        if known is None:
            known = sql
            for piece, instead in self.statements:
                if piece in known:
                    self.met.add(piece)
                    known = known.replace(piece, instead)
            self._bent[sql] = known
        return known

    @property
    def unmet(self) -> list[str]:
        return [piece for piece, _ in self.statements if piece not in self.met]


class _Bent(Tx):
    __slots__ = ("_switch",)

    def __init__(self, db: sqlite3.Connection, switch: Switch) -> None:
        super().__init__(db)
        self._switch = switch

    def _execute(self, sql: str, params: Sequence[Param]) -> sqlite3.Cursor:
        return super()._execute(self._switch.bend(sql), params)


class Memory:
    """What ``tests.store.builder.Home`` needs of a store."""

    def __init__(self, switch: Switch) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None, cached_statements=1024)
        self.db.row_factory = sqlite3.Row
        self.db.deserialize(_empty())
        self.db.execute("PRAGMA foreign_keys = ON")
        for index in switch.dropped:
            self.db.execute(f"DROP INDEX {index}")
        self._switch = switch

    async def write(self, op: Callable[[Tx], T]) -> T:
        """One transaction, or nothing of it."""
        tx = _Bent(self.db, self._switch)
        self.db.execute("BEGIN IMMEDIATE")
        try:
            made = op(tx)
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")
        return made

    def read(self) -> _Reader:
        return _Reader(self.db)

    def close(self) -> None:
        self.db.close()


class _Reader:
    """The same connection, which stays open when the reader is closed."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.execute = db.execute

    def close(self) -> None:
        """Nothing: the database lives in its only connection."""


@cache
def _empty() -> bytes:
    """A new home's database, made once."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrations.apply(db, 0)
        return db.serialize()
    finally:
        db.close()
