"""No statement of the line's daily work reads a table that grows with time from end to end."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC
from pathlib import Path

import pytest

from dotagent.core.manifest_notifier import QuietHours
from dotagent.core.model import Exited, Kind, RejectDestination, RejectMessage, Retry, Skipped
from dotagent.store import database, outbox_view, plan, requests, resend, windows
from dotagent.store.actor import Actor
from dotagent.store.database import Store
from dotagent.store.look import last_receipt
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS
from tests.store.builder import EIGHT, SEEN, Home, agent, route, schedule
from tests.store.builder import database as database_in

GROWING = {
    "attempts",
    "audit",
    "deliveries",
    "events",
    "outages",
    "pauses",
    "requests",
    "sends",
    "silences",
    "windows",
}
OF_THE_OPEN = {
    "attempts_open",
    "deliveries_free",
    "deliveries_order",
    "deliveries_overdue",
    "deliveries_sending",
    "deliveries_to_plugins",
    "outages_open",
    "pauses_open",
    "pauses_until",
    "requests_open",
    "silences_open",
    "silences_until",
    "windows_live",
    "windows_waiting",
}
"""Indexes of what has not ended: these stay small."""

_NAMED = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO) (\w+)(?: (?:AS )?(?!WHERE|JOIN|SET|ON)(\w+))?")
_STEP = re.compile(r"^(SCAN|SEARCH) (\w+)(?: USING (?:COVERING )?INDEX (\w+))?(.*)$")


def long_ways(db: sqlite3.Connection, sql: str) -> list[str]:
    """The steps of the plan of ``sql`` that read all of a growing table, all that a schedule ever
    had, or all messages that wait."""
    tables = {alias or name: name for name, alias in _NAMED.findall(sql)} | {
        name: name for name, _ in _NAMED.findall(sql)
    }
    found = []
    for row in db.execute(f"EXPLAIN QUERY PLAN {sql}"):
        step = _STEP.match(row[3])
        if step is None or tables.get(step[2]) not in GROWING or step[3] in OF_THE_OPEN:
            continue
        is_past = step[3] == "sqlite_autoindex_windows_1" and "expected_at" not in step[4]
        is_past |= step[3] == "deliveries_state" and "state = 'sending'" not in sql
        is_whole = step[1] == "SCAN" or not (step[3] or "KEY" in step[4])
        if (is_whole or is_past) and " LIMIT 1" not in sql:
            found.append(f"{row[3]}: {' '.join(sql.split())}")
    return found


class Traced(Home):
    """A home whose statements are kept."""

    seen: set[str]
    db: sqlite3.Connection


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Traced]:
    path = database_in(tmp_path)
    database.open_store(path).close()
    db = database.connect(path, create=False)
    made = Traced(
        path=path,
        store=Store(path, db),
        actor=Actor(epoch=0, host="web-1", zone=UTC),
        now=SEEN,
    )
    await made.begin()
    made.seen = set()
    made.db = db
    db.set_trace_callback(made.seen.add)
    yield made
    made.close()


async def live(home: Home) -> None:
    """What a holder does all day: plan, run, fail, retry, give up, remind, recover, send, park."""
    often = schedule("s", tries=2, backoff=(MINUTE_MS,))
    routes = [route(remind=[HOUR_MS]), route("m", "f2")]
    await home.adopt(agent(schedules=[often], routes=routes))
    await home.plan()
    await home.notify(route("g", "f3"))
    for outcome in (None, Retry(why="503"), RejectDestination(why="404"), Skipped(why="no")):
        await home.run(EIGHT if home.now < EIGHT else home.now + HOUR_MS)
        for claim in await home.claim():
            await home.answer(claim, outcome, room=8)
        home.now += 10 * MINUTE_MS
        await home.send_all()
    await home.look(home.now + 3 * HOUR_MS)
    await home.end()
    home.now += 3 * HOUR_MS
    await home.begin()
    await home.run(home.now)
    await home.silence()
    await home.tell(Kind.TIMED_OUT, outage_id=home.value("SELECT max(id) FROM outages"))
    await home.look(home.now + 3 * HOUR_MS)
    await home.plan(home.now + 24 * HOUR_MS)
    await home.run(home.now + HOUR_MS, Exited(code=0))
    run = await home.manual()
    assert run is not None
    await home.settle(run, Exited(code=0))
    await home.tell(Kind.GIVEN_UP)
    await home.adopt(agent(schedules=[schedule("s", tries=1)], routes=routes[:1]))
    await home.write(lambda tx: resend.again(tx, home.now, [1]))
    await home.skip()
    await home.pause(home.now + 2 * HOUR_MS)
    await home.plan(home.now + HOUR_MS)
    await home.resume()
    await home.pause(home.now + HOUR_MS, "s")
    await home.plan(home.now + 5 * HOUR_MS)
    await home.write(plan.next_look)
    await fold(home)
    await home.adopt()
    await home.wakes()


async def fold(home: Home) -> None:
    """Hold, release, fold, limit, fall apart, cancel."""
    night = QuietHours(from_minute=0, to_minute=23 * 60)
    routes = [
        route(quiet_hours=night, collapse=True, rate_limit_ms=HOUR_MS),
        route("m", "f2", rate_limit_ms=HOUR_MS),
    ]
    names = [f"x{n}" for n in range(25)]
    await home.adopt(*(agent(name, routes=routes) for name in names))
    home.now += DAY_MS - home.now % DAY_MS
    for kind in (Kind.ATTEMPT_FAILED, Kind.SUCCESS, Kind.GIVEN_UP, Kind.SUCCESS):
        for name in names:
            await home.tell(kind, name)
        for claim in await home.claim():
            outcome = RejectMessage(why="400") if claim.others else Retry(why="503")
            await home.answer(claim, outcome, room=8)
        home.now += HOUR_MS
    await home.send_all()
    await home.tell(Kind.SUCCESS, names[0])
    last = home.value("SELECT max(id) FROM deliveries WHERE state = 'pending'")
    await home.write(lambda tx: resend.cancel(tx, home.actor, home.now, [last], "old"))


async def test_after_a_crash(home: Traced) -> None:
    """What was cut short together finds itself together again by an index."""
    night = QuietHours(from_minute=0, to_minute=23 * 60)
    await home.adopt(agent(routes=[route(quiet_hours=night)]))
    await home.tell(Kind.SUCCESS)
    await home.tell(Kind.SUCCESS)
    home.now += DAY_MS
    await home.claim()
    await home.crash()
    home.seen.clear()
    await home.send_all()
    with closing(home.store.read()) as reader:
        long = [way for sql in sorted(home.seen) for way in long_ways(reader, sql)]

    assert {2} == {row["tries"] for row in home.rows("SELECT tries FROM deliveries")}
    assert [] == long


async def test_no_statement_reads_a_whole_past(home: Traced) -> None:
    """Whatever the engine does all day, its statements find what they need by an index."""
    await live(home)
    with closing(home.store.read()) as reader:
        long = [way for sql in sorted(home.seen) for way in long_ways(reader, sql)]

    assert 100 < len(home.seen)
    assert [] == long


@pytest.mark.parametrize(
    "look",
    [
        requests.waiting,
        requests.unfinished,
        lambda reader: outbox_view.of_attempt(reader, 1),
        lambda reader: outbox_view.may_go(reader, 1, 1, 1),
        lambda reader: last_receipt(reader, 1),
    ],
)
async def test_no_look_up_reads_a_whole_past(
    home: Traced, look: Callable[[sqlite3.Connection], object]
) -> None:
    """Nor do the look-ups that are made each turn, or while somebody waits for a run."""
    seen: set[str] = set()
    with closing(home.store.read()) as reader:
        reader.set_trace_callback(seen.add)
        look(reader)
        reader.set_trace_callback(None)
        long = [way for sql in seen for way in long_ways(reader, sql)]

    assert seen
    assert [] == long


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM requests WHERE kind = 'run'",
        "SELECT max(at) FROM events",
        "SELECT * FROM attempts WHERE epoch = 1",
        "SELECT d.* FROM events e JOIN deliveries d ON d.event_seq = e.seq WHERE d.name = 'x'",
        "SELECT * FROM windows WHERE agent = 'a' AND schedule = 's' AND state = 'waiting'",
        "SELECT * FROM deliveries WHERE state = 'pending' AND name = 'x'",
    ],
)
async def test_a_long_way_is_noticed(home: Traced, sql: str) -> None:
    """What reads a whole table, all windows of a schedule or all that waits is found out."""
    with closing(home.store.read()) as reader:
        assert long_ways(reader, sql)


async def test_the_waiting_window_is_found_among_many(home: Home) -> None:
    """A schedule's waiting window is the live one that no attempt runs for, if there is one."""
    await home.adopt(agent())
    await home.plan()
    first = await home.write(lambda tx: windows.waiting(tx, "a", "s"))
    await home.plan(EIGHT)
    waiting = await home.write(lambda tx: windows.waiting(tx, "a", "s"))
    await home.runs()
    running = await home.write(lambda tx: windows.waiting(tx, "a", "s"))

    assert first is None
    assert waiting is not None
    assert EIGHT == waiting["expected_at"]
    assert running is None


async def test_a_dead_channel_costs_its_neighbours_nothing(home: Traced) -> None:
    """However much waits for a channel that is down, a message to another one is claimed and
    settled, and the next wake found, in as many steps of SQLite; all of it waits for one time."""
    ticks = [0]

    def tick() -> int:
        ticks[0] += 1
        return 0

    home.db.set_progress_handler(tick, 50)
    names = [f"x{n}" for n in range(1_000)]
    routed = [agent(name, schedules=[], routes=[route(to="dead")]) for name in names]
    await home.adopt(*routed, agent("fine", schedules=[], routes=[route(to="fine")]))
    costs = []
    for waiting in (names[:10], names[10:]):
        for name in waiting:
            await home.tell(Kind.GIVEN_UP, name)
        for claim in await home.claim(only=["dead"]):
            await home.answer(claim, Retry(why="503", after_ms=HOUR_MS))
        down = (await home.wakes())["outbox"]
        await home.tell(Kind.GIVEN_UP, "fine")
        ticks[0] = 0
        (claim,) = await home.claim()
        await home.answer(claim, room=8)
        assert down == (await home.wakes())["outbox"]
        costs.append(ticks[0])

    assert costs[1] < 2 * costs[0]
