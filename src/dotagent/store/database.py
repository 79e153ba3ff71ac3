"""The one writer: a thread that owns the only writing connection and commits in groups.

Every operation is a function of a ``Tx``. Those that wait together share one transaction and one
``fsync``; each has its own savepoint, so one that fails undoes itself alone. Invariants: a caller
that got its result back is on disk (``synchronous=FULL``); nobody else writes but for request rows
(rules R2); an error of SQLite reaches the caller as a ``StoreError`` and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from queue import SimpleQueue
from typing import Any, TypeVar

from dotagent.core.errors import StoreBusy, StoreCorrupt, StoreError
from dotagent.store import migrations
from dotagent.store.faults import classify
from dotagent.store.reading import Reader, connect_reader, quote, refuse_newer

T = TypeVar("T")
Param = str | int | float | bytes | None

BATCH = 256
"""Operations that may share one commit; bounds how long the first of them waits."""


class Tx:
    """A transaction: SQL in, rows out. ``audited`` turns true once an audit row was added; ``head``
    is the last one's number and hash, where that is known."""

    __slots__ = ("audited", "db", "head")

    def __init__(self, db: sqlite3.Connection, head: tuple[int, str] | None = None) -> None:
        self.db = db
        self.audited = False
        self.head = head

    def _execute(self, sql: str, params: Sequence[Param]) -> sqlite3.Cursor:
        try:
            return self.db.execute(sql, params)
        except UnicodeEncodeError:
            # A lone surrogate, from a path or a script's JSON, is no UTF-8: it must not cost the
            # whole transaction. It reads as "?" from now on.
            return self.db.execute(sql, [_encodable(param) for param in params])

    def run(self, sql: str, *params: Param) -> int:
        """Execute; the new row's id after an INSERT."""
        return self._execute(sql, params).lastrowid or 0

    def change(self, sql: str, *params: Param) -> int:
        """Execute; how many rows it changed."""
        return self._execute(sql, params).rowcount

    def one(self, sql: str, *params: Param) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._execute(sql, params).fetchone()
        return row

    def all(self, sql: str, *params: Param) -> list[sqlite3.Row]:
        return self._execute(sql, params).fetchall()

    def value(self, sql: str, *params: Param) -> Any:
        """The first column of the first row; None without one."""
        row = self._execute(sql, params).fetchone()
        return None if row is None else row[0]


def _encodable(param: Param) -> Param:
    return param.encode(errors="replace").decode() if isinstance(param, str) else param


Op = Callable[[Tx], T]


