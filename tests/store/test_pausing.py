"""Pause, resume, skip: what a person says about runs to come, and what becomes of the windows."""

from __future__ import annotations

import random
from contextlib import closing

import pytest

from dotagent.core.errors import NotFound, UsageError
from dotagent.core.model import Exited, Kind
from dotagent.core.when import Calendar, Every
from dotagent.store import history, pausing, plan
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS
from tests.store.builder import EIGHT, ROOT, SEEN, Home, agent, route, schedule

PAUSED = "paused by ann: holiday"
ASKED = "asked for by ann: new disk"
OK = Exited(code=0)
NINE, TEN, ELEVEN = (EIGHT + hour * HOUR_MS for hour in (1, 2, 3))


async def begun(home: Home) -> None:
    await home.adopt(agent())
    await home.plan()


# ------------------------------------------------------------------------------------------- pause


async def test_a_pause_skips_what_falls_due(home: Home) -> None:
    """What falls due under a pause ends skipped with who and why, nobody is told; the window at its
    very end runs."""
    await begun(home)
    answer = await home.pause(TEN)
    for now in (EIGHT, NINE):
        assert [] == await home.due(now)
    (run,) = await home.due(TEN)

    assert {"schedules": ["s"], "until": TEN, "replaced": 0} == answer
    assert TEN == run.expected_at
    assert [
        (EIGHT, "skipped", PAUSED),
        (NINE, "skipped", PAUSED),
        (TEN, "running", ""),
    ] == home.windows()
    assert [] == home.deliveries()
    assert {"health": "skipped", "reason": PAUSED} == home.row(
        "SELECT health, reason FROM schedules"
    )


async def test_its_end_wakes_the_planner(home: Home) -> None:
    """The end of a pause is an instant at which there is something to do."""
    await home.adopt(agent(schedules=[schedule(when=Calendar(expression="0 3 * * *"))]))
    await home.plan()
    await home.pause(EIGHT)

    assert EIGHT == await home.write(plan.next_look)


async def test_a_pause_ends_what_waits(home: Home) -> None:
    """A window that waits for its next try ends at once; one that runs goes on to its end."""
    await begun(home)
    await home.run(EIGHT)
    await home.pause(TEN)
    waited = home.windows()
    (run,) = await home.due(TEN)
    home.now = TEN + MINUTE_MS
    await home.pause(ELEVEN)
    await home.settle(run, OK)

    assert [(EIGHT, "skipped", PAUSED)] == waited
    assert (TEN, "succeeded", "") == home.windows()[-1]


async def test_what_the_paused_run_stood_in_for(home: Home) -> None:
    """A late run that a pause ends before its first try has caught up nothing."""
    await begun(home)
    await home.plan(EIGHT + 3 * HOUR_MS)
    await home.pause(EIGHT + 9 * HOUR_MS)

    with closing(home.store.read()) as reader:
        (standing,) = history.standings(reader, "a")
        (range_,) = [
            history.window_of(row)
            for row in reader.execute("SELECT * FROM windows WHERE expected_to IS NOT NULL")
        ]
        heir = history.case_of_window(reader, standing, range_, home.now, None).heir

    assert heir is not None
    assert (EIGHT + 3 * HOUR_MS, "skipped", PAUSED) == (
        heir.expected_at,
        heir.state,
        heir.reason,
    )


async def test_what_was_due_before_it_is_not_paused(home: Home) -> None:
    """A pause that begins in downtime speaks of what is to come: the gap before it is not its."""
    none = schedule(catch_up="none")
    await home.adopt(agent(schedules=[none]))
    await home.plan()
    home.now = TEN + 30 * MINUTE_MS
    await home.pause(ELEVEN + MINUTE_MS)
    await home.plan(ELEVEN + HOUR_MS)
    states = [(at, state) for at, state, _ in home.windows()]

    assert [(EIGHT, "missed"), (ELEVEN, "skipped"), (ELEVEN + HOUR_MS, "waiting")] == states


async def test_a_pause_that_ended_while_nobody_was_there(home: Home) -> None:
    """Nobody runs from before its end until long after it: what was due under it is skipped for it,
    what was due later is downtime."""
    await begun(home)
    await home.pause(TEN + MINUTE_MS)
    await home.crash()
    await home.plan(EIGHT + 6 * HOUR_MS)
    rows = home.rows("SELECT expected_at, expected_to, count, state FROM windows ORDER BY id")

    assert [
        (EIGHT, TEN, 3, "skipped"),
        (ELEVEN, EIGHT + 5 * HOUR_MS, 3, "skipped"),
        (EIGHT + 6 * HOUR_MS, None, 1, "waiting"),
    ] == [tuple(row.values()) for row in rows]
    assert [PAUSED, "caught up by the run of 2026-06-03 14:00", ""] == [
        reason for _, _, reason in home.windows()
    ]


