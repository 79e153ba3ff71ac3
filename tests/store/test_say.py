"""A person's say: names that nobody bears, and what an acknowledgement stops."""

from __future__ import annotations

from typing import Any

import pytest

from dotagent.core.errors import NotFound, UsageError
from dotagent.core.model import Exited
from dotagent.core.silence import MOST_MS
from dotagent.core.when import Calendar
from dotagent.store import say
from dotagent.store.routing import set_routes
from tests.core.walls import HOUR_MS
from tests.store.builder import EIGHT, Home, agent, route, schedule

DAY = Calendar(expression="0 8 * * *")


async def failing(home: Home) -> None:
    await home.adopt(
        agent(schedules=[schedule(when=DAY, tries=1)], routes=[route(remind=(HOUR_MS,))])
    )
    await home.plan()
    await home.run(EIGHT)
    await home.send_all()


async def ack(home: Home, agent: str = "a", schedule: str | None = None) -> Any:
    args = {"agent": agent, "schedule": schedule, "reason": "on it"}
    return await home.write(lambda tx: say.ack(tx, home.actor, home.now, args))


async def test_ack_stops_reminders(home: Home) -> None:
    """None is due any more, and none comes back with a new notifier; the record has who knew."""
    await failing(home)
    answer = await ack(home)
    await home.write(lambda tx: set_routes(tx, home.now, "", [route("g", remind=(HOUR_MS,))]))
    await home.look(EIGHT + 20 * HOUR_MS)

    assert {"agent": "a", "schedules": ["s"]} == answer
    assert "still_failing" not in home.events()
    assert ("on it", EIGHT) == (
        home.value("SELECT acked_why FROM outages"),
        home.value("SELECT acked_at FROM outages"),
    )
    assert "outage_acknowledged" == home.audit()[-1]["event"]["event_type"]


async def test_ack_lasts_until_it_recovers(home: Home) -> None:
    """The next outage reminds again."""
    await failing(home)
    await ack(home)
    await home.run(EIGHT + 24 * HOUR_MS, Exited(code=0))
    await home.run(EIGHT + 48 * HOUR_MS)
    await home.look(EIGHT + 49 * HOUR_MS)

    assert 1 == home.events().count("still_failing")


async def test_ack_of_what_does_not_fail(home: Home) -> None:
    """There is nothing to know."""
    await home.adopt(agent())

    with pytest.raises(UsageError, match="a/s is not failing"):
        await ack(home, schedule="s")


@pytest.mark.parametrize(
    ("name", "schedule_id", "hint"),
    [("disc", None, 'Did you mean "disk"?'), ("disk", "dayly", 'Did you mean "daily"?')],
)
async def test_names_that_nobody_bears(
    home: Home, name: str, schedule_id: str | None, hint: str
) -> None:
    """Refused, with the nearest one."""
    await home.adopt(agent("disk", schedules=[schedule("daily")]))

    with pytest.raises(NotFound) as caught:
        await home.silence(agent=name, schedule=schedule_id)

    assert hint == caught.value.hint


async def test_no_silence_is_for_ever(home: Home) -> None:
    """Whatever a request says, the end is bounded (rules R3)."""
    await home.adopt(agent())
    await home.silence(for_ms=100 * MOST_MS)

    assert home.now + MOST_MS == home.value("SELECT until_at FROM silences")
