"""Planning passes over a real store: cursor, windows, gaps and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from dotagent.core.model import AttemptKind, Exited, Interrupted, Kind, Retry
from dotagent.core.when import Calendar, Every
from dotagent.store import plan
from dotagent.store.database import Tx
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS
from tests.store.builder import EIGHT, HOURLY, SEEN, Home, agent, route, schedule

NINE = EIGHT + HOUR_MS
TEN = EIGHT + 2 * HOUR_MS


async def test_first_sight_is_silent(home: Home) -> None:
    """What is first seen was never due before, and is looked at when it next is."""
    await home.adopt(agent())
    await home.plan()

    assert [] == home.windows()
    assert EIGHT == (await home.wakes())["plan"]


async def test_window(home: Home) -> None:
    """A window that falls due waits for its first try at once."""
    await home.adopt(agent())
    await home.plan()
    await home.plan(EIGHT)
    row = home.row("SELECT * FROM windows")

    assert (EIGHT, EIGHT, EIGHT + 2 * HOUR_MS, "waiting", 0, 0) == (
        row["expected_at"],
        row["next_at"],
        row["deadline_at"],
        row["state"],
        row["attempts"],
        row["late"],
    )
    assert NINE == (await home.wakes())["plan"]


async def test_planned_once(home: Home) -> None:
    """However often the passes come, an instant is planned once (rules R3)."""
    await home.adopt(agent())
    for now in (SEEN, EIGHT - 1, EIGHT, EIGHT, EIGHT + 1, EIGHT + 2):
        await home.plan(now)

    assert [(EIGHT, "waiting", "")] == home.windows()


async def test_nothing_is_planned_for_a_pruned_window(home: Home) -> None:
    """What is new is the cursor's to say: a window that retention has pruned does not return."""
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT, Exited(code=0))
    await home.write(lambda tx: tx.run("UPDATE attempts SET window_id = NULL"))
    await home.write(lambda tx: tx.run("DELETE FROM windows"))
    await home.plan(EIGHT + 5)

    assert [] == home.windows()


async def test_run_at_start(home: Home) -> None:
    """An interval that wants to run at start does so when it is first seen, and only then."""
    every = Every(every_ms=HOUR_MS, run_at_start=True)
    await home.adopt(agent(schedules=[schedule(when=every)]))
    await home.run(SEEN, Exited(code=0))
    await home.crash()
    await home.plan(SEEN + 1)

    assert [(SEEN, "succeeded", "")] == home.windows()
    assert SEEN + HOUR_MS == (await home.wakes())["plan"]


async def test_overtaken_untried(home: Home) -> None:
    """A window that is still waiting as the next one comes was missed, and is told (rules R4)."""
    await home.adopt(agent())
    await home.plan()
    await home.plan(EIGHT)
    await home.plan(NINE)

    assert [(EIGHT, "missed", "overtaken"), (NINE, "waiting", "")] == home.windows()
    assert [("n", "missed", "pending", "")] == home.deliveries()


@pytest.mark.parametrize("kind", [AttemptKind.MANUAL, AttemptKind.TRIAL])
async def test_behind_a_run_by_hand(home: Home, kind: AttemptKind) -> None:
    """Windows that a person's own run holds up are no alarm: the latest waits for its end, those
    before it are skipped as overlapping."""
    await home.adopt(agent())
    await home.plan()
    by_hand = await home.manual(kind)
    assert by_hand is not None
    for now in (EIGHT, NINE, TEN):
        assert [] == await home.due(now)
    await home.settle(by_hand, Exited(code=1))
    (run,) = await home.due(TEN + MINUTE_MS)

    assert TEN == run.expected_at
    assert [(EIGHT, "skipped", "overlap"), (NINE, "skipped", "overlap")] == home.windows()[:2]
    assert "missed" not in home.events()


async def test_stale_behind_a_run_by_hand(home: Home) -> None:
    """Nor is one whose deadline passes meanwhile."""
    daily = [schedule(when=Calendar(expression="0 8 * * *"))]
    await home.adopt(agent(schedules=daily))
    await home.plan()
    await home.manual()
    await home.due(EIGHT)
    await home.plan(EIGHT + 3 * HOUR_MS)

    assert [(EIGHT, "skipped", "overlap")] == home.windows()
    assert [] == home.events()
    assert 0 == home.value("SELECT count(*) FROM outages")