async def test_an_edit_after_a_pause_that_nobody_saw_end(home: Home) -> None:
    """What lies before the edit is not planned, for the pause or for its end (rules R3)."""
    await begun(home)
    await home.pause(TEN)
    home.now = EIGHT + 6 * HOUR_MS + 1
    await home.adopt(agent(schedules=[schedule(when=Every(every_ms=HOUR_MS))]))
    await home.plan()

    assert [] == home.windows()
    assert [Kind.MANIFEST_DRIFT_DETECTED] == home.events()


async def test_a_new_pause_replaces_the_old(home: Home) -> None:
    """The last word counts, shorter or longer."""
    await begun(home)
    await home.pause(EIGHT + DAY_MS)
    answer = await home.pause(NINE)
    await home.plan(EIGHT)
    (run,) = await home.due(NINE)

    assert 1 == answer["replaced"]
    assert NINE == run.expected_at


async def test_agent_and_schedule(home: Home) -> None:
    """A pause of an agent holds for all its schedules, a schedule's for it alone."""
    two = [schedule("s"), schedule("t")]
    await home.adopt(agent(schedules=two))
    await home.plan()
    await home.pause(NINE, "t")
    one = await home.due(EIGHT)
    await home.settle(one[0], OK)
    await home.pause(TEN)
    none = await home.due(NINE)

    assert ["s"] == [run.schedule_id for run in one]
    assert [] == none
    assert ["t", "s"] == [run.schedule_id for run in await home.due(TEN)]


async def test_a_pause_has_an_end_that_can_come(home: Home) -> None:
    """It ends later than now and within a year; both are said."""
    await begun(home)
    no_time = {"agent": "a", "schedule": None, "by": "ann", "reason": "x", "for_ms": 0}
    with pytest.raises(UsageError, match="later than now"):
        await home.pause(SEEN)
    with pytest.raises(UsageError, match="later than now"):
        await home.write(lambda tx: pausing.pause(tx, home.actor, home.now, no_time))
    with pytest.raises(UsageError, match="a year at most") as long:
        await home.pause(SEEN + pausing.PAUSE_MOST_MS + 1)

    assert "enabled = false" in str(long.value.hint)
    assert [] == home.rows("SELECT * FROM pauses")


async def test_who_is_meant_must_be_known(home: Home) -> None:
    """A mistyped name gets the nearest one."""
    await home.adopt(agent("backup", [schedule("daily")]), agent("idle", []))
    with pytest.raises(NotFound) as unknown:
        await home.pause(NINE, agent="bakup")
    with pytest.raises(NotFound) as no_schedule:
        await home.pause(NINE, "dayly", agent="backup")
    with pytest.raises(UsageError, match="nothing of idle is scheduled"):
        await home.pause(NINE, agent="idle")

    assert 'Did you mean "backup"?' == unknown.value.hint
    assert 'Did you mean "daily"?' == no_schedule.value.hint


async def test_paused_time_is_not_overdue(home: Home) -> None:
    """While it is paused nothing becomes overdue, and that time is not counted afterwards."""
    nightly = schedule(when=Calendar(expression="0 3 * * *"))
    await home.adopt(agent(schedules=[nightly]))
    await home.plan()
    three = EIGHT + 19 * HOUR_MS
    await home.run(three, OK)
    home.now = three + 5 * HOUR_MS
    await home.pause(three + 3 * DAY_MS + 5 * HOUR_MS)
    await home.plan(three + 3 * DAY_MS)
    await home.plan(three + 3 * DAY_MS + 5 * HOUR_MS)
    await home.plan(three + 4 * DAY_MS)
    due = home.value("SELECT stale_at FROM schedules")
    (run,) = await home.runs()
    await home.settle(run, Exited(code=75))
    await home.plan(due - 1)
    before = home.events()
    await home.plan(due)

    assert three + 4 * DAY_MS + 2 * HOUR_MS + 1 == due
    assert ["success"] == before
    assert ["success", "still_failing"] == home.events()


