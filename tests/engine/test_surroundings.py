"""What changes around a running engine: it is noticed, and a disk that hangs holds nothing up."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dotagent.engine.asked import READING
from dotagent.store.database import append_request
from tests.engine.line import ONCE, Line, line, running, write_agent

DAILY = '[[schedules]]\nid = "s"\ndaily = "08:30"\n'
FIXED = '[[schedules]]\nid = "s"\ndaily = "08:30"\ntimezone = "Asia/Tokyo"\n'


def due(made: Line, agent: str, zone: ZoneInfo) -> str:
    """When the agent is looked at next, as a wall clock in ``zone`` shows it."""
    (at,) = made.values("SELECT next_due_at FROM schedules WHERE agent = ?", agent)
    return f"{datetime.fromtimestamp(at / 1000, UTC).astimezone(zone):%H:%M}"


async def test_another_zone_is_another_instant(tmp_path: Path) -> None:
    """The machine moves to another zone: 08:30 is then 08:30 there, from now on; a schedule with a
    zone of its own stays where it was."""
    tokyo, york = ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")
    write_agent(tmp_path, "local", DAILY)
    write_agent(tmp_path, "fixed", FIXED)
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: len(made.values("SELECT 1 FROM schedules WHERE next_due_at")) > 1)
        made.zone.now = york
        made.engine.poke()
        await made.until(lambda: due(made, "local", york) == "08:30")
        there = due(made, "local", york), due(made, "fixed", tokyo)

    assert ("08:30", "08:30") == there
    assert [] == made.values("SELECT 1 FROM windows")


async def test_a_zone_that_changed_meanwhile_is_noticed_too(tmp_path: Path) -> None:
    """The zone changes while nobody holds the home: the next holder plans by the new one."""
    york = ZoneInfo("America/New_York")
    write_agent(tmp_path, "local", DAILY)
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.values("SELECT 1 FROM schedules WHERE next_due_at"))
    async with line(tmp_path) as made:
        made.zone.now = york
        async with running(made):
            await made.until(lambda: due(made, "local", york) == "08:30")


async def test_a_look_that_hangs_holds_nothing_up(tmp_path: Path) -> None:
    """While the look into the roots hangs, as on a network folder that has gone away, what is known
    runs, a stop is heard, and what was new is adopted once the folder answers."""
    answers = threading.Event()
    answers.set()
    write_agent(tmp_path, "known", '[[schedules]]\nid = "s"\nevery = "1s"\n')
    async with line(tmp_path, patience_ms=100) as made:
        made.surroundings.before_look = answers.wait
        async with running(made):
            await made.until(lambda: made.values("SELECT 1 FROM schedules WHERE next_due_at"))
            answers.clear()
            write_agent(tmp_path, "new", ONCE)
            made.surroundings.files_changed()
            made.engine.poke()
            before = len(made.values("SELECT 1 FROM windows"))
            await made.until(lambda: len(made.values("SELECT 1 FROM windows")) > before + 1)
            while_it_hung = made.values("SELECT name FROM agents")
            answers.set()
            await made.until(lambda: made.values("SELECT 1 FROM events WHERE agent = 'new'"))
            answers.clear()
            write_agent(tmp_path, "later", ONCE)
            made.surroundings.files_changed()
            made.engine.poke()
        answers.set()

    assert ["known"] == while_it_hung


async def test_a_tick_waits_for_many_new_manifests(tmp_path: Path) -> None:
    """A look that takes longer than a turn waits for it: what it brings is started before the tick
    is answered. Else cron's ticks would each end before the first look did, for ever."""
    answers = threading.Event()
    write_agent(tmp_path, "new", ONCE)
    async with line(tmp_path, patience_ms=50) as made:
        made.engine.mode = replace(made.engine.mode, plan=False)
        made.surroundings.before_look = answers.wait
        database = made.parts.paths.database
        request = append_request(database, "tick", "{}", made.parts.clock.now())
        state = f"SELECT state FROM requests WHERE id = {request}"
        async with running(made):
            await made.until(lambda: made.values(state) != ["waiting"])
            made.engine.poke()
            while_it_read = made.values(state)
            answers.set()
            await made.until(lambda: made.values(state) == ["done"])

    assert ["running"] == while_it_read
    assert ["new"] == made.values("SELECT agent FROM attempts")


