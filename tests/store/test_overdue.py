"""Schedules that are overdue although nothing failed (rules R13): an outage, told at once, once."""

from __future__ import annotations

import json

import pytest

from dotagent.core.model import Exited, Kind
from dotagent.core.when import Calendar, Every
from dotagent.store import plan
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS
from tests.store.builder import EIGHT, ROOT, SEEN, Home, agent, route, schedule

NOT_NOW = Exited(code=75)
HOURS = [EIGHT + hour * HOUR_MS for hour in range(40)]
REMINDING = route(events=[Kind.GIVEN_UP], remind=[HOUR_MS])


async def stale_at(home: Home) -> int | None:
    at: int | None = home.value("SELECT stale_at FROM schedules")
    return at


async def only_not_now(home: Home, until: int) -> None:
    """A script that says "not now" every hour."""
    for hour in HOURS:
        if hour >= until:
            break
        await home.run(hour, NOT_NOW)


def facts(home: Home, kind: str) -> list[dict[str, object]]:
    rows = home.rows("SELECT facts FROM events WHERE kind = ? ORDER BY seq", kind)
    return [json.loads(row["facts"]) for row in rows]


async def test_not_now_for_ever(home: Home) -> None:
    """A script that always says "not now" never fails, and still becomes overdue: exactly one
    period and ``stale_after`` past first sight, health ``stale``, one message at once."""
    await home.adopt(agent(routes=[REMINDING]))
    await home.plan()
    await only_not_now(home, EIGHT + 3 * HOUR_MS)
    due = SEEN + 3 * HOUR_MS + 1
    wakes = await home.write(plan.next_look)
    await home.plan(due - 1)
    before = home.events()
    await home.plan(due)
    await home.plan(due + 1)

    assert due == wakes
    assert [] == before
    assert ["still_failing"] == home.events()
    assert [("n", "still_failing", "pending", "")] == home.deliveries()
    assert {"health": "stale", "reason": "overdue: what fell due has not succeeded"} == home.row(
        "SELECT health, reason FROM schedules"
    )
    assert {"since_at": SEEN, "ever": False} == facts(home, "still_failing")[0]["without"]
    assert "overdue" == home.value("SELECT opened_by FROM outages")
    assert "agent_overdue" == home.audit()[-1]["event"]["event_type"]


async def test_nobody_asked_and_it_is_still_in_the_inbox(home: Home) -> None:
    """Without a notifier that reminds, the event is there all the same."""
    await home.adopt(agent(routes=[]))
    await home.plan()
    await only_not_now(home, EIGHT + 3 * HOUR_MS)
    await home.plan(SEEN + 3 * HOUR_MS + 1)

    assert ["still_failing"] == home.events()


async def test_it_speaks_again(home: Home) -> None:
    """Reminders follow as for any outage, and say for how long there was no success."""
    await home.adopt(agent(routes=[REMINDING]))
    await home.plan()
    await only_not_now(home, EIGHT + 3 * HOUR_MS)
    due = SEEN + 3 * HOUR_MS + 1
    await home.plan(due)
    await home.send_all()
    again = (await home.wakes())["timely"]
    await home.look(due + HOUR_MS - 1)
    once = home.events()
    await home.look(due + HOUR_MS)

    assert due + HOUR_MS == again
    assert ["still_failing"] == once
    assert ["still_failing"] * 2 == home.events()
    assert all("without" in each for each in facts(home, "still_failing"))


async def test_a_success_ends_it(home: Home) -> None:
    """The next success recovers, says so, and counts anew from there."""
    await home.adopt(agent())
    await home.plan()
    await only_not_now(home, EIGHT + 3 * HOUR_MS)
    await home.plan(SEEN + 3 * HOUR_MS + 1)
    await home.run(EIGHT + 3 * HOUR_MS, Exited(code=0))
    await home.plan(EIGHT + 4 * HOUR_MS)
    stale = await stale_at(home)

    assert ["still_failing", "success", "recovered"] == home.events()
    assert "ok" == home.value("SELECT health FROM schedules")
    assert EIGHT + 6 * HOUR_MS + 1 == stale


@pytest.mark.parametrize("overlap", ["skip", "queue"])
async def test_a_run_that_never_ends(home: Home, overlap: str) -> None:
    """With a run that never ends, every further window is skipped, or waits behind it; neither is
    a success: the schedule speaks (rules R4)."""
    await home.adopt(agent(schedules=[schedule(overlap=overlap)]))
    await home.plan()
    await home.run(EIGHT, Exited(code=0))
    (run,) = await home.due(EIGHT + HOUR_MS)
    for hour in (2, 3):
        await home.plan(EIGHT + hour * HOUR_MS)
    before = home.events()
    await home.plan(EIGHT + 3 * HOUR_MS + 1)
    await home.settle(run, Exited(code=0))

    assert ["success"] == before
    assert ["success", "still_failing", "success", "recovered"] == home.events()


async def test_a_failure_is_no_second_outage(home: Home) -> None:
    """Where it fails there is an outage already: overdue opens none and says nothing more."""
    await home.adopt(agent(schedules=[schedule(tries=1)]))
    await home.plan()
    for hour in range(6):
        await home.run(EIGHT + hour * HOUR_MS)

    assert "still_failing" not in home.events()
    assert 1 == home.value("SELECT count(*) FROM outages")
    assert home.value("SELECT health FROM schedules") == "failing"


