"""When a schedule runs next, as everybody who asks is told: one answer for all of them."""

from __future__ import annotations

from contextlib import closing
from functools import partial

from dotagent.core.when import Calendar
from dotagent.store import history, plan, plan_view
from dotagent.store.glance import look
from dotagent.store.inspection import inspection
from dotagent.store.measures import measures
from tests.store.builder import EIGHT, Home, agent, schedule


def answers(home: Home) -> set[int | None]:
    """What metrics, ``inspect``, ``why`` and ``tick`` say of the only schedule."""
    with closing(home.store.read()) as reader:
        found = inspection(reader, "a")
        assert found is not None
        return {
            measures(reader).schedules[0].next_due_at,
            found.schedules[0].next_due_at,
            history.standings(reader, "a")[0].next_due_at,
            plan_view.next_at(reader),
        }


async def test_one_that_is_planned(home: Home) -> None:
    """The first instant that is not planned yet."""
    await home.adopt(agent())
    await home.plan()

    assert {EIGHT} == answers(home)


async def test_one_that_nobody_has_planned(home: Home) -> None:
    """First seen, edited or in another zone, without a daemon since: nobody knows, and what asks
    for the look is no instant to show."""
    await home.adopt(agent())
    new = answers(home)
    await home.plan()
    await home.adopt(agent(schedules=[schedule(when=Calendar(expression="30 * * * *"))]))
    edited = answers(home)
    await home.plan()
    for mark in ("one", "another"):
        await home.write(partial(plan.rezone, mark=mark))
    moved = answers(home)
    with closing(home.store.read()) as reader:
        (row,) = look(reader, home.now).lists["schedules"]

    assert [{None}] * 3 == [new, edited, moved]
    assert (1, None) == (row["unplanned"], row["next_due_at"])


async def test_one_that_is_paused_or_disabled(home: Home) -> None:
    """What is skipped is no run; one that falls due after the end of the pause is."""
    await home.adopt(agent())
    await home.plan()
    await home.pause(EIGHT + 1)
    paused = answers(home)
    await home.write(lambda tx: tx.run("UPDATE pauses SET until_at = ?", EIGHT))
    until_then = answers(home)
    await home.adopt(agent(enabled=False))

    assert ({None}, {EIGHT}) == (paused, until_then)
    assert history.standings(home.store.read(), "a")[0].next_due_at is None
