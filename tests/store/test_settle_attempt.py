"""The line's single commit: what the end of an attempt writes, all of it or nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dotagent.core.decide import Codes
from dotagent.core.errors import StoreError
from dotagent.core.model import (
    AttemptKind,
    Blocked,
    Exit,
    Exited,
    Interrupted,
    Kind,
    Lost,
    NotStarted,
    TimedOut,
)
from dotagent.core.when import Calendar
from dotagent.store.database import Tx
from dotagent.store.due import AT_ONCE
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS
from tests.store.builder import EIGHT, ROOT, Home, agent, route, schedule

DAILY = Calendar(expression="0 8 * * *")
TABLES = (
    "attempts",
    "windows",
    "outages",
    "reminders",
    "events",
    "deliveries",
    "sends",
    "destinations",
    "audit",
    "schedules",
)


def everything(home: Home) -> dict[str, list[dict[str, Any]]]:
    return {table: home.rows(f"SELECT * FROM {table}") for table in TABLES}


async def begin(home: Home, **more: Any) -> None:
    """An agent that runs at eight o'clock every day, and whom it tells."""
    await home.adopt(agent(schedules=[schedule(when=DAILY, **more)]))
    await home.plan()


# ------------------------------------------------------------------------------------ one commit


async def test_one_commit(home: Home) -> None:
    """A last failed attempt: attempt, window, outage, events, deliveries (the first one claimed),
    audit rows and health, all in one commit."""
    await begin(home, tries=1)
    (run,) = await home.due(EIGHT)
    commits = home.store.commits
    claims = await home.settle(run, took=4_200, stdout="out", stderr="err", room=8)

    assert commits + 1 == home.store.commits
    attempt = home.row("SELECT * FROM attempts")
    assert (EIGHT + 4_200, "failed", "exit 1", "out", "err") == (
        attempt["ended_at"],
        attempt["verdict"],
        attempt["words"],
        attempt["stdout_tail"],
        attempt["stderr_tail"],
    )
    assert [(EIGHT, "given_up", "attempts used up (1 of 1)")] == home.windows()
    outage = home.row("SELECT * FROM outages")
    assert (1, 1, 1, None) == (
        outage["failures"],
        outage["windows"],
        outage["told"],
        outage["closed_at"],
    )
    assert ["attempt_failed", "given_up"] == home.events()
    assert [
        ("n", "attempt_failed", "sending", ""),
        ("n", "given_up", "pending", ""),
    ] == home.deliveries()
    assert [1] == [claim.delivery_id for claim in claims]
    assert [(1, 1, EIGHT + 4_200, None)] == [
        (row["delivery_id"], row["number"], row["started_at"], row["outcome"])
        for row in home.rows("SELECT * FROM sends")
    ]
    assert ["agent_run", "agent_given_up"] == [
        line["event"]["event_type"] for line in home.audit()
    ][-2:]
    assert ("failing", "gave up: exit 1") == tuple(
        home.row("SELECT health, reason FROM schedules").values()
    )


@pytest.mark.parametrize("table", [t for t in TABLES if t not in ("destinations", "reminders")])
async def test_killed_in_the_middle(home: Home, table: str) -> None:
    """Whatever the write at which the transaction is cut off, nothing of it is there."""
    await begin(home, tries=1)
    (run,) = await home.due(EIGHT)
    before = everything(home)
    for event in ("INSERT", "UPDATE"):
        await home.write(
            lambda tx, event=event: tx.run(  # type: ignore[misc]
                f"CREATE TRIGGER cut_{event} BEFORE {event} ON {table}"
                " BEGIN SELECT RAISE(ABORT, 'cut'); END"
            )
        )
    with pytest.raises(StoreError, match="cut"):
        await home.settle(run, room=8)

    assert before == everything(home)
    for event in ("INSERT", "UPDATE"):
        await home.write(lambda tx, event=event: tx.run(f"DROP TRIGGER cut_{event}"))  # type: ignore[misc]
    await home.settle(run, room=8)
    assert ["attempt_failed", "given_up"] == home.events()


