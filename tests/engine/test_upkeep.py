"""The daily upkeep: once a day whatever restarts, beside everything else, and thorough."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

from dotagent.core.span import DAY_MS
from dotagent.engine.upkeep import FACT, LEAP_MS
from dotagent.steps.attest import attest_held
from dotagent.store import facts, look, record
from dotagent.store.database import Tx
from dotagent.system.service import LOG_BYTES
from tests.engine.line import ONCE, Line, line, running, write_agent

OLD_S = 400 * 86_400


def stamps(made: Line) -> list[int]:
    """When the upkeep was last done."""
    return [int(at) for at in made.values("SELECT value FROM facts WHERE name = ?", FACT)]


def aged(path: Path, text: str = "old\n") -> Path:
    """A file of last year."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    then = path.stat().st_mtime - OLD_S
    os.utime(path, (then, then))
    return path


async def test_once_a_day_is_remembered(tmp_path: Path) -> None:
    """At the first start; not again at the next one that day; a day later, and after a stamp that a
    wrong clock left, it is."""
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: stamps(made))
        first = stamps(made)
    async with line(tmp_path) as made, running(made):
        write_agent(tmp_path, "a", ONCE)
        await made.engine.reload()
        made.engine.poke()
        await made.until(lambda: made.values("SELECT 1 FROM attempts WHERE ended_at"))
        again = stamps(made)
    done = [await stamp_after(tmp_path, off) for off in (-DAY_MS, 10 * DAY_MS)]

    assert first == again
    assert first[0] <= min(done) <= max(done) < first[0] + DAY_MS


async def stamp_after(home: Path, off: int) -> int:
    """When it is done next, where the last time lies so far off from now."""
    async with line(home) as made:
        wrong = str(made.parts.clock.now() + off)
        await made.store.write(lambda tx: facts.remember(tx, FACT, wrong))
        async with running(made):
            await made.until(lambda: stamps(made) != [int(wrong)])
            return stamps(made)[0]


async def test_what_is_kept_no_longer_goes(tmp_path: Path) -> None:
    """Rows, pieces of logs, copies and heartbeats of agents that nobody knows, leftovers of writes
    that a crash cut short; what is in use stays, and so does what is not ours."""
    write_agent(tmp_path, "here", ONCE, script="echo new")
    state, logs = tmp_path / "state", tmp_path / "logs" / "agents"
    gone = [
        aged(logs / "here" / "here.log.2020-01-01.1"),
        aged(logs / "away" / "away.log"),
        aged(state / "manifests" / "away.toml"),
        aged(state / "manifests" / "away.toml.before"),
        aged(state / "agents" / "away" / "default.heartbeat.json"),
        aged(state / "agents" / "here" / ".tmp-1-ab"),
        aged(state / ".tmp-2-cd"),
    ]
    kept = [
        aged(state / "agents" / "here" / "default.heartbeat.json"),
        aged(state / "manifests" / "notes.txt"),
        aged(logs / "away" / "mine.txt"),
    ]
    async with line(tmp_path) as made:
        await made.store.write(
            lambda tx: tx.run(
                "INSERT INTO requests (kind, args, state, created_at, ended_at)"
                " VALUES ('run', '{}', 'done', 1, 1)"
            )
        )
        async with running(made):
            await made.until(lambda: stamps(made))
            left = made.values("SELECT id FROM requests")

    assert [] == [path for path in gone if path.exists()]
    assert kept == [path for path in kept if path.exists()]
    assert [] == left
    assert (state / "manifests" / "here.toml").exists()


