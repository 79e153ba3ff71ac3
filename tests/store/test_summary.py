"""The daily summary over the real store: once a day, to whom it is for."""

from __future__ import annotations

from contextlib import closing

import pytest

from dotagent.core.config import Summary
from dotagent.core.model import Kind
from dotagent.store import say, summary
from tests.core.walls import DAY_MS, MINUTE_MS
from tests.store.builder import EIGHT, Home, agent, route

NINE = Summary(at_minute=9 * 60)
AT_NINE = EIGHT + 60 * MINUTE_MS


async def standing(home: Home, settings: Summary = NINE) -> None:
    """An agent that has failed, at eight; everybody who may want the summary."""
    home.summary = settings
    await home.look()
    await home.adopt(agent())
    await home.notify(route("g", "f2"), route("h", "f3", events=[Kind.GIVEN_UP]))
    await home.plan()
    await home.run(EIGHT)
    await home.send_all()


def told(home: Home) -> list[str]:
    return [each[0] for each in home.deliveries() if each[1] == "daily_summary"]


async def test_once_a_day_across_restarts(home: Home) -> None:
    """To the global notifiers that ask for it, never to a manifest's; not again after a crash."""
    await standing(home)
    early = await home.look(AT_NINE - 1)
    wake = (await home.wakes())["timely"]
    await home.look(AT_NINE)
    await home.crash()
    await home.look(AT_NINE + MINUTE_MS)

    assert set() == early
    assert AT_NINE == wake
    assert ["g"] == told(home)
    assert AT_NINE + DAY_MS == (await home.wakes())["timely"]


async def test_the_next_day_again(home: Home) -> None:
    """And late, within the grace."""
    await standing(home)
    await home.look(AT_NINE)
    await home.look(AT_NINE + DAY_MS + NINE.grace_ms)
    await home.look(AT_NINE + 2 * DAY_MS + NINE.grace_ms + 1)

    assert ["g", "g"] == told(home)


async def test_named_notifiers(home: Home) -> None:
    """Those that the configuration names, whether their events say so or not."""
    await standing(home, Summary(at_minute=9 * 60, notifiers=("h",)))
    await home.look(AT_NINE)

    assert ["h"] == told(home)


async def test_switched_off(home: Home) -> None:
    """Nothing is told, and nobody wakes for it."""
    await standing(home, Summary(enabled=False))
    await home.look(AT_NINE)

    assert [] == told(home)


async def test_what_it_says(home: Home) -> None:
    """How everything stands when it is told; the preview says the same and tells nobody."""
    await standing(home)
    await home.look(AT_NINE)
    facts = home.value("SELECT facts FROM events WHERE kind = 'daily_summary'")
    with closing(home.store.read()) as reader:
        line, below = summary.preview(reader, "2026-06-03")

    assert "📊 Agents · 2026-06-03: 0/1 ok" == line
    assert "a/s — attempt 1: exit 1; will be tried again" in below
    assert line in facts
    assert ["g"] == told(home)


async def test_by_hand(home: Home) -> None:
    """A person's own does not stand for the day's."""
    await standing(home)
    made = await home.write(lambda tx: say.summary(tx, home.actor, home.now, NINE))
    await home.look(AT_NINE)

    assert 1 == len(made["deliveries"])
    assert ["g", "g"] == told(home)


@pytest.mark.parametrize("kind", ["events", "deliveries"])
async def test_a_first_start_is_silent(home: Home, kind: str) -> None:
    """A home that was made in the evening has no summary of that day."""
    home.summary = NINE
    await home.look(AT_NINE + MINUTE_MS)

    assert 0 == home.value(f"SELECT count(*) FROM {kind}")