async def test_overtaken_after_a_try(home: Home) -> None:
    """One that was tried is given up, with how its last try ended."""
    late_retry = schedule(tries=5, backoff=[50 * MINUTE_MS])
    await home.adopt(agent(schedules=[late_retry]))
    await home.plan()
    await home.run(EIGHT, stderr="no space")
    await home.plan(NINE)
    event = home.row("SELECT * FROM events WHERE kind = 'given_up'")

    assert [(EIGHT, "given_up", "overtaken"), (NINE, "waiting", "")] == home.windows()
    assert '"words":"exit 1","code":1' in event["facts"]
    assert home.value("SELECT id FROM attempts") == event["attempt_id"]
    last = home.audit()[-1]["event"]
    assert ("agent_given_up", 1, 1, "no space") == (
        last["event_type"],
        last["attempts"],
        last["last_exit"],
        last["stderr_tail"],
    )


async def test_overlap_skip(home: Home) -> None:
    """While the run before still goes on, the new window is skipped and nobody is told."""
    await home.adopt(agent())
    await home.plan()
    (run,) = await home.due(EIGHT)
    await home.plan(NINE)
    await home.settle(run, Exited(code=0))

    assert [(EIGHT, "succeeded", ""), (NINE, "skipped", "overlap")] == home.windows()
    assert ["success"] == home.events()


async def test_overlap_queue(home: Home) -> None:
    """With a queue the new window waits for the run, and starts as soon as it ends."""
    await home.adopt(agent(schedules=[schedule(overlap="queue")]))
    await home.plan()
    (run,) = await home.due(EIGHT)
    await home.plan(NINE)
    assert [(EIGHT, "running", "")] == home.windows()

    home.now = NINE + 20 * MINUTE_MS
    await home.settle(run, Exited(code=0))
    assert home.now == (await home.wakes())["plan"]
    (next_run,) = await home.due()

    assert [(EIGHT, "succeeded", ""), (NINE, "running", "")] == home.windows()
    assert NINE == next_run.expected_at


async def test_caught_up(home: Home) -> None:
    """After downtime the latest window runs once; the older ones are one row, told by that run."""
    await home.adopt(agent())
    await home.plan()
    home.now = EIGHT + 5 * HOUR_MS + 9 * MINUTE_MS
    await home.crash()
    await home.run(exit=Exited(code=0))

    assert [
        (EIGHT, "skipped", "caught up by the run of 2026-06-03 13:00"),
        (EIGHT + 5 * HOUR_MS, "succeeded", ""),
    ] == home.windows()
    row = home.row("SELECT * FROM windows WHERE state = 'skipped'")
    assert (5, 1, EIGHT + 4 * HOUR_MS) == (row["count"], row["exact"], row["expected_to"])
    facts = home.value("SELECT facts FROM events WHERE kind = 'success'")
    assert f'"caught_up":{{"first_at":{EIGHT},"count":5,"exact":true}}' in facts
    assert ["success"] == home.events()


async def test_not_caught_up(home: Home) -> None:
    """With ``catch_up = "none"`` the whole gap is one row and one message (rules R8)."""
    await home.adopt(agent(schedules=[schedule(catch_up="none")]))
    await home.plan()
    await home.plan(EIGHT + 5 * HOUR_MS + 9 * MINUTE_MS)

    reason = 'nothing could run it at its time, and catch_up = "none"'
    assert [(EIGHT, "missed", reason)] == home.windows()
    facts = home.value("SELECT facts FROM events")
    assert f'"first_at":{EIGHT},"last_at":{EIGHT + 5 * HOUR_MS},"count":6' in facts
    assert [("n", "missed", "pending", "")] == home.deliveries()
    outage = home.row("SELECT * FROM outages")
    assert (0, 6, "missed") == (outage["failures"], outage["windows"], outage["opened_by"])


async def test_too_late_to_catch_up(home: Home) -> None:
    """Nor is one caught up that is past its own deadline."""
    await home.adopt(agent(schedules=[schedule(stale_after=5 * MINUTE_MS)]))
    await home.plan()
    await home.plan(TEN + 9 * MINUTE_MS)

    assert [(EIGHT, "missed", "past its deadline when it could first be tried")] == home.windows()
    assert "stale" == home.value("SELECT health FROM schedules")