async def test_a_night_asleep_is_not_overdue(home: Home) -> None:
    """The 03:00 backup of a laptop that slept until 08:00 runs at wake: nobody is told that it is
    overdue unless the time it then has passes too."""
    nightly = schedule(when=Calendar(expression="0 3 * * *"))
    await home.adopt(agent(schedules=[nightly]))
    await home.plan()
    three = EIGHT + 19 * HOUR_MS
    await home.run(three, Exited(code=0))
    wake = three + DAY_MS + 5 * HOUR_MS
    (run,) = await home.due(wake)
    quiet = home.events()
    await home.plan(wake + 2 * HOUR_MS)
    still_quiet = home.events()
    await home.plan(wake + 2 * HOUR_MS + 1)
    await home.settle(run, Exited(code=0))

    assert ["success"] == quiet == still_quiet
    assert ["success", "still_failing", "success", "recovered"] == home.events()


async def test_a_night_that_ends_at_a_window(home: Home) -> None:
    """Also where the machine wakes just as a window falls due: it stands in for those of the night,
    and has its own time."""
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT, Exited(code=0))
    wake = EIGHT + 10 * HOUR_MS
    (run,) = await home.due(wake)
    await home.settle(run, NOT_NOW)
    await home.run(wake + HOUR_MS, NOT_NOW)
    quiet = home.events()
    await home.plan(wake + 2 * HOUR_MS + 1)

    assert ["success"] == quiet
    assert ["success", "still_failing"] == home.events()


async def test_held_time_does_not_count(home: Home) -> None:
    """While its root is away nothing is overdue, and that time is not counted afterwards."""
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT, NOT_NOW)
    await home.adopt(roots={ROOT: None})
    home.now = EIGHT + 100 * HOUR_MS
    await home.plan()
    held = await home.write(plan.next_look)
    await home.adopt(agent())
    await home.run(home.now, NOT_NOW)
    stale = await stale_at(home)

    assert held is None
    assert "still_failing" not in home.events()
    assert EIGHT + 102 * HOUR_MS + HOUR_MS + 1 == stale


async def test_an_edit_counts_anew(home: Home) -> None:
    """A weekly schedule that becomes an hourly one is not overdue for that."""
    weekly = schedule(when=Calendar(expression="0 3 * * 1"))
    await home.adopt(agent(schedules=[weekly]))
    await home.plan()
    home.now = SEEN + 4 * DAY_MS
    await home.adopt(agent())
    await home.plan()

    assert home.now + 3 * HOUR_MS + 1 == await stale_at(home)


async def test_another_stale_after_is_heeded_at_once(home: Home) -> None:
    """A shorter ``stale_after`` counts from the last success, without waiting for a run."""
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT, Exited(code=0))
    await home.plan(EIGHT + HOUR_MS)
    await home.adopt(agent(schedules=[schedule(stale_after=10 * MINUTE_MS)]))
    await home.plan()

    assert EIGHT + HOUR_MS + 10 * MINUTE_MS + 1 == await stale_at(home)


async def test_what_is_gone_is_not_overdue(home: Home) -> None:
    """Removed or disabled, nobody waits for its success; back again it counts from there."""
    await home.adopt(agent())
    await home.plan()
    await home.adopt()
    home.now = SEEN + DAY_MS
    await home.plan()
    gone = await stale_at(home)
    await home.adopt(agent())
    await home.plan()

    assert gone is None
    assert [] == home.events()
    assert home.now + 3 * HOUR_MS + 1 == await stale_at(home)


async def test_a_wrong_clock_makes_nobody_wait_for_years(home: Home) -> None:
    """A success while the clock ran two years ahead does not put off the alarm by two years."""
    ahead = 730 * DAY_MS
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT + ahead, Exited(code=0))
    home.now = EIGHT + MINUTE_MS
    await home.write(lambda tx: plan.recheck(tx, home.now))
    await home.plan()

    assert home.now + 3 * HOUR_MS + 1 == await stale_at(home)


@pytest.mark.parametrize("exit", [NOT_NOW])
async def test_only_ever_skipped_is_no_news_of_nothing_due(home: Home, exit: Exited) -> None:
    """A schedule whose runs were all skipped has had something due: its health says so."""
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT, exit)
    skipped = home.row("SELECT health, reason FROM schedules")
    await home.run(EIGHT + HOUR_MS, Exited(code=0))
    await home.run(EIGHT + 2 * HOUR_MS, exit)

    assert {"health": "skipped", "reason": "exit 75, which means “not now”"} == skipped
    assert "ok" == home.value("SELECT health FROM schedules")


async def test_an_interval_is_overdue_too(home: Home) -> None:
    """The grid of an interval is its period."""
    await home.adopt(agent(schedules=[schedule(when=Every(every_ms=15 * MINUTE_MS))]))
    await home.plan()

    assert SEEN + 15 * MINUTE_MS + 2 * HOUR_MS + 1 == await stale_at(home)
