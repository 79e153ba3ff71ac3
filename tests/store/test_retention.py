"""What ended long ago goes; what anything still needs stays; no run comes again for that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC
from functools import partial
from pathlib import Path

import pytest

from dotagent.core.model import Exited, Kind, Retry
from dotagent.core.span import DAY_MS, HOUR_MS
from dotagent.core.when import Every
from dotagent.store import database, requests, retention
from dotagent.store.actor import Actor
from dotagent.store.database import Store
from dotagent.store.retention import BATCH, Place
from tests.store.builder import EIGHT, HOURLY, SEEN, Home, agent, route, schedule
from tests.store.builder import database as database_in
from tests.store.test_query_plans import long_ways

KEPT = {"history_ms": 30 * DAY_MS, "messages_ms": 10 * DAY_MS}
COUNTED = ("windows", "attempts", "events", "deliveries", "sends", "outages", "requests")


async def prune(home: Home, **kept: int) -> int:
    """A whole pass; how many rows it removed."""
    limits = retention.until(home.now, **{**KEPT, **kept})
    place: Place | None = Place()
    removed = 0
    while place is not None:
        removed = place.removed
        place = await home.write(partial(retention.prune, limits=limits, place=place))
    return removed


def counts(home: Home) -> dict[str, int]:
    return {table: home.value(f"SELECT count(*) FROM {table}") for table in COUNTED}


async def runs(home: Home, count: int, exit: Exited, every_ms: int = HOUR_MS) -> None:
    """So many runs of the hourly schedule, told at once."""
    for _ in range(count):
        home.now += every_ms
        await home.run(home.now, exit)
        await home.send_all()


async def begun(home: Home) -> None:
    await home.adopt(agent(schedules=[schedule(tries=1)], routes=[route()]))
    await home.plan()
    home.now = EIGHT - HOUR_MS


async def test_what_ended_long_ago_goes(home: Home) -> None:
    """History and messages by their own ages; the last run stays, for ``why``."""
    await begun(home)
    await runs(home, 6, Exited(code=0))
    before = counts(home)
    home.now += 11 * DAY_MS
    await prune(home)
    between = counts(home)
    home.now += 20 * DAY_MS
    await prune(home)

    assert 6 == before["windows"] == before["attempts"] == before["sends"]
    assert (6, 2, 2) == (between["windows"], between["deliveries"], between["sends"])
    left = counts(home)
    assert (2, 2) == (left["windows"], left["attempts"])
    assert 0 == await prune(home)


async def test_no_run_comes_again(home: Home) -> None:
    """The cursor decides what is new (rules R3): with all rows gone but the last, planning from
    there brings what would have come anyway."""
    await begun(home)
    await runs(home, 30, Exited(code=0))
    through = home.value("SELECT planned_through FROM schedules")
    last = home.value("SELECT max(expected_at) FROM windows")
    home.now += HOUR_MS // 2
    limits = retention.until(home.now, history_ms=0, messages_ms=0)
    await home.write(lambda tx: retention.prune(tx, limits, Place()))
    await home.write(lambda tx: retention.prune(tx, limits, Place(step=1)))
    due = await home.due()

    assert [] == due
    assert through == home.value("SELECT planned_through FROM schedules")
    assert 2 == home.value("SELECT count(*) FROM windows")
    assert last == home.value("SELECT max(expected_at) FROM windows")


async def test_what_is_on_its_way_stays(home: Home) -> None:
    """A message that waits for its service, with its event, its sends and the output that it will
    show, however old; what else was sent goes."""
    await begun(home)
    await runs(home, 1, Exited(code=0))
    home.now += HOUR_MS
    await home.run(home.now, Exited(code=1))
    for claim in await home.claim():
        await home.answer(claim, Retry(why="503"))
    waiting = home.rows("SELECT * FROM deliveries WHERE state = 'pending'")
    for _ in range(3):
        home.now += HOUR_MS
        await home.run(home.now, Exited(code=1))
    home.now += 400 * DAY_MS
    await prune(home)

    assert waiting
    for row in waiting:
        assert home.value("SELECT 1 FROM deliveries WHERE id = ?", row["id"])
        event = home.row("SELECT * FROM events WHERE seq = ?", row["event_seq"])
        assert home.value("SELECT 1 FROM attempts WHERE id = ?", event["attempt_id"])
    assert 1 <= home.value("SELECT count(*) FROM sends")


async def test_what_an_absence_still_counts_stays(home: Home) -> None:
    """One of two runs that were caught up takes longer than history is kept: told at its end, the
    absence counts both, and the older windows that they stood in for; then all of it goes."""
    often = [schedule(id, when=HOURLY, tries=1) for id in ("long", "short")]
    await home.adopt(agent(schedules=often, routes=[route()]))
    await home.notify(route("g", "f2"))
    await home.plan()
    await home.end()
    home.now += 5 * HOUR_MS
    await home.begin()
    long, short = sorted(await home.due(), key=lambda run: run.schedule_id)
    await home.settle(short, Exited(code=0))
    await runs(home, 5, Exited(code=0))
    home.now += 31 * DAY_MS
    await prune(home)
    await home.settle(long, Exited(code=0))
    await home.look()
    lines = home.rows("SELECT facts FROM events WHERE kind = 'away_summary'")
    before = counts(home)
    await prune(home)

    assert 1 == len(lines)
    assert "2 runs caught up, 2 ok; 8 older windows folded" in lines[0]["facts"]
    assert counts(home)["windows"] < before["windows"]


@pytest.mark.parametrize("told", [True, False])
async def test_the_end_of_a_long_outage_is_told_as_ever(home: Home, told: bool) -> None:
    """An outage of months: its old messages go but for the first of each kind; its end is told to
    who was told of its failures, and not to whom everything was held back from (rules R14)."""
    await begun(home)
    number = None if told else await home.silence(300 * DAY_MS)
    await runs(home, 24 * 3, Exited(code=1))
    if number is not None:
        await home.write(lambda tx: tx.run("UPDATE silences SET ended_at = ?", home.now))
    before = counts(home)
    home.now += 12 * DAY_MS
    await prune(home)
    between = counts(home)
    await home.look()
    await home.send_all()
    home.now += HOUR_MS
    (run,) = await home.due()
    await home.settle(run, Exited(code=0))
    await home.send_all()

    assert 140 < before["events"]
    assert 10 > between["events"]
    assert 1 == home.value("SELECT count(*) FROM outages")
    ends = home.rows(
        "SELECT d.state FROM deliveries d JOIN events e ON e.seq = d.event_seq"
        " WHERE e.kind = 'recovered'"
    )
    assert ["sent" if told else "suppressed"] == [row["state"] for row in ends]


async def test_an_outage_goes_when_it_is_over_and_old(home: Home) -> None:
    """Open ones stay for ever, closed ones as long as history."""
    await begun(home)
    await runs(home, 2, Exited(code=1))
    await runs(home, 2, Exited(code=0))
    await runs(home, 1, Exited(code=1))
    home.now += 31 * DAY_MS
    await prune(home)

    assert [None] == [row["closed_at"] for row in home.rows("SELECT closed_at FROM outages")]


async def test_long_gone_agents_are_forgotten(home: Home) -> None:
    """Removed longer ago than history is kept: nothing of it is left; a young grave stays."""
    await begun(home)
    await runs(home, 3, Exited(code=0))
    await home.adopt()
    home.now += 29 * DAY_MS
    await prune(home)
    young = home.value("SELECT count(*) FROM agents"), home.value("SELECT count(*) FROM schedules")
    home.now += 2 * DAY_MS
    await prune(home)

    assert (1, 1) == young
    for table in ("agents", "schedules", "windows", "attempts", "routing"):
        assert 0 == home.value(f"SELECT count(*) FROM {table}"), table


async def test_answered_requests_go_the_next_day(home: Home) -> None:
    """Those that wait stay."""
    add = (
        "INSERT INTO requests (kind, args, state, created_at, ended_at)"
        " VALUES ('run', '{}', ?, ?, ?)"
    )
    await home.write(lambda tx: tx.run(add, "done", home.now, home.now))
    await home.write(lambda tx: tx.run(add, "waiting", home.now, None))
    home.now += DAY_MS + 1
    await prune(home)

    with closing(home.store.read()) as reader:
        assert 1 == len(requests.waiting(reader))
    assert 1 == counts(home)["requests"]


async def test_a_long_disabled_schedule_is_the_same_one(home: Home) -> None:
    """Disabled for longer than history is kept, an interval goes on at its old grid when it is
    enabled, and its first run at once is not made again; removed meanwhile, it goes for good."""
    often = [
        schedule("s", when=Every(every_ms=HOUR_MS, run_at_start=True)),
        schedule("gone", when=Every(every_ms=HOUR_MS)),
    ]
    await home.adopt(agent(schedules=often))
    first = await home.run()
    await home.adopt(agent(schedules=often, enabled=False))
    await home.adopt(agent(schedules=often[:1], enabled=False))
    await home.send_all()
    home.now += 40 * DAY_MS + HOUR_MS // 3
    await prune(home)
    kept = home.rows("SELECT id, gone_why FROM schedules")
    await home.adopt(agent(schedules=often[:1]))
    due = await home.due()

    assert first.expected_at == SEEN
    assert [{"id": "s", "gone_why": "disabled"}] == kept
    assert [] == due
    assert SEEN + 40 * DAY_MS + HOUR_MS == (await home.wakes())["plan"]


async def test_trials_and_manual_runs_go_too(home: Home) -> None:
    """Attempts without a window, but for the last of the schedule."""
    await begun(home)
    for _ in range(3):
        run = await home.manual()
        assert run is not None
        await home.settle(run, Exited(code=0))
        await home.send_all()
        home.now += HOUR_MS
    home.now += 60 * DAY_MS
    await prune(home)

    assert 1 == counts(home)["attempts"]


@pytest.fixture
async def traced(tmp_path: Path) -> AsyncIterator[tuple[Home, set[str]]]:
    """A home whose statements are kept."""
    path = database_in(tmp_path)
    database.open_store(path).close()
    db = database.connect(path, create=False)
    actor = Actor(epoch=0, host="web-1", zone=UTC)
    made, seen = Home(path=path, store=Store(path, db), actor=actor, now=SEEN), set[str]()
    await made.begin()
    db.set_trace_callback(seen.add)
    yield made, seen
    made.close()


async def test_a_batch_is_small_and_found_by_its_keys(traced: tuple[Home, set[str]]) -> None:
    """One transaction looks at a bounded number of rows, and no statement reads a whole table: a
    large past is never in anybody's way."""
    home, seen = traced
    await begun(home)
    await runs(home, 60, Exited(code=1))
    await home.tell(Kind.GIVEN_UP)
    home.now += 60 * DAY_MS
    seen.clear()
    limits = retention.until(home.now, **KEPT)
    place: Place | None = Place()
    most = 0
    while place is not None:
        before = sum(counts(home).values())
        place = await home.write(partial(retention.prune, limits=limits, place=place))
        most = max(most, before - sum(counts(home).values()))
    with closing(home.store.read()) as reader:
        long = [way for sql in sorted(seen) for way in long_ways(reader, sql)]

    assert 0 < most <= 3 * BATCH
    assert 20 < len(seen)
    assert [] == long