async def test_stale(home: Home) -> None:
    """A window whose deadline passes while it waits for a slot is missed, and told (rules R7)."""
    await home.adopt(agent(schedules=[schedule(when=Calendar(expression="0 8 * * *"))]))
    await home.plan()
    await home.plan(EIGHT)
    await home.plan(EIGHT + 2 * HOUR_MS)
    assert [(EIGHT, "waiting", "")] == home.windows()
    await home.plan(EIGHT + 2 * HOUR_MS + 1)

    assert [(EIGHT, "missed", "stale: its deadline passed before it could run")] == home.windows()
    assert [] == await home.runs()


async def test_slept_through_a_retry(home: Home) -> None:
    """A machine that sleeps through the deadline of a retry gives the window up as it wakes."""
    await home.adopt(agent(schedules=[schedule(when=Calendar(expression="0 8 * * *"))]))
    await home.plan()
    await home.run(EIGHT)
    assert [] == await home.due(EIGHT + 9 * HOUR_MS)

    assert [(EIGHT, "given_up", "stale: its deadline passed before it could run")] == home.windows()
    assert ["attempt_failed", "given_up"] == home.events()


async def test_interrupted_then_stale(home: Home) -> None:
    """A window whose only try was interrupted was never tried: it is missed (rules R7, R11)."""
    await home.adopt(agent(schedules=[schedule(when=Calendar(expression="0 8 * * *"))]))
    await home.plan()
    await home.run(EIGHT, Interrupted(why="SIGTERM"))
    await home.plan(EIGHT + 9 * HOUR_MS)

    assert ["missed"] == home.events()


async def test_edit_makes_nothing_false(home: Home) -> None:
    """A new definition begins from here: what it would have had before is not missed (rules R3)."""
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT, Exited(code=0))
    home.now = EIGHT + 20 * MINUTE_MS
    quarters = Calendar(expression="0,15,30,45 * * * *")
    await home.adopt(agent(schedules=[schedule(when=quarters)]))
    await home.plan()

    assert [(EIGHT, "succeeded", "")] == home.windows()
    assert EIGHT + 30 * MINUTE_MS == (await home.wakes())["plan"]


async def test_edit_keeps_the_live_window(home: Home) -> None:
    """What waits is still tried after an edit."""
    await home.adopt(agent())
    await home.plan()
    await home.plan(EIGHT)
    await home.adopt(agent(schedules=[schedule(when=Calendar(expression="30 * * * *"))]))
    (run,) = await home.due(EIGHT + 1)

    assert EIGHT == run.expected_at


async def test_edit_of_something_else(home: Home) -> None:
    """An edit of what does not say *when* moves no cursor: downtime before it is still told."""
    await home.adopt(agent(schedules=[schedule(catch_up="none")]))
    await home.plan()
    home.now = TEN + 5 * MINUTE_MS
    await home.adopt(agent(schedules=[schedule(catch_up="none", tries=7)]))
    await home.plan()

    assert ["missed"] == [state for _, state, _ in home.windows()]


async def test_clock_that_was_wrong(home: Home) -> None:
    """A cursor far ahead was set by a wrong clock: planning goes on from the present, in a new
    epoch, and says so once (rules R3)."""
    await home.adopt(agent(), agent("b"))
    await home.plan()
    await home.plan(EIGHT + 90 * DAY_MS)
    for run in await home.runs():
        await home.settle(run, Exited(code=0))
    home.now = EIGHT
    await home.write(lambda tx: plan.recheck(tx, home.now))
    await home.plan()
    await home.due(NINE)

    assert 1 == home.events().count("clock_changed")
    detail = home.value("SELECT facts FROM events WHERE kind = 'clock_changed'")
    assert "a/s\\nb/s" in detail
    assert [1, 1] == [row["plan_epoch"] for row in home.rows("SELECT plan_epoch FROM schedules")]
    assert 2 == home.value(
        "SELECT count(*) FROM windows WHERE expected_at = ? AND state = 'running'", NINE
    )