async def test_cut_at_the_very_end(home: Home) -> None:
    """Nor is anything there if it ends just before its commit."""
    await begin(home)
    (run,) = await home.due(EIGHT)
    before = everything(home)

    def die(tx: Tx) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await home.settle(run, then=die, room=8)

    assert before == everything(home)


async def test_settled_twice(home: Home) -> None:
    """Settling again, after a commit whose answer was lost, changes nothing."""
    await begin(home, tries=1)
    (run,) = await home.due(EIGHT)
    await home.settle(run, room=8)
    before = everything(home)

    assert [] == await home.settle(run, Exited(code=0), took=5, room=8)
    assert before == everything(home)


async def test_text_that_is_no_text(home: Home) -> None:
    """What a script reports as text that is none costs a character, not the alert."""
    await begin(home)
    (run,) = await home.due(EIGHT)
    await home.settle(run, said={"summary": "a\ud800b"})

    assert "a?b" == json.loads(home.value("SELECT facts FROM events"))["result"]["summary"]


# ------------------------------------------------------------------------------------ the story


async def test_fail_then_recover(home: Home) -> None:
    """Failed, failed, given up; the next window succeeds: success and recovered, outage closed."""
    await home.adopt(agent(schedules=[schedule(tries=2)], routes=[route(remind=[HOUR_MS])]))
    await home.plan()
    await home.run(EIGHT)
    await home.run(EIGHT + 5 * MINUTE_MS)
    assert (await home.wakes())["timely"] == EIGHT + HOUR_MS
    await home.run(EIGHT + HOUR_MS, Exited(code=0))

    assert [
        "attempt_failed",
        "attempt_failed",
        "given_up",
        "success",
        "recovered",
    ] == home.events()
    outage = home.row("SELECT * FROM outages")
    assert (2, 1, EIGHT, EIGHT + HOUR_MS, "success") == (
        outage["failures"],
        outage["windows"],
        outage["opened_at"],
        outage["closed_at"],
        outage["closed_by"],
    )
    assert {1} == {row["outage_id"] for row in home.rows("SELECT outage_id FROM events")}
    assert [] == home.rows("SELECT * FROM reminders")
    assert ("ok", "") == tuple(home.row("SELECT health, reason FROM schedules").values())
    assert EIGHT + HOUR_MS == home.value("SELECT last_success_at FROM schedules")


async def test_second_end_of_an_outage(home: Home) -> None:
    """Later ends of one outage are recorded as quiet for whom reminders tell, told to all others
    (product §4)."""
    routes = [route("with", "f1", remind=[HOUR_MS]), route("without", "f2")]
    await home.adopt(agent(schedules=[schedule(tries=1)], routes=routes))
    await home.plan()
    await home.run(EIGHT)
    await home.run(EIGHT + HOUR_MS)

    assert [
        ("with", "given_up", "pending", ""),
        ("without", "given_up", "pending", ""),
        ("with", "given_up", "suppressed", "same outage"),
        ("without", "given_up", "pending", ""),
    ] == [row for row in home.deliveries() if row[1] == "given_up"]


async def test_everyone_has_an_answer(home: Home) -> None:
    """For each unsuccessful end every notifier that asked has a delivery or a recorded reason, in
    that commit; who did not ask has none (I2)."""
    routes = [
        route("all", "f1"),
        route("ends", "f2", [Kind.GIVEN_UP]),
        route("good", "f3", [Kind.SUCCESS]),
    ]
    await home.adopt(agent(schedules=[schedule(tries=1)], routes=routes))
    await home.notify(route("ops", "f4", remind=[HOUR_MS]))
    await home.plan()
    await home.run(EIGHT)

    assert [
        ("all", "attempt_failed"),
        ("ops", "attempt_failed"),
        ("all", "given_up"),
        ("ends", "given_up"),
        ("ops", "given_up"),
    ] == [(notifier, kind) for notifier, kind, _, _ in home.deliveries()]


