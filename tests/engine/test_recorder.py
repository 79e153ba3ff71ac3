"""The recorder: the audit file follows the database, whatever becomes of those who ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC
from functools import partial
from pathlib import Path

import pytest

from dotagent.engine.recorder import Recorder
from dotagent.steps.attest import attest
from dotagent.store import look, record, retention
from dotagent.store.actor import Actor
from dotagent.store.database import Store, Tx, open_store
from dotagent.store.retention import Place
from dotagent.system import auditfile, segments
from dotagent.system.clock import SystemClock
from tests.engine.line import line, running, write_agent

ACTOR = Actor(epoch=1, host="web-1", zone=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A new database."""
    opened = open_store(str(tmp_path / "dotagent.db"))
    yield opened
    opened.close()


@pytest.fixture
async def recorder(store: Store, tmp_path: Path) -> AsyncIterator[Recorder]:
    """The recorder of ``store``, at its start."""
    clock = SystemClock()
    made = Recorder(str(tmp_path / "audit.jsonl"), store, clock)
    made.check()
    yield made
    made.close()
    clock.close()


async def commit(store: Store, count: int) -> None:
    """Add so many entries in one commit."""

    def entries(tx: Tx) -> None:
        for number in range(count):
            record.append(tx, ACTOR, number, "info", "tick_started", agents_scanned=number)

    await store.write(entries)


def written(store: Store) -> bytes:
    """The file as the database wants it."""
    reader = store.read()
    rows = look.audit_after(reader, 0, 10_000)
    reader.close()
    return b"".join(line + b"\n" for _, line in rows)


async def test_what_is_committed_is_written(
    store: Store, recorder: Recorder, tmp_path: Path
) -> None:
    """All rows are there, in order, once."""
    await commit(store, 1_500)
    done = await recorder.flush()

    assert done
    assert written(store) == (tmp_path / "audit.jsonl").read_bytes()


async def test_a_cancelled_append_is_not_made_twice(
    store: Store, recorder: Recorder, tmp_path: Path
) -> None:
    """A stop that comes while lines are on their way to the disk writes none of them again."""
    for _ in range(30):
        running = asyncio.create_task(recorder.run())
        await commit(store, 3)
        recorder.wake()
        for _ in range(3):  # it is in the middle of the append now
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await recorder.flush()

    assert written(store) == (tmp_path / "audit.jsonl").read_bytes()


async def test_a_removed_folder_is_survived(
    store: Store, recorder: Recorder, tmp_path: Path
) -> None:
    """Where the file cannot even be opened that is trouble, and no more; once it can be opened
    again, all that is missing follows."""
    path = tmp_path / "audit.jsonl"
    await commit(store, 2)
    await recorder.flush()
    path.unlink()
    path.mkdir()
    await commit(store, 2)
    first = await recorder.flush()
    why = recorder.trouble
    path.rmdir()
    second = await recorder.flush()

    assert (False, True) == (first, second)
    assert why is not None
    assert "cannot be opened: Is a directory" in why
    assert written(store) == path.read_bytes()
    assert recorder.trouble is None


def meddle(path: str) -> None:
    """Add a line that is not the recorder's."""
    with open(path, "ab") as file:
        file.write(b'{"not": "ours"}\n')


async def test_what_somebody_else_did_is_told_at_once(tmp_path: Path) -> None:
    """A line that is added to the file while the daemon runs is told once, as it is found; the
    record goes on behind it."""
    write_agent(tmp_path, "often", '[[schedules]]\nid = "s"\nevery = "1s"\nrun_at_start = true\n')
    runs = "SELECT 1 FROM events WHERE kind = 'success'"
    told = "SELECT facts FROM events WHERE kind = 'audit_chain_broken'"
    async with line(tmp_path) as made, running(made):
        made.store.on_audit = made.recorder.wake
        await made.until(lambda: made.values(runs))
        meddle(made.parts.paths.audit)
        await made.until(lambda: made.values(told))
        count = len(made.values(runs))
        await made.until(lambda: len(made.values(runs)) > count + 1)
        facts = made.values(told)

    assert 1 == len(facts)
    assert "the audit record was changed from outside" in facts[0]


async def test_a_full_file_is_sealed(store: Store, tmp_path: Path) -> None:
    """The record goes on in the next file, over restarts too; together they are what the database
    has."""
    clock = SystemClock()
    path = str(tmp_path / "audit.jsonl")
    for _ in range(3):
        recorder = Recorder(path, store, clock, seal_bytes=2_000)
        standing = recorder.check()
        for _ in range(4):
            await commit(store, 7)
            assert await recorder.flush()
        recorder.close()
        assert standing.broken is None
    clock.close()

    assert len(segments.found(path)) > 3
    assert written(store) == b"".join(segments.lines(path))
    with closing(store.read()) as reader:
        assert attest(path, reader).whole


async def test_what_the_database_has_let_go_still_verifies(store: Store, tmp_path: Path) -> None:
    """Old rows go once they are sealed on disk; the chain through the files says what they
    were; a line of theirs that is touched still shows, at the next."""
    clock = SystemClock()
    path = str(tmp_path / "audit.jsonl")
    recorder = Recorder(path, store, clock, seal_bytes=2_000)
    recorder.check()
    for _ in range(5):
        await commit(store, 7)
        await recorder.flush()
    recorder.close()
    clock.close()
    await prune(store, path)
    with closing(store.read()) as reader:
        kept, sealed = look.audit_first(reader), segments.found(path)[-1].last
        whole = attest(path, reader)
        recorder = Recorder(path, store, clock)
        standing = recorder.check()
        recorder.close()
        first = Path(segments.found(path)[0].path)
        touch(first)
        touched = attest(path, reader)

    assert sealed == kept
    assert whole.whole
    assert (35, None) == (standing.written_seq, standing.broken)
    assert (False, f"That is line 6 of {first}.") == (touched.whole, touched.note)


def touch(path: Path) -> None:
    """Change the fifth line."""
    path.write_bytes(path.read_bytes().replace(b'"agents_scanned":4', b'"agents_scanned":5'))


async def prune(store: Store, path: str) -> None:
    """Let go of all that is old, as the upkeep does; the entries of these tests are of 1970."""
    with closing(store.read()) as reader:
        sealed = auditfile.sealed_seq(path, lambda digest: look.audit_seq_of(reader, digest))
    limits = retention.until(10**12, history_ms=1, messages_ms=1, sealed_seq=sealed)
    place: Place | None = Place()
    while place is not None:
        place = await store.write(partial(retention.prune, limits=limits, place=place))