async def test_a_wrong_clock_pauses_nothing_for_years(home: Home) -> None:
    """A pause that was made while the clock ran ahead is over when it is right again (rules R3)."""
    await begun(home)
    home.now = SEEN + 730 * DAY_MS
    await home.pause(home.now + HOUR_MS)
    home.now = EIGHT
    await home.write(lambda tx: plan.recheck(tx, home.now))
    await home.plan()
    (run,) = await home.due(NINE)

    assert NINE == run.expected_at
    assert ["its time was over"] == [r["ended_why"] for r in home.rows("SELECT * FROM pauses")]


async def test_new_schedules_of_a_paused_agent(home: Home) -> None:
    """A schedule that is added to a paused agent is paused with it, and not overdue meanwhile."""
    await begun(home)
    await home.pause(EIGHT + 9 * HOUR_MS)
    at_start = Every(every_ms=HOUR_MS, run_at_start=True)
    await home.adopt(agent(schedules=[schedule(), schedule("t", when=at_start)]))
    await home.plan()
    new = home.row("SELECT state, reason FROM windows WHERE schedule = 't'")

    assert {"state": "skipped", "reason": PAUSED} == new
    assert home.value("SELECT stale_at FROM schedules WHERE id = 't'") is None


async def test_a_pause_stands_in_the_record(home: Home) -> None:
    """Who, what and why are attested."""
    await begun(home)
    await home.pause(NINE, "s")
    await home.resume("s")
    said = [line["event"] for line in home.audit()][-2:]

    assert [("agent_paused", "a", "s", "ann"), ("agent_resumed", "a", "s", "bob")] == [
        (each["event_type"], each["agent"], each["schedule"], each["by"]) for each in said
    ]


# ------------------------------------------------------------------------------------------ resume


async def test_resume(home: Home) -> None:
    """From the word on, what falls due runs; what fell due before it stays skipped."""
    await begun(home)
    await home.pause(EIGHT + DAY_MS)
    await home.plan(EIGHT)
    home.now = NINE + MINUTE_MS
    answer = await home.resume()
    (run,) = await home.due(TEN)

    assert {"schedules": ["s"], "ended": 1} == answer
    assert TEN == run.expected_at
    assert [(EIGHT, "skipped", PAUSED), (NINE, "skipped", PAUSED)] == home.windows()[:2]


async def test_resume_of_what_is_not_paused(home: Home) -> None:
    """Nothing to end is no error."""
    await begun(home)

    assert {"schedules": ["s"], "ended": 0} == await home.resume()


async def test_resume_under_a_paused_agent(home: Home) -> None:
    """One schedule cannot be resumed out of a pause of the whole agent; that is said."""
    await begun(home)
    await home.pause(NINE)
    with pytest.raises(UsageError, match="the whole agent a is paused"):
        await home.resume("s")


async def test_resume_of_the_agent_resumes_its_schedules(home: Home) -> None:
    """Resuming an agent ends the pauses of its single schedules too."""
    await begun(home)
    await home.pause(NINE, "s")

    assert 1 == (await home.resume())["ended"]
    assert EIGHT in [run.expected_at for run in await home.due(EIGHT)]


# -------------------------------------------------------------------------------------------- skip


async def test_skip_the_next(home: Home) -> None:
    """The next window alone ends skipped, as asked for; the one after it runs."""
    await begun(home)
    answer = await home.skip()
    none = await home.due(EIGHT)
    (run,) = await home.due(NINE)

    assert {"schedules": ["s"], "at": EIGHT, "waited": False} == answer
    assert [] == none
    assert NINE == run.expected_at
    assert (EIGHT, "skipped", ASKED) == home.windows()[0]


async def test_skip_twice(home: Home) -> None:
    """Each further word skips one more."""
    await begun(home)
    first, second = await home.skip(), await home.skip()
    for now in (EIGHT, NINE):
        assert [] == await home.due(now)

    assert (EIGHT, NINE) == (first["at"], second["at"])
    assert 1 == len(await home.due(TEN))


async def test_skip_what_waits(home: Home) -> None:
    """A window that waits for another try is the next run: it ends at once."""
    await begun(home)
    await home.run(EIGHT)
    answer = await home.skip()

    assert {"schedules": ["s"], "at": EIGHT, "waited": True} == answer
    assert [(EIGHT, "skipped", ASKED)] == home.windows()
    assert 1 == len(await home.due(NINE))


async def test_skip_is_undone_by_resume(home: Home) -> None:
    """Who has changed their mind resumes."""
    await begun(home)
    await home.skip()
    await home.resume()

    assert 1 == len(await home.due(EIGHT))