async def test_does_not_inherit(home: Home) -> None:
    """An agent that does not inherit is told of to nobody else."""
    await home.adopt(agent(inherits=False))
    await home.notify(route("ops", "f4"))
    await home.plan()
    await home.run(EIGHT)

    assert ["n"] == [row[0] for row in home.deliveries()]


async def test_not_now(home: Home) -> None:
    """A “not now” ends the window and tells nobody; an outage goes on."""
    await home.adopt(agent(schedules=[schedule(tries=1)]))
    await home.plan()
    await home.run(EIGHT)
    await home.run(EIGHT + HOUR_MS, Exited(code=75))

    assert (EIGHT + HOUR_MS, "skipped", "exit 75, which means “not now”") == home.windows()[1]
    assert ["attempt_failed", "given_up"] == home.events()
    assert home.value("SELECT closed_at FROM outages") is None
    assert "failing" == home.value("SELECT health FROM schedules")


async def test_preflight_that_skips(home: Home) -> None:
    """A preflight that skips ends the window without an attempt and without an outage; the event
    is told (product §3)."""
    await begin(home)
    await home.run(EIGHT, Blocked(by="warp", why="off", skip=True))

    assert [(EIGHT, "skipped", "preflight: blocked by preflight warp: off")] == home.windows()
    assert 0 == home.value("SELECT attempts FROM windows")
    assert ["preflight"] == home.events()
    assert [] == home.rows("SELECT * FROM outages")


async def test_preflight_that_blocks(home: Home) -> None:
    """Any other block is a failed attempt, audited as what it is."""
    await begin(home)
    await home.run(EIGHT, Blocked(by="warp", why="off", suggest="connect"))

    assert (EIGHT, "waiting", "blocked by preflight warp: off") == home.windows()[0]
    assert {
        "event_type": "preflight_failed",
        "agent": "a",
        "schedule": "s",
        "plugin": "warp",
        "suggest": "connect",
    } == home.audit()[-1]["event"]


async def test_warn_code(home: Home) -> None:
    """A warning is a success that says so."""
    await begin(home)
    await home.run(EIGHT, Exited(code=3), codes=Codes(warn=frozenset({3})))

    assert [(EIGHT, "succeeded", "exit 3, with a warning")] == home.windows()
    assert "degraded" == home.value("SELECT health FROM schedules")


async def test_escaped(home: Home) -> None:
    """A process that could not be killed is told of to the global notifiers."""
    await begin(home)
    await home.notify(route("ops", "f4", [Kind.PROCESS_ESCAPED]))
    await home.run(EIGHT, TimedOut(after_ms=5), escaped=(41, 42))

    assert ["timed_out", "process_escaped"] == home.events()
    assert ("ops", "process_escaped", "pending", "") == home.deliveries()[-1]
    assert "a/s: process 41, 42 could not be killed" in home.value(
        "SELECT facts FROM events WHERE kind = 'process_escaped'"
    )


async def test_caught_up_without_its_gap(home: Home) -> None:
    """A late run whose range row retention was quick to prune is told without it."""
    await home.adopt(agent())
    await home.plan()
    (run,) = await home.due(EIGHT + 5 * HOUR_MS + MINUTE_MS)
    await home.write(lambda tx: tx.run("DELETE FROM windows WHERE state = 'skipped'"))
    await home.settle(run)

    assert "caught_up" not in home.value("SELECT facts FROM events")


# --------------------------------------------------------------------------------- rules R5, R11


async def test_lost(home: Home) -> None:
    """An attempt that a crash took is recorded, counted and told as lost, and tried again: a loss
    alone does not exhaust the window (rules R5)."""
    await begin(home, tries=1)
    await home.due(EIGHT)
    await home.crash()
    assert [(EIGHT, "waiting", "lost: dotagent died while it ran")] == home.windows()
    assert ["attempt_failed"] == home.events()

    await home.run(EIGHT + 5 * MINUTE_MS)
    assert [(EIGHT, "given_up", "attempts used up (2 of 2)")] == home.windows()
    assert {2} == {json.loads(row["facts"])["max"] for row in home.rows("SELECT facts FROM events")}