async def test_another_zone_while_the_clock_is_wrong(home: Home) -> None:
    """A move to another zone has every schedule looked at, whatever becomes of the clock."""
    await home.adopt(agent())
    await home.plan()
    home.now = EIGHT + 700 * DAY_MS
    await home.write(lambda tx: plan.rezone(tx, "one"))
    await home.write(lambda tx: plan.rezone(tx, "another"))
    home.now = SEEN + MINUTE_MS
    await home.write(lambda tx: plan.recheck(tx, home.now))
    await home.plan()

    assert EIGHT == (await home.wakes())["plan"]


async def test_small_step_back(home: Home) -> None:
    """A small step back runs nothing twice and says nothing."""
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT, Exited(code=0))
    home.now = EIGHT - 20 * MINUTE_MS
    await home.write(lambda tx: plan.recheck(tx, home.now))
    await home.plan()
    await home.plan(EIGHT)

    assert [(EIGHT, "succeeded", "")] == home.windows()
    assert "clock_changed" not in home.events()


async def test_instants_of_a_wrong_clock(home: Home) -> None:
    """Whatever a wrong clock has put further ahead than it ever may be is due now (rules R3)."""
    await home.adopt(agent(routes=[route(remind=[HOUR_MS])]))
    await home.plan()
    future = EIGHT + 700 * DAY_MS
    await home.plan(future)
    await home.tell(Kind.GIVEN_UP)
    (run,) = await home.runs()
    await home.settle(run)
    claims = await home.claim()
    await home.answer(claims[0], None)
    home.now = EIGHT

    def spoil_and_mend(tx: Tx) -> None:
        tx.run("UPDATE destinations SET down_until = ?1, told_until = ?1", future + HOUR_MS)
        plan.recheck(tx, home.now)

    await home.write(spoil_and_mend)

    assert [EIGHT] == [
        row["next_at"] for row in home.rows("SELECT next_at FROM windows WHERE state = 'waiting'")
    ]
    assert EIGHT == home.value("SELECT down_until FROM destinations")
    assert EIGHT == home.value("SELECT told_until FROM destinations")
    assert EIGHT == home.value("SELECT max(expires_at) FROM deliveries WHERE state = 'pending'")
    assert EIGHT == home.value("SELECT due_at FROM reminders")


async def test_recheck_leaves_what_is_possible(home: Home) -> None:
    """At every start it is looked through, and what may be stays as it is."""
    await home.adopt(agent(routes=[route(remind=[HOUR_MS])]))
    await home.plan()
    await home.run(EIGHT)
    (claim,) = await home.claim()
    await home.answer(claim, Retry(why="503", after_ms=DAY_MS))
    tables = ("schedules", "windows", "destinations", "deliveries", "reminders")
    before = [home.rows(f"SELECT * FROM {table}") for table in tables]
    await home.write(lambda tx: plan.recheck(tx, home.now))

    assert before == [home.rows(f"SELECT * FROM {table}") for table in tables]


async def test_machine_zone(home: Home) -> None:
    """A schedule without a zone of its own follows the machine's."""
    home.actor = replace(home.actor, zone=timezone(timedelta(hours=2)))
    await home.adopt(agent(schedules=[schedule(when=Calendar(expression="0 10 * * *"))]))
    await home.plan()

    assert EIGHT == (await home.wakes())["plan"]


async def test_pass_is_bounded(home: Home) -> None:
    """A thousand schedules that are due together do not hold the writer for all of them."""
    many = [schedule(f"s{n:03}") for n in range(plan.PASS + 1)]
    await home.adopt(agent(schedules=many, routes=[]))
    first = await home.plan()
    second = await home.plan()

    assert (True, False) == (first.more, second.more)
    assert EIGHT == (await home.wakes())["plan"]


@pytest.mark.parametrize("when", [HOURLY, Every(every_ms=HOUR_MS)])
async def test_idle_pass_writes_nothing(home: Home, when: Calendar | Every) -> None:
    """With nothing due a pass changes nothing: an idle daemon writes nothing."""
    await home.adopt(agent(schedules=[schedule(when=when)]))
    await home.plan()

    def changes(tx: Tx) -> int:
        before = tx.db.total_changes
        plan.plan_due(tx, home.actor, home.now + 1)
        return tx.db.total_changes - before

    assert 0 == await home.write(changes)
