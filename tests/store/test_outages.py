"""Outages and the reminders that speak while they last."""

from __future__ import annotations

import json

import pytest

from dotagent.core.model import Exited, Kind, RejectDestination, Retry, Unsupported
from dotagent.core.when import Calendar
from dotagent.store import outages
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS
from tests.store.builder import EIGHT, Home, agent, route, schedule

REMIND = (HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS)
YEARLY = "0 8 3 6 *"


async def failing(home: Home, **more: object) -> None:
    """An agent whose eight o'clock run has failed for good; nothing else is due for a year."""
    when = Calendar(expression=YEARLY)
    routes = more.pop("routes", None) or [route(remind=REMIND)]
    await home.adopt(
        agent(schedules=[schedule(when=when, tries=1)], routes=routes, **more)  # type: ignore[arg-type]
    )
    await home.plan()
    await home.run(EIGHT)
    await home.send_all()


def reminders(home: Home) -> list[tuple[str, str]]:
    return [
        (notifier, state)
        for notifier, kind, state, _ in home.deliveries()
        if kind == "still_failing"
    ]


# --------------------------------------------------------------------------------------- outages


async def test_one_open_outage(home: Home) -> None:
    """The first bad news opens the outage, all that follows belongs to it (rules R13)."""
    await home.adopt(agent(schedules=[schedule(tries=2)]))
    await home.plan()
    await home.run(EIGHT)
    await home.run(EIGHT + 5 * MINUTE_MS)
    await home.plan(EIGHT + HOUR_MS)
    await home.plan(EIGHT + 2 * HOUR_MS)
    row = home.row("SELECT * FROM outages")

    assert (EIGHT, "attempt_failed", 2, 2, None) == (
        row["opened_at"],
        row["opened_by"],
        row["failures"],
        row["windows"],
        row["closed_at"],
    )
    assert {row["id"]} == {each["outage_id"] for each in home.rows("SELECT outage_id FROM events")}


async def test_next_outage(home: Home) -> None:
    """After its end the next bad news opens another."""
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT)
    await home.run(EIGHT + 5 * MINUTE_MS, Exited(code=0))
    await home.run(EIGHT + HOUR_MS)

    assert [EIGHT + 5 * MINUTE_MS, None] == [
        row["closed_at"] for row in home.rows("SELECT closed_at FROM outages ORDER BY id")
    ]


async def test_each_schedule_has_its_own(home: Home) -> None:
    """One schedule's success ends no other's outage."""
    await home.adopt(agent(schedules=[schedule("s"), schedule("t")]))
    await home.plan()
    for run in await home.due(EIGHT):
        await home.settle(run)
    (run, _) = await home.due(EIGHT + 5 * MINUTE_MS)
    await home.settle(run, Exited(code=0))

    assert {run.schedule_id} == {
        row["schedule"] for row in home.rows("SELECT * FROM outages WHERE closed_at IS NOT NULL")
    }


async def test_close_without_an_outage(home: Home) -> None:
    """Where there is none there is nothing to end."""
    assert await home.write(lambda tx: outages.close(tx, home.now, "a", "s", "success")) is None


# ------------------------------------------------------------------------------------- reminders


async def test_due(home: Home) -> None:
    """An outage speaks again when its reminder is due, not before, and the engine wakes then."""
    await failing(home)
    assert EIGHT + HOUR_MS == (await home.wakes())["timely"]
    await home.look(EIGHT + HOUR_MS - 1)
    assert [] == reminders(home)
    await home.look(EIGHT + HOUR_MS)

    assert [("n", "pending")] == reminders(home)
    facts = json.loads(home.value("SELECT facts FROM events WHERE kind = 'still_failing'"))
    assert ("exit 1", EIGHT, 1, 1) == (
        facts["words"],
        facts["since"],
        facts["failures"],
        facts["windows"],
    )