async def test_lost_twice(home: Home) -> None:
    """One extra attempt, once: a run that kills its daemon each time comes to an end."""
    await begin(home, tries=1)
    await home.due(EIGHT)
    await home.crash()
    await home.due(EIGHT + 5 * MINUTE_MS)
    await home.crash()

    assert [(EIGHT, "given_up", "attempts used up (2 of 2)")] == home.windows()
    assert ["attempt_failed", "attempt_failed", "given_up"] == home.events()


async def test_lost_and_found_late(home: Home) -> None:
    """After a long absence the lost attempt is told, and its window given up in the same commit."""
    await begin(home)
    await home.due(EIGHT)
    home.now = EIGHT + 9 * HOUR_MS
    await home.crash()

    assert [(EIGHT, "given_up", "stale: the next try would come after the deadline")] == (
        home.windows()
    )
    assert ["attempt_failed", "given_up"] == home.events()


async def test_interrupted(home: Home) -> None:
    """A planned stop counts for nothing: the window waits again, and nobody is told (R11)."""
    await begin(home, tries=1)
    await home.run(EIGHT, Interrupted(why="SIGTERM"))

    assert [(EIGHT, "waiting", "interrupted: SIGTERM")] == home.windows()
    assert (0, EIGHT) == tuple(home.row("SELECT attempts, next_at FROM windows").values())
    assert ([], []) == (home.events(), home.rows("SELECT * FROM outages"))
    await home.run(EIGHT + 1, Exited(code=0))
    assert [(EIGHT, "succeeded", "")] == home.windows()
    assert "ok" == home.value("SELECT health FROM schedules")


# ----------------------------------------------------------------------------------- rules R7


async def test_retry_before_the_next_window(home: Home) -> None:
    """A retry that the next window would overtake is given up at once (rules R7)."""
    await home.adopt(agent(schedules=[schedule(backoff=[HOUR_MS])]))
    await home.plan()
    await home.run(EIGHT)

    assert [(EIGHT, "given_up", "overtaken: the next run is due before the next try")] == (
        home.windows()
    )
    assert ["attempt_failed", "given_up"] == home.events()


async def test_retry_while_another_waits_behind(home: Home) -> None:
    """With a queue the window that waits behind the run overtakes a retry at once, in the same
    commit: nobody is promised a next try that will not come (rules R7)."""
    await home.adopt(agent(schedules=[schedule(overlap="queue")]))
    await home.plan()
    (run,) = await home.due(EIGHT)
    await home.plan(EIGHT + HOUR_MS)
    home.now = EIGHT + HOUR_MS + 10 * MINUTE_MS
    await home.settle(run)

    assert [(EIGHT, "given_up", "overtaken: the next run is due before the next try")] == (
        home.windows()
    )
    (next_run,) = await home.due()
    assert EIGHT + HOUR_MS == next_run.expected_at


async def test_retry_after_an_edit(home: Home) -> None:
    """An edit during a run is looked at as soon as it may be; that is no next window, and costs
    the run no retry."""
    await begin(home)
    (run,) = await home.due(EIGHT)
    home.now = EIGHT + MINUTE_MS
    await home.adopt(agent(schedules=[schedule(when=Calendar(expression="0 9 * * *"))]))
    assert AT_ONCE == (await home.wakes())["plan"]
    await home.settle(run)

    assert [(EIGHT, "waiting", "exit 1")] == home.windows()


async def test_no_retry_code(home: Home) -> None:
    """A code that says so ends the window at its first attempt."""
    await begin(home)
    await home.run(EIGHT, Exited(code=12), codes=Codes(no_retry=frozenset({12})))

    assert ["attempt_failed", "given_up"] == home.events()