async def test_a_skipped_run_is_not_overdue(home: Home) -> None:
    """The nightly run that a person skipped makes nothing overdue; the next night's would."""
    nightly = schedule(when=Calendar(expression="0 3 * * *"))
    await home.adopt(agent(schedules=[nightly]))
    await home.plan()
    three = EIGHT + 19 * HOUR_MS
    await home.run(three, OK)
    await home.skip()
    await home.plan(three + DAY_MS)
    await home.plan(three + DAY_MS + 3 * HOUR_MS)
    await home.run(three + 2 * DAY_MS, Exited(code=75))

    assert ["success"] == home.events()
    assert three + 2 * DAY_MS + 2 * HOUR_MS + 1 == home.value("SELECT stale_at FROM schedules")


async def test_an_edit_forgets_a_skip(home: Home) -> None:
    """After an edit nobody knows which run was meant: none is skipped."""
    await begun(home)
    await home.skip()
    await home.adopt(agent(schedules=[schedule(when=Calendar(expression="45 * * * *"))]))
    await home.plan()

    assert 1 == len(await home.due(SEEN + 15 * MINUTE_MS))


async def test_skip_needs_one_schedule(home: Home) -> None:
    """Of several schedules one must be named; what never runs or is paused has nothing to skip."""
    never = schedule("never", when=Calendar(expression="0 0 30 2 *"))
    await home.adopt(agent(schedules=[schedule("s"), never]))
    await home.plan()
    with pytest.raises(UsageError, match="a has 2 schedules: name one") as several:
        await home.skip()
    with pytest.raises(UsageError, match="never due again"):
        await home.skip("never")
    await home.pause(NINE, "s")
    with pytest.raises(UsageError, match=r"paused until .*, past its next run"):
        await home.skip("s")

    assert "One of: a/never, a/s" == several.value.hint


async def test_a_held_schedule_can_be_paused(home: Home) -> None:
    """While its root is away there is nothing to plan; a pause waits with it."""
    await home.adopt(agent(routes=[route(events=[Kind.MISSED])]))
    await home.plan()
    await home.adopt(roots={ROOT: None})
    await home.pause(EIGHT + 10 * HOUR_MS)
    home.now = TEN
    await home.adopt(agent(routes=[route(events=[Kind.MISSED])]))
    await home.plan()

    assert [] == home.deliveries()
    assert {"skipped"} == {state for _, state, _ in home.windows()}


# --------------------------------------------------------------------------------- any history


@pytest.mark.parametrize("seed", range(12))
async def test_any_history_of_words(home: Home, seed: int) -> None:
    """However words, wake-ups and crashes fall: each instant is decided once, what fell due under a
    word is skipped for it, and what did not is not."""
    dice = random.Random(seed)
    await begun(home)
    paused: list[list[int]] = []
    end = EIGHT + 40 * HOUR_MS
    while home.now < end:
        home.now += dice.randint(1, 200) * MINUTE_MS
        what = dice.choice(["wake", "wake", "run", "pause", "resume", "crash"])
        for each in paused:  # what is over is over
            each[1] = min(each[1], each[2])
        if what == "pause":
            _cut(paused, home.now)
            until = home.now + dice.randint(1, 300) * MINUTE_MS
            await home.pause(until)
            paused.append([home.now, until, until])
        elif what == "resume":
            await home.resume()
            _cut(paused, home.now)
        elif what == "crash":
            await home.crash()
        else:
            for run in await home.due():
                if what == "run":
                    await home.settle(run, OK)
                else:
                    await home.settle(run, Exited(code=75))
    await home.plan(home.now)
    under = set[int]()
    decided: list[int] = []
    for row in home.rows("SELECT * FROM windows ORDER BY expected_at"):
        last = row["expected_to"] or row["expected_at"]
        instants = range(row["expected_at"], last + 1, HOUR_MS)
        decided += instants
        if row["reason"] == PAUSED:
            under |= set(instants)
    through = home.value("SELECT planned_through FROM schedules")

    assert list(range(EIGHT, through + 1, HOUR_MS)) == decided
    for at in decided:
        is_under = any(begin < at < until for begin, until, _ in paused)
        assert is_under <= (at in under)
        # What waited when a pause began ends with it; nothing else from before it does.
        assert not (at in under and not is_under) or any(
            at <= begin < at + 10 * HOUR_MS for begin, _, _ in paused
        )


def _cut(paused: list[list[int]], now: int) -> None:
    for each in paused:
        each[1] = min(each[1], max(now, each[0]))