async def test_a_silent_run_keeps_its_log(tmp_path: Path) -> None:
    """A log that is older than what is kept, but that a run still writes to, stays."""
    write_agent(tmp_path, "slow", ONCE, script="echo begun; exec sleep 600")
    log = tmp_path / "logs" / "agents" / "slow" / "slow.log"
    async with line(tmp_path) as made:
        now = str(made.parts.clock.now() - DAY_MS + 3_000)
        await made.store.write(lambda tx: tx.run("INSERT INTO facts VALUES (?, ?)", FACT, now))
        async with running(made):
            await made.until(lambda: log.exists() and "begun" in log.read_text())
            aged(log, log.read_text())
            await made.until(lambda: stamps(made) != [int(now)])
            stays = log.exists()

    assert stays


async def test_what_launchd_keeps_is_shortened(tmp_path: Path) -> None:
    """A daemon that runs for months says something now and then, too."""
    log = tmp_path / "logs" / "daemon" / "launchd.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * (LOG_BYTES + 1))
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: stamps(made))

    assert 0 == log.stat().st_size


async def test_a_stop_does_not_wait_for_it(tmp_path: Path) -> None:
    """A large past is left for another day: the upkeep ends with its step, and is not done."""
    async with line(tmp_path) as made:
        await made.store.write(fill)
        async with running(made):
            await made.until(lambda: made.values("SELECT count(*) FROM requests") < [MANY])
        left, done = made.values("SELECT count(*) FROM requests"), stamps(made)

    assert left > [0]
    assert [] == done


MANY = 40_000


def fill(tx: Tx) -> None:
    """Requests that were answered long ago."""
    for _ in range(MANY):
        tx.run(
            "INSERT INTO requests (kind, args, state, created_at, ended_at)"
            " VALUES ('run', '{}', 'done', 1, 1)"
        )


async def test_a_clock_that_leapt_forgets_nothing_at_once(tmp_path: Path) -> None:
    """Two years ahead, or a machine that was off so long: what is old by that clock goes a day
    later, if the clock still says so."""
    log = aged(tmp_path / "logs" / "agents" / "away" / "away.log")
    leapt = await stamp_after(tmp_path, -LEAP_MS - DAY_MS)
    there = log.exists()
    later = await stamp_after(tmp_path, -DAY_MS)

    assert leapt <= later
    assert there
    assert not log.exists()


async def test_a_touched_line_is_told_once(tmp_path: Path) -> None:
    """A start looks at the end of the record alone; once a day all of it is followed, and a line
    that is not as it was written is told, with its place, and not again the next day."""
    write_agent(tmp_path, "a", ONCE)
    told: list[list[str]] = []
    for _ in range(3):
        async with line(tmp_path) as made:
            made.store.on_audit = made.recorder.wake
            await made.store.write(lambda tx: facts.remember(tx, FACT, "0"))
            async with running(made):
                await made.until(lambda: made.values("SELECT 1 FROM attempts WHERE ended_at"))
                await made.until(lambda: stamps(made) != [0])
                told.append(
                    made.values("SELECT facts FROM events WHERE kind = 'audit_chain_broken'")
                )
        touch(Path(made.parts.paths.audit))

    assert [0, 1, 1] == [len(each) for each in told]
    assert "line 1 was changed" in told[1][0]


async def test_what_is_still_to_be_written_is_no_break(tmp_path: Path) -> None:
    """Whoever follows the record has the rest of it written, also where the recorder sleeps until a
    time that a wrong clock named."""
    write_agent(tmp_path, "a", ONCE)
    async with line(tmp_path) as made:
        async with running(made):
            await made.until(lambda: made.values("SELECT 1 FROM attempts WHERE ended_at"))
        parts, recorder = made.parts, made.recorder
        more = partial(record.append, actor=parts.actor, now=0, severity="info", event_type="x")
        await made.store.write(more)
        behind = look.audit_head(parts.reader) - recorder.written
        found = await asyncio.to_thread(attest_held, parts.paths, made.store, recorder.catch_up)

    assert 0 < behind
    assert (None, 0) == (found.broken_at, found.waiting)


def touch(path: Path) -> None:
    """Change the first line."""
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first.replace(b'"severity":"', b'"severity":"x', 1) + b"\n" + rest)