async def test_fewer_attempts_than_it_has_used(home: Home) -> None:
    """An edit that allows fewer attempts than a waiting window has used gives it up at once."""
    await begin(home, tries=5)
    await home.run(EIGHT)
    await home.run(EIGHT + 5 * MINUTE_MS)
    await home.adopt(agent(schedules=[schedule(when=DAILY, tries=2)]))

    assert [(EIGHT, "given_up", "attempts used up (2 of 2)")] == home.windows()
    assert "given_up" == home.events()[-2]  # then the edit itself
    assert [] == await home.due(EIGHT + 10 * MINUTE_MS)


async def test_fewer_attempts_and_interrupted(home: Home) -> None:
    """So does the planned stop of a try that the edit does not allow any more."""
    await begin(home, tries=2)
    await home.run(EIGHT)
    (run,) = await home.due(EIGHT + 5 * MINUTE_MS)
    await home.adopt(agent(schedules=[schedule(when=DAILY, tries=1)]))
    await home.settle(run, Interrupted(why="SIGTERM"))

    assert [(EIGHT, "given_up", "attempts used up (1 of 1)")] == home.windows()
    assert "given_up" == home.events()[-1]


# ----------------------------------------------------------------------------------- rules R9


@pytest.mark.parametrize(("enabled", "why"), [(True, "removed"), (False, "disabled")])
async def test_gone_while_it_ran(home: Home, enabled: bool, why: str) -> None:
    """A schedule that goes while it runs ends with that run: told, not tried again, no outage."""
    await begin(home)
    (run,) = await home.due(EIGHT)
    if enabled:
        await home.adopt()
    else:
        await home.adopt(agent(schedules=[schedule(when=DAILY)], enabled=False))
    await home.settle(run)

    assert [(EIGHT, "given_up", why)] == home.windows()
    assert ["attempt_failed", "given_up"] == [
        kind for kind in home.events() if not kind.startswith("manifest")
    ]
    assert [(why, None)] == [
        (row["closed_by"], home.value("SELECT due_at FROM reminders"))
        for row in home.rows("SELECT * FROM outages")
    ]
    assert "off" == home.value("SELECT health FROM schedules")


async def test_gone_and_interrupted(home: Home) -> None:
    """An interrupted try of what is not wanted any more is the end of it, without a word."""
    await begin(home)
    (run,) = await home.due(EIGHT)
    await home.adopt()
    await home.settle(run, Interrupted(why="SIGTERM"))

    assert [(EIGHT, "skipped", "removed")] == home.windows()
    assert [] == home.events()


async def test_root_gone_while_it_ran(home: Home) -> None:
    """While its root is away a failed run is told, and its retry waits for the root (rules R9)."""
    await begin(home, stale_after=DAY_MS)
    (run,) = await home.due(EIGHT)
    await home.adopt(roots={ROOT: None})
    await home.settle(run)
    assert [] == await home.due(EIGHT + HOUR_MS)
    assert (await home.wakes())["windows"] is None

    home.now = EIGHT + 2 * HOUR_MS
    await home.adopt(agent(schedules=[schedule(when=DAILY, stale_after=DAY_MS)]))
    (again,) = await home.due()
    assert 2 == again.number


# ---------------------------------------------------------------------------------- rules R10


async def test_manual_success(home: Home) -> None:
    """A success by hand closes the waiting window and the outage."""
    await begin(home)
    await home.run(EIGHT)
    by_hand = await home.manual()
    assert by_hand is not None
    await home.settle(by_hand, Exited(code=0))

    assert [(EIGHT, "succeeded", "by manual run")] == home.windows()
    assert ["attempt_failed", "success", "recovered"] == home.events()
    assert "success" == home.value("SELECT closed_by FROM outages")
    assert [] == await home.due(EIGHT + 5 * MINUTE_MS)


async def test_manual_failure(home: Home) -> None:
    """A failure by hand is told and opens the outage, but touches no window, uses no attempt and
    never gives up."""
    await begin(home, tries=2)
    await home.run(EIGHT)
    before = home.rows("SELECT * FROM windows")
    by_hand = await home.manual()
    assert by_hand is not None
    await home.settle(by_hand)

    assert before == home.rows("SELECT * FROM windows")
    assert ["attempt_failed", "attempt_failed"] == home.events()
    assert 2 == home.value("SELECT failures FROM outages")
    assert ("failing", "manual run: exit 1") == tuple(
        home.row("SELECT health, reason FROM schedules").values()
    )