@pytest.mark.parametrize("kind", ["run", "test"])
async def test_who_asks_for_a_new_agent_waits_while_it_is_read(tmp_path: Path, kind: str) -> None:
    """A look at many new manifests takes longer than a turn waits for it: whoever asks for one of
    them is told so and waits, and is not told that there is no such agent."""
    answers = threading.Event()
    write_agent(tmp_path, "new", DAILY)
    async with line(tmp_path, patience_ms=50) as made:
        made.surroundings.before_look = answers.wait
        args = json.dumps({"agent": "new", "kind": "manual"})
        request = append_request(made.parts.paths.database, kind, args, made.parts.clock.now())
        row = f"SELECT state || ': ' || note FROM requests WHERE id = {request}"
        state = f"SELECT state FROM requests WHERE id = {request}"
        async with running(made):
            await made.until(lambda: made.values(row) != ["waiting: "])
            while_it_read = made.values(row)
            answers.set()
            await made.until(lambda: made.values(state) == ["done"])
            (answer,) = made.values(f"SELECT answer FROM requests WHERE id = {request}")

    assert [f"waiting: {READING}"] == while_it_read
    assert "no agent" not in answer


async def test_a_long_look_is_said_and_its_end(tmp_path: Path) -> None:
    """Whoever watches a daemon hears how many manifests are being read, and that it is done."""
    answers, said = threading.Event(), []
    for number in range(3):
        write_agent(tmp_path, f"new-{number}", DAILY)
    async with line(tmp_path, patience_ms=50) as made:
        made.surroundings.before_look = answers.wait
        made.engine.mode = replace(made.engine.mode, told=lambda at, words: said.append(words))
        async with running(made):
            await made.until(lambda: said)
            answers.set()
            await made.until(lambda: len(said) > 1)

    assert [
        "reading the manifests; what is known runs meanwhile",
        "3 new or changed manifests read",
    ] == said


async def test_a_root_that_is_away_is_looked_for(tmp_path: Path) -> None:
    """Nobody tells of a file system that is mounted again, nor of a folder whose parent was not
    there: as long as a root is away there is a time for the next look."""
    above = tmp_path / "mnt"
    root = above / "disk" / "agents"
    write_agent(tmp_path, "far", ONCE, root=str(root))
    roots = (str(tmp_path / "agents"), str(root))
    async with line(tmp_path, roots=roots) as made:
        await made.surroundings.renew(made.engine)
        present = made.surroundings.look_at
        above.rename(tmp_path / "unmounted")
        await made.engine.reload()
        away = made.surroundings.look_at
        held = made.values("SELECT held_at IS NOT NULL FROM schedules")
        (tmp_path / "unmounted").rename(above)
        await made.engine.reload()

    assert present is None
    assert away is not None
    assert 0 < away - made.parts.clock.now() <= 60_000
    assert [1] == held
    assert made.surroundings.look_at is None
    assert [0] == made.values("SELECT held_at IS NOT NULL FROM schedules")


async def test_what_the_store_does_not_take_is_looked_at_again(tmp_path: Path) -> None:
    """A manifest is saved while somebody else has the database locked: the engine hears a stop all
    the same, and where there was none it adopts the manifest once the lock is gone."""
    async with line(tmp_path) as made:
        await made.surroundings.renew(made.engine)
        other = sqlite3.connect(made.parts.paths.database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        write_agent(tmp_path, "new", ONCE)
        made.surroundings.files_changed()
        async with running(made):
            await made.until(lambda: made.parts.trouble.why)
            made.engine.stop("SIGTERM")
        locked = made.values("SELECT name FROM agents")
        other.close()
        await made.surroundings.renew(made.engine)

    assert [] == locked
    assert ["new"] == made.values("SELECT name FROM agents")


async def test_a_machine_that_slept(tmp_path: Path) -> None:
    """The span in which nothing could be started is kept, once, for ``why`` and for the word after
    an absence."""
    write_agent(tmp_path, "a", DAILY)
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.values("SELECT 1 FROM schedules WHERE next_due_at"))
        made.zone.slept_ms += 3_600_000
        made.engine.poke()
        await made.until(lambda: made.values("SELECT 1 FROM spans"))
        made.engine.poke()
        spans = made.rows("SELECT why, to_at - from_at AS ms FROM spans")

    assert [{"why": "the machine slept", "ms": 3_600_000}] == spans
