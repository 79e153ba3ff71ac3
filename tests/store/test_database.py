"""The one writer: commits in groups, undoes what fails, and survives a disk that does not."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dotagent.core.errors import NotFound, StoreBusy, StoreCorrupt, StoreError, StoreNewer
from dotagent.store import migrations
from dotagent.store.database import Store, Tx, append_request, check, connect, make, open_store
from dotagent.store.reading import connect_reader
from tests.store.builder import database


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    made = open_store(database(tmp_path))
    yield made
    made.close()


def put(name: str, value: str = "x") -> Callable[[Tx], str]:
    """An operation that keeps one fact."""

    def op(tx: Tx) -> str:
        tx.run("INSERT INTO facts (name, value) VALUES (?, ?)", name, value)
        return name

    return op


async def together(store: Store, *ops: Callable[[Tx], Any]) -> list[Any]:
    """Do these in one group: they queue up behind an operation that waits for them. What each
    returns, or raises."""
    begun, block = threading.Event(), threading.Event()

    def hold(tx: Tx) -> None:
        begun.set()
        block.wait()

    held = asyncio.create_task(store.write(hold))
    await asyncio.to_thread(begun.wait)
    tasks = [asyncio.create_task(store.write(op)) for op in ops]
    asyncio.get_running_loop().call_soon(block.set)
    await held
    return await asyncio.gather(*tasks, return_exceptions=True)


def kept(path: str) -> list[str]:
    """The facts on disk, as any other process sees them."""
    with closing(connect_reader(path)) as reader:
        return [row[0] for row in reader.execute("SELECT name FROM facts ORDER BY name")]


# ------------------------------------------------------------------------------------ group commit


async def test_result_is_on_disk(store: Store) -> None:
    """Who has the result back can read it from any process."""
    result = await store.write(put("a"))

    assert ("a", ["a"]) == (result, kept(store.path))


async def test_many_writes_few_commits(store: Store) -> None:
    """Operations that wait together share a commit, in the order in which they came."""
    names = [f"{n:04}" for n in range(1_000)]
    found = await asyncio.gather(*(store.write(put(name)) for name in names))

    assert names == found == kept(store.path)
    assert store.commits < 50


async def test_order_within_a_group(store: Store) -> None:
    """What came first is done first: a later operation sees what an earlier one did."""

    def count(tx: Tx) -> int:
        tx.run("INSERT INTO facts (name, value) SELECT count(*), '' FROM facts")
        return int(tx.value("SELECT count(*) FROM facts"))

    assert list(range(1, 21)) == await together(store, *[count] * 20)
    assert 2 == store.commits


async def test_one_failing_operation_undoes_itself_alone(store: Store) -> None:
    """In a group each operation stands for itself, whatever went wrong with another one."""

    def fail(tx: Tx) -> None:
        put("half")(tx)
        raise NotFound("there is no such thing")

    def violate(tx: Tx) -> None:
        put("other half")(tx)
        put("a")(tx)

    first, failed, violated, last = await together(store, put("a"), fail, violate, put("b"))

    assert ("a", "b") == (first, last)
    assert isinstance(failed, NotFound)
    assert isinstance(violated, StoreError)
    assert ["a", "b"] == kept(store.path)


async def test_news_of_audit_rows(store: Store) -> None:
    """The audit file is woken by a commit that has rows for it, and by no other."""
    woken: list[int] = []
    store.on_audit = lambda: woken.append(store.commits)

    def attest(tx: Tx) -> None:
        tx.audited = True

    def attest_and_fail(tx: Tx) -> None:
        tx.audited = True
        raise NotFound("no")

    await store.write(put("a"))
    with pytest.raises(NotFound):
        await store.write(attest_and_fail)
    await store.write(attest)

    assert [2] == woken


async def test_caller_that_left(store: Store) -> None:
    """A caller that does not wait for its answer stops nobody, and its work is done."""
    block = threading.Event()
    held = asyncio.create_task(store.write(lambda tx: block.wait()))
    left = asyncio.create_task(store.write(put("left")))
    asyncio.get_running_loop().call_soon(left.cancel)
    with pytest.raises(asyncio.CancelledError):
        await left
    block.set()
    await held
    await store.write(put("next"))

    assert ["left", "next"] == kept(store.path)


def test_loop_that_is_gone(tmp_path: Path) -> None:
    """A loop that ended while its commit was under way does not take the writer with it."""
    store = open_store(database(tmp_path))
    begun, block = threading.Event(), threading.Event()

    def hold(tx: Tx) -> None:
        put("held")(tx)
        begun.set()
        block.wait()

    async def leave() -> None:
        task = asyncio.create_task(store.write(hold))
        await asyncio.to_thread(begun.wait)
        task.cancel()

    asyncio.run(leave())
    block.set()
    asyncio.run(store.write(put("next")))
    store.close()

    assert ["held", "next"] == kept(store.path)


async def test_close_finishes_what_waits(tmp_path: Path) -> None:
    """Closing waits for what was asked before."""
    store = open_store(database(tmp_path))
    block = threading.Event()
    tasks = [asyncio.create_task(store.write(op)) for op in (lambda tx: block.wait(), put("a"))]
    asyncio.get_running_loop().call_soon(block.set)
    await tasks[0]
    store.close()
    await tasks[1]

    assert ["a"] == kept(store.path)


async def test_text_that_is_no_text(store: Store) -> None:
    """A lone surrogate, from a script's JSON or a path, costs a character and not the commit."""
    await store.write(put("a", "x\ud800y"))

    assert "x?y" == await store.write(lambda tx: tx.value("SELECT value FROM facts"))
    assert await store.write(lambda tx: tx.one("SELECT 1 FROM facts WHERE value = ?", "x\udcffy"))