def connect(path: str, *, create: bool, busy_ms: int = 5_000) -> sqlite3.Connection:
    """A writing connection with the house's pragmas. Raises ``StoreError``."""
    mode = "rwc" if create else "rw"
    if create and not os.path.exists(path):
        _make(path)
    db = None
    try:
        db = sqlite3.connect(
            f"file:{quote(path)}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        db.row_factory = sqlite3.Row
        db.execute(f"PRAGMA busy_timeout = {busy_ms}")
        _write_ahead(db)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        # A savepoint keeps the pages that it may have to bring back; beyond 64 KiB of them, which
        # is one settled attempt, SQLite would write them to a temporary file first.
        db.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.Error as error:
        if db is not None:
            db.close()
        raise classify(error, path) from error
    return db


def _write_ahead(db: sqlite3.Connection) -> None:
    """Switch to a write-ahead log. The one thing for which SQLite does not wait, where others make
    the same switch: wait for a turn to write instead, then try again."""
    for _ in range(8):
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            db.execute("BEGIN IMMEDIATE")
            db.execute("ROLLBACK")
        else:
            return
    db.execute("PRAGMA journal_mode = WAL")


def _make(path: str) -> None:
    """An empty file for nobody's eyes but ours; SQLite itself asks the umask."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(
            f"the database {path} cannot be made: {error.strerror}",
            "Check that the folder exists, belongs to you and is writable.",
        ) from error


def open_store(path: str) -> Store:
    """Open or create the database, bring its schema up to date, start the writer."""
    db = connect(path, create=True)
    try:
        before = refuse_newer(db, path)
        if before < migrations.LATEST:
            migrations.apply(db, before)
    except sqlite3.Error as error:
        db.close()
        raise classify(error, path) from error
    except BaseException:
        db.close()
        raise
    return Store(path, db)


def roll_back(path: str) -> None:
    """Whoever dies while the database is made, before it has its write-ahead log, leaves a journal
    of what must be undone first; a connection that may only read cannot. Raises ``StoreError``."""
    if not os.path.exists(f"{path}-journal"):
        return
    try:
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=rw", uri=True)) as db:
            db.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise classify(error, path) from error


def make(path: str) -> None:
    """Make the database where there is none, or only what another process has begun to make. An
    older schema stays: that is for the holder of the home to bring up to date. Raises
    ``StoreError``."""
    db = connect(path, create=True)
    try:
        if refuse_newer(db, path) == 0:
            migrations.apply(db, 0)
    except sqlite3.Error as error:
        raise classify(error, path) from error
    finally:
        db.close()


class _Job:
    __slots__ = ("error", "future", "loop", "op", "result")

    def __init__(self, op: Op[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.op = op
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None


class Store:
    """The writer's handle. ``write`` from the event loop; ``read`` for a reading connection."""

    def __init__(self, path: str, db: sqlite3.Connection) -> None:
        self.path = path
        self.commits = 0
        self.on_audit: Callable[[], None] | None = None
        """Called on the event loop after a commit that added audit rows."""
        self._db = db
        self._head: tuple[int, str] | None = None
        """The end of the audit chain: only this thread adds to it."""
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="dotagent-writer", daemon=True)
        self._thread.start()

    async def write(self, op: Op[T]) -> T:
        """Run ``op`` in a transaction; return once it is on disk. Raises what ``op`` raises, or
        ``StoreError``; either way nothing of it remains."""
        job = _Job(op, asyncio.get_running_loop())
        self._jobs.put(job)
        result: T = await job.future
        return result

    def read(self) -> Reader:
        """A new read-only connection."""
        return connect_reader(self.path)

    def close(self) -> None:
        """Finish what waits, then close. Blocks for at most one commit."""
        self._jobs.put(None)
        self._thread.join()
        self._db.close()

    # -- the writer's thread

    def _work(self) -> None:
        while batch := self._batch():
            audited = self._commit(batch)
            loop = batch[0].loop
            try:
                loop.call_soon_threadsafe(self._hand_back, batch, audited)
            except RuntimeError:
                # The loop is gone: its owner died with its work committed; nobody waits any more.
                continue

    def _batch(self) -> list[_Job]:
        """What waits, once something does; nothing once the store is closed."""
        batch: list[_Job] = []
        while not batch or (len(batch) < BATCH and not self._jobs.empty()):
            job = self._jobs.get()
            if job is None:
                self._jobs.put(None)  # seen again once what came before it is done
                break
            batch.append(job)
        return batch

    def _commit(self, batch: Sequence[_Job]) -> bool:
        tx = Tx(self._db, self._head)
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for job in batch:
                self._perform(job, tx, is_alone=len(batch) == 1)
            if not self._db.in_transaction:
                return False  # the only one there was has undone itself
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._fail(batch, error)
            return False
        self.commits += 1
        self._head = tx.head
        return tx.audited

    def _perform(self, job: _Job, tx: Tx, *, is_alone: bool) -> None:
        """Who is alone needs no savepoint: its transaction can be undone as a whole."""
        before = tx.audited, tx.head
        if not is_alone:
            self._db.execute("SAVEPOINT job")
        try:
            job.result = job.op(tx)
        except sqlite3.Error as error:
            if not self._db.in_transaction:
                raise  # a full disk ends the whole transaction, not just this savepoint
            job.error = classify(error, self.path)
        except Exception as error:
            job.error = error
        if job.error is not None:
            tx.audited, tx.head = before
            self._db.execute("ROLLBACK" if is_alone else "ROLLBACK TO job")
        if not is_alone:
            self._db.execute("RELEASE job")

    def _fail(self, batch: Sequence[_Job], error: sqlite3.Error) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        said = classify(error, self.path)
        for job in batch:
            job.error = said

    def _hand_back(self, batch: Sequence[_Job], audited: bool) -> None:
        for job in batch:
            if job.future.cancelled():
                continue  # the work is committed all the same
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.result)
        if audited and self.on_audit is not None:
            self.on_audit()


def append_request(path: str, kind: str, args: str, now: int) -> int:
    """Commit a request row from a process that does not hold the lock (rules R2); its id."""
    db = connect(path, create=False)
    try:
        refuse_newer(db, path)
        cursor = db.execute(
            "INSERT INTO requests (kind, args, state, created_at) VALUES (?, ?, 'waiting', ?)",
            (kind, args, now),
        )
        return int(cursor.lastrowid or 0)
    except sqlite3.Error as error:
        raise classify(error, path) from error
    finally:
        db.close()


def check(path: str) -> None:
    """SQLite's own check of every page, after a crash. Raises ``StoreCorrupt``."""
    db = connect_reader(path)
    try:
        said = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise classify(error, path) from error
    finally:
        db.close()
    if said != "ok":
        raise StoreCorrupt(f"the database {path} is damaged ({said})")


__all__ = [
    "Op",
    "Reader",
    "Store",
    "StoreBusy",
    "Tx",
    "append_request",
    "check",
    "connect",
    "connect_reader",
    "make",
    "open_store",
    "refuse_newer",
]
