"""What a silence holds back, and how long it may last."""

from __future__ import annotations

import pytest

from dotagent.core.model import AGENT_EVENTS, Event, Kind
from dotagent.core.silence import MOST_MS, Silence, holding, length
from tests.core.walls import HOUR_MS, MINUTE_MS

NOW = 1_000_000_000


def silence(id: int = 1, schedule: str | None = None, until: int = NOW + HOUR_MS) -> Silence:
    return Silence(id=id, agent="disk", schedule=schedule, until_at=until, reason="moving")


def event(kind: Kind = Kind.GIVEN_UP, agent: str = "disk", schedule: str = "daily") -> Event:
    return Event(kind=kind, at=NOW, agent=agent, schedule_id=schedule)


@pytest.mark.parametrize("kind", Kind)
def test_kinds(kind: Kind) -> None:
    """All that an agent says, but for the good news that answers bad and the daily summary; and
    nothing of dotagent's own."""
    held = kind in AGENT_EVENTS and kind not in (Kind.RECOVERED, Kind.DAILY_SUMMARY)

    assert held == (holding([silence()], event(kind), NOW) is not None)


@pytest.mark.parametrize(
    ("silences", "about", "held_by"),
    [
        ([], event(), None),
        ([silence()], event(agent="sync"), None),
        ([silence(schedule="daily")], event(), 1),
        ([silence(schedule="hourly")], event(), None),
        ([silence()], event(schedule="hourly"), 1),
        ([silence(until=NOW)], event(), None),
        ([silence(until=NOW - 1)], event(), None),
        ([silence(until=NOW + 1)], event(), 1),
        ([silence(1), silence(2, until=NOW + 2 * HOUR_MS)], event(), 2),
        ([silence(1, until=NOW + 2 * HOUR_MS), silence(2, schedule="daily")], event(), 1),
        ([silence(1), silence(2)], event(), 2),
    ],
)
def test_which(silences: list[Silence], about: Event, held_by: int | None) -> None:
    """Its agent's and its schedule's, until its end and not at it; of several the longest."""
    found = holding(silences, about, NOW)

    assert held_by == (None if found is None else found.id)


def test_the_reason_that_stays() -> None:
    """It names the person's reason and where to find the silence."""
    assert "silenced by hand (moving; silence 7)" == silence(7).words


@pytest.mark.parametrize(
    ("text", "ms"),
    [("2h", 2 * HOUR_MS), ("1h30m", 90 * MINUTE_MS), ("1s", 1_000), ("31d", MOST_MS)],
)
def test_lengths(text: str, ms: int) -> None:
    """As spans are written everywhere."""
    assert ms == length(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("32d", "31 days at most"),
        ("0s", "no time at all"),
        ("90", "no unit"),
        ("", "not a span of time"),
    ],
)
def test_wrong_lengths(text: str, said: str) -> None:
    """There is always an end, and it is near enough to be seen."""
    with pytest.raises(ValueError, match=said):
        length(text)