# ----------------------------------------------------------------------------------------- trouble

BIG = "x" * 100_000


async def test_full_disk(store: Store) -> None:
    """A full disk fails the whole group, leaves nothing half-written, and is forgotten as soon as
    there is room again."""
    pages = await store.write(lambda tx: tx.value("PRAGMA page_count"))
    await store.write(lambda tx: tx.run(f"PRAGMA max_page_count = {pages + 4}"))
    told = await together(store, put("small"), put("big", BIG), put("late"))

    full = [error for error in told if isinstance(error, BaseException)]
    assert full
    assert all(isinstance(error, StoreBusy) for error in full)
    assert "the disk is full" in str(full[0])
    assert [name for name in told if isinstance(name, str)] == kept(store.path)

    await store.write(lambda tx: tx.run("PRAGMA max_page_count = 1000000"))
    await store.write(put("big", BIG))
    assert "big" in kept(store.path)
    check(store.path)


async def test_commit_that_fails(store: Store) -> None:
    """Where the commit itself fails nothing of the group remains, and the next one is as ever."""

    def break_a_promise(tx: Tx) -> None:
        tx.run("PRAGMA defer_foreign_keys = ON")
        tx.run("INSERT INTO reminders VALUES (7, '', '', 0, 0)")  # of an outage that is not there

    told = await together(store, put("a"), break_a_promise)

    assert [StoreError, StoreError] == [type(error) for error in told]
    assert [] == kept(store.path)
    assert "a" == await store.write(put("a"))


HOLD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by_another(path: str) -> Iterator[None]:
    """Meanwhile another process is in the middle of a write."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert b"held\n" == other.stdout.readline()
        yield
        other.stdin.close()


async def test_another_process_writes(store: Store) -> None:
    """While another process holds the database, a write fails as busy; then it works again."""
    await store.write(lambda tx: tx.run("PRAGMA busy_timeout = 50"))
    with held_by_another(store.path), pytest.raises(StoreBusy, match="another process holds it"):
        await store.write(put("a"))

    assert "a" == await store.write(put("a"))


async def test_operation_that_fails_after_a_busy_one(store: Store) -> None:
    """An operation's own error is its own, however the commits before it went."""

    def fail(tx: Tx) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.write(fail)

    assert "a" == await store.write(put("a"))


# ------------------------------------------------------------------------------------- other doors


def test_newer_schema(tmp_path: Path) -> None:
    """A database of a newer dotagent is refused at every door, with what to do."""
    path = database(tmp_path)
    open_store(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    before = Path(path).read_bytes()

    for door in (
        open_store,
        connect_reader,
        lambda path: append_request(path, "run", "{}", 1),
    ):
        with pytest.raises(StoreNewer, match=r"schema 99; this one knows up to \d+") as raised:
            door(path)
        assert raised.value.hint is not None
        assert 3 == raised.value.exit_code
    assert before == Path(path).read_bytes()


def test_no_database_at_all(tmp_path: Path) -> None:
    """A file that is no database is damaged, and stays as it is."""
    path = tmp_path / "dotagent.db"
    path.write_bytes(b"not a database at all" * 1_000)

    with pytest.raises(StoreCorrupt, match="is damaged"):
        open_store(str(path))
    assert b"not a database at all" * 1_000 == path.read_bytes()


def test_damaged_page(tmp_path: Path) -> None:
    """SQLite's own check finds a damaged page."""
    path = database(tmp_path)
    open_store(path).close()
    with closing(connect(path, create=False)) as db:
        db.executemany("INSERT INTO facts VALUES (?, ?)", ((n, "x" * 3_000) for n in range(50)))
    check(path)
    data = bytearray(Path(path).read_bytes())
    data[-40_000:-20_000] = b"\xff" * 20_000
    Path(path).write_bytes(data)

    with pytest.raises(StoreCorrupt):
        check(path)


@pytest.mark.parametrize("door", [open_store, connect_reader])
def test_nowhere(tmp_path: Path, door: Callable[[str], object]) -> None:
    """A folder that is not there is said, not raised as the system's own error."""
    with pytest.raises(StoreError, match="no/dotagent"):
        door(str(tmp_path / "no" / "dotagent.db"))


def test_folder_in_its_place(tmp_path: Path) -> None:
    """Nor does a folder in the database's place raise anything else."""
    with pytest.raises(StoreError):
        open_store(str(tmp_path))


def test_nobody_elses_business(tmp_path: Path) -> None:
    """The database and its companions are for its owner's eyes only."""
    store = open_store(database(tmp_path))
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()}
    store.close()

    assert dict.fromkeys(("dotagent.db", "dotagent.db-wal", "dotagent.db-shm"), 0o600) == modes