async def test_manual_failure_opens_the_outage(home: Home) -> None:
    """So that the next success is told as the good news that it is."""
    await begin(home)
    by_hand = await home.manual()
    assert by_hand is not None
    await home.settle(by_hand)
    await home.run(EIGHT, Exited(code=0))

    assert ["attempt_failed", "success", "recovered"] == home.events()


async def test_trial(home: Home) -> None:
    """A trial tells nobody and touches nothing but its own row."""
    await begin(home)
    await home.plan(EIGHT)
    trial = await home.manual(AttemptKind.TRIAL)
    assert trial is not None
    before = {name: rows for name, rows in everything(home).items() if name != "attempts"}
    await home.settle(trial, room=8)

    assert before == {name: rows for name, rows in everything(home).items() if name != "attempts"}
    assert "failed" == home.value("SELECT verdict FROM attempts")


async def test_manual_without_a_schedule(home: Home) -> None:
    """An agent without schedules can be run by hand: it is told, and no outage stays open that
    nothing would ever close."""
    await home.adopt(agent(schedules=[]))
    by_hand = await home.manual(schedule="manual")
    assert by_hand is not None
    await home.settle(by_hand)

    assert ["attempt_failed"] == home.events()
    assert home.value("SELECT closed_at FROM outages") is not None


# ------------------------------------------------------------------------------------ the record


@pytest.mark.parametrize(
    ("exit", "severity", "code", "timed_out"),
    [
        (Exited(code=0), "notice", 0, False),
        (Exited(code=1), "critical", 1, False),
        (TimedOut(after_ms=4_000), "critical", 124, True),
        (NotStarted(code=127, why="x"), "critical", 127, False),
        (Lost(why="x"), "critical", -1, False),
    ],
)
async def test_audit_of_a_run(
    home: Home, exit: Exit, severity: str, code: int, timed_out: bool
) -> None:
    """Every run stands in the record, in the fields and the order of contract §13."""
    await begin(home)
    await home.run(EIGHT, exit, took=4_200)
    line = next(row for row in home.audit() if row["event"]["event_type"] == "agent_run")

    assert severity == line["severity"]
    assert [
        ("event_type", "agent_run"),
        ("agent", "a"),
        ("schedule", "s"),
        ("slug", "s"),
        ("manifest_sha256", home.value("SELECT sha256 FROM agents")),
        ("exit_code", code),
        ("duration_seconds", 4),
        ("timed_out", timed_out),
    ] == list(line["event"].items())


async def test_audit_of_a_recovery(home: Home) -> None:
    """So does the attempt that ended an outage."""
    await begin(home)
    await home.run(EIGHT)
    await home.run(EIGHT + 5 * MINUTE_MS, Exited(code=0))

    assert {
        "event_type": "agent_recovered",
        "agent": "a",
        "schedule": "s",
        "attempts": 2,
    } == home.audit()[-1]["event"]


async def test_clock_set_back_during_a_run(home: Home) -> None:
    """A clock that was set back during a run makes no negative duration in the record."""
    await begin(home)
    await home.run(EIGHT, took=-HOUR_MS // 2)

    assert 0 == home.audit()[-1]["event"]["duration_seconds"]


async def test_clock_set_back_after_a_queued_run(home: Home) -> None:
    """A run that ends under a clock which is two years ahead leaves nothing to wait for until
    then: put right, the schedule is looked at again in time (rules R3)."""
    await home.adopt(agent(schedules=[schedule(overlap="queue")]))
    await home.plan()
    (run,) = await home.due(EIGHT)
    home.now = EIGHT + 2 * 365 * DAY_MS
    await home.settle(run, Exited(code=0))

    home.now = EIGHT + MINUTE_MS
    await home.plan()
    wakes = await home.wakes()

    assert EIGHT + HOUR_MS == wakes["plan"]