async def test_steps(home: Home) -> None:
    """Each reminder has its own distance from the one before; the last one repeats."""
    await failing(home)
    spoken = []
    for _ in range(6):
        wake = (await home.wakes())["timely"]
        assert wake is not None
        await home.look(wake)
        await home.send_all()
        spoken.append((wake - EIGHT) // HOUR_MS)

    assert [1, 7, 31, 55, 79, 103] == spoken
    assert [("n", "sent")] * 6 == reminders(home)


async def test_missed_in_downtime(home: Home) -> None:
    """Reminders that came due while nothing ran are one (rules R15), and the next has its distance
    from that."""
    await failing(home)
    await home.look(EIGHT + 9 * DAY_MS)

    assert [("n", "pending")] == reminders(home)
    assert EIGHT + 9 * DAY_MS + 6 * HOUR_MS == (await home.wakes())["timely"]


@pytest.mark.parametrize("outcome", [Retry(why="503"), RejectDestination(why="404")])
async def test_at_most_one_unsent(home: Home, outcome: Retry | RejectDestination) -> None:
    """A reminder that still waits to be sent is not joined by another (rules R15)."""
    await failing(home)
    await home.look(EIGHT + HOUR_MS)
    (claim,) = await home.claim()
    await home.answer(claim, outcome)
    for hours in (7, 31, 55):
        await home.look(EIGHT + hours * HOUR_MS)

    assert [("n", "pending")] == reminders(home)


async def test_who_stands_in_hears_one_at_a_time(home: Home) -> None:
    """Also where a reminder goes to another channel because the one that wants it is parked."""
    await home.notify(route("ops", "f9", [Kind.GIVEN_UP]))
    await failing(home)
    await home.look(EIGHT + HOUR_MS)
    for hours in (7, 31):
        home.now = EIGHT + hours * HOUR_MS
        for claim in await home.claim():
            if claim.notifier == "n":  # the other one takes its time
                await home.answer(claim, Unsupported(why="no bus"))
        await home.look(home.now)

    assert [
        ("n", "rejected"),
        ("n", "rejected"),
        ("ops", "sending"),
        ("n", "pending"),
        ("ops", "suppressed"),
    ] == reminders(home)


async def test_end_at_recovery(home: Home) -> None:
    """The success ends them."""
    await failing(home)
    by_hand = await home.manual()
    assert by_hand is not None
    await home.settle(by_hand, Exited(code=0))
    await home.look(EIGHT + 9 * DAY_MS)

    assert [] == reminders(home)
    assert (await home.wakes())["timely"] is None


async def test_only_who_asked(home: Home) -> None:
    """Only notifiers with ``remind`` that ask for the end of a run, each at its own time."""
    await failing(
        home,
        routes=[
            route("never", "f1"),
            route("hourly", "f2", remind=[HOUR_MS]),
            route("daily", "f3", [Kind.GIVEN_UP], remind=[DAY_MS]),
            route("good", "f4", [Kind.SUCCESS, Kind.RECOVERED], remind=[HOUR_MS]),
        ],
    )
    await home.look(EIGHT + HOUR_MS)
    assert [("hourly", "pending")] == reminders(home)
    await home.send_all()
    await home.look(EIGHT + DAY_MS)

    assert [("hourly", "sent"), ("hourly", "pending"), ("daily", "pending")] == reminders(home)


async def test_due_together(home: Home) -> None:
    """Reminders that are due together are one event."""
    await failing(home, routes=[route("n", "f1", remind=[HOUR_MS]), route("m", "f2", remind=[1])])
    await home.look(EIGHT + HOUR_MS)

    assert 1 == home.events().count("still_failing")
    assert [("n", "pending"), ("m", "pending")] == reminders(home)


async def test_global_reminders(home: Home) -> None:
    """The global notifiers remind too, of agents that inherit them."""
    await home.notify(route("ops", "f9", remind=[HOUR_MS]))
    await failing(home, routes=[route()])
    await home.look(EIGHT + HOUR_MS)

    assert [("ops", "pending")] == reminders(home)


async def test_global_reminders_of_who_does_not_inherit(home: Home) -> None:
    """And of no others."""
    await home.notify(route("ops", "f9", remind=[HOUR_MS]))
    await failing(home, inherits=False)

    assert ["n"] == [row["notifier"] for row in home.rows("SELECT * FROM reminders")]


# --------------------------------------------------------------------------------------- reroute


async def test_notifier_added_during_an_outage(home: Home) -> None:
    """A notifier that joins during an outage reminds of it too, from then on."""
    await failing(home)
    home.now = EIGHT + 30 * MINUTE_MS
    await home.notify(route("ops", "f9", remind=[2 * HOUR_MS]))
    await home.look(home.now + 2 * HOUR_MS)

    assert [("n", "pending"), ("ops", "pending")] == sorted(reminders(home))


async def test_notifier_removed_during_an_outage(home: Home) -> None:
    """One that leaves reminds no more."""
    await home.notify(route("ops", "f9", remind=[HOUR_MS]))
    await failing(home, routes=[route()])
    await home.notify()
    await home.look(EIGHT + HOUR_MS)

    assert [] == reminders(home)
    assert [] == home.rows("SELECT * FROM reminders")


async def test_reroute_keeps_what_is_set(home: Home) -> None:
    """Those that were there keep their time, whatever else of them changes."""
    await failing(home)
    await home.look(EIGHT + HOUR_MS)
    home.now += MINUTE_MS
    await home.notify(route("ops", "f9", remind=[HOUR_MS]))
    await home.write(lambda tx: outages.reroute(tx, home.now, "a"))

    assert {"n": EIGHT + 7 * HOUR_MS, "ops": home.now + HOUR_MS} == {
        row["notifier"]: row["due_at"] for row in home.rows("SELECT * FROM reminders")
    }