def test_path_with_every_sign(tmp_path: Path) -> None:
    """A path is a path, whatever it looks like to a URI."""
    folder = tmp_path / "a?b=c%41#d e"
    folder.mkdir()
    open_store(database(folder)).close()

    assert (folder / "dotagent.db").is_file()
    check(database(folder))


async def test_reader_cannot_write(store: Store) -> None:
    """What is opened for reading reads."""
    with closing(store.read()) as reader, pytest.raises(StoreBusy, match="may only be read"):
        reader.execute("DELETE FROM facts")


async def test_durable_settings(store: Store) -> None:
    """What is committed survives the power: a write-ahead log that is flushed at each commit."""

    def pragmas(tx: Tx) -> tuple[str, int, int]:
        journal = tx.value("PRAGMA journal_mode")
        return journal, tx.value("PRAGMA synchronous"), tx.value("PRAGMA foreign_keys")

    assert ("wal", 2, 1) == await store.write(pragmas)


# ---------------------------------------------------------------------------------------- requests


async def test_append_request(store: Store) -> None:
    """Another process leaves a request beside the holder's own writes."""
    ids = [append_request(store.path, "run", '{"agent": "a"}', 5) for _ in range(2)]
    await store.write(put("a"))
    row = await store.write(lambda tx: tx.one("SELECT * FROM requests WHERE id = ?", ids[0]))

    assert row is not None
    assert ids[0] < ids[1]
    assert ("run", '{"agent": "a"}', "waiting", 5) == (
        row["kind"],
        row["args"],
        row["state"],
        row["created_at"],
    )


def test_append_request_without_a_home(tmp_path: Path) -> None:
    """Asking makes no database."""
    with pytest.raises(StoreError):
        append_request(database(tmp_path), "run", "{}", 1)
    assert [] == list(tmp_path.iterdir())


def test_append_request_to_half_a_home(tmp_path: Path) -> None:
    """A database without its tables is said to be unusable."""
    with closing(connect(database(tmp_path), create=True)):
        pass

    with pytest.raises(StoreError, match="cannot be used"):
        append_request(database(tmp_path), "run", "{}", 1)


# -------------------------------------------------------------------------------------- migrations


def test_latest_migration() -> None:
    """The number that the program speaks is that of the last file, and none is left out."""
    numbers = [number for number, _ in migrations.files()]

    assert list(range(1, migrations.LATEST + 1)) == numbers


def test_migrated_once(tmp_path: Path) -> None:
    """Opening again changes nothing: the home keeps its key."""
    path = database(tmp_path)
    homes = []
    for _ in range(2):
        open_store(path).close()
        with closing(connect_reader(path)) as reader:
            homes.append(tuple(reader.execute("SELECT * FROM home").fetchone()))

    assert homes[0] == homes[1]


def test_two_that_migrate_at_once(tmp_path: Path) -> None:
    """Two processes that find no database make one."""
    path = database(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        for store in pool.map(open_store, [path] * 4):
            store.close()
    with closing(connect_reader(path)) as reader:
        assert 1 == reader.execute("SELECT count(*) FROM home").fetchone()[0]


def test_migration_is_all_or_nothing(tmp_path: Path) -> None:
    """A migration that fails halfway leaves the database as it was."""
    path = database(tmp_path)
    with closing(connect(path, create=True)) as db:
        db.execute("CREATE TABLE windows (x)")  # in the way
    with pytest.raises(StoreError):
        open_store(path)

    with closing(sqlite3.connect(path)) as db:
        assert [("windows",)] == db.execute("SELECT name FROM sqlite_schema").fetchall()
        assert (0,) == db.execute("PRAGMA user_version").fetchone()


def test_statements() -> None:
    """A script falls into statements where SQLite itself says so."""
    script = "CREATE TABLE a (x); -- b;\nCREATE TRIGGER t AFTER INSERT ON a BEGIN\n SELECT ';';\n"
    script += "END;\nINSERT INTO a VALUES ('\n;');\n-- the end"

    assert 3 == len(migrations.statements(script))


def test_half_made_is_made_whole(tmp_path: Path) -> None:
    """A file that another process has only just begun gets its schema; one that has a schema, even
    an older one, is left as it is."""
    path = database(tmp_path)
    Path(path).touch()
    make(path)
    with closing(connect_reader(path)) as db:
        made = db.execute("PRAGMA user_version").fetchone()[0]
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = -1")
    make(path)
    with closing(connect_reader(path)) as db:
        left = db.execute("PRAGMA user_version").fetchone()[0]

    assert (migrations.LATEST, -1) == (made, left)
