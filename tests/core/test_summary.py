"""When the daily summary is due, and what it says."""

from __future__ import annotations

from datetime import UTC, date
from zoneinfo import ZoneInfo

import pytest

from dotagent.core.summary import Due, Standing, due, instant, next_at, text
from tests.core.walls import HOUR_MS, MINUTE_MS, at

AT = 22 * 60 + 45
GRACE = 12 * HOUR_MS
TUESDAY, WEDNESDAY = "2026-06-02", "2026-06-03"


@pytest.mark.parametrize(
    ("now", "last", "expected"),
    [
        # A home that was just made: the day that has passed is not made up for.
        ("2026-06-03T23:00:00Z", None, Due(day=WEDNESDAY, send=False)),
        ("2026-06-03T08:00:00Z", None, Due(day=TUESDAY, send=False)),
        # On time, and once.
        ("2026-06-03T22:44:59Z", TUESDAY, None),
        ("2026-06-03T22:45:00Z", TUESDAY, Due(day=WEDNESDAY, send=True)),
        ("2026-06-03T22:45:00Z", WEDNESDAY, None),
        # Later, within the grace, also on the next morning; not after it.
        ("2026-06-04T10:45:00Z", TUESDAY, Due(day=WEDNESDAY, send=True)),
        ("2026-06-04T10:45:01Z", TUESDAY, Due(day=WEDNESDAY, send=False)),
        # After a week away only the last one.
        ("2026-06-03T23:00:00Z", "2026-05-27", Due(day=WEDNESDAY, send=True)),
        # A clock set back a little after it was sent: not again.
        ("2026-06-03T22:40:00Z", WEDNESDAY, None),
        # One that had run ahead for weeks: goes on from the present.
        ("2026-06-03T22:50:00Z", "2026-07-03", Due(day=WEDNESDAY, send=False)),
    ],
)
def test_due(now: str, last: str | None, expected: Due | None) -> None:
    """Once a day, caught up within the grace, never for a day before the home was there."""
    assert expected == due(at(now), UTC, AT, GRACE, last)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-06-03T22:44:59Z", "2026-06-03T22:45:00Z"),
        ("2026-06-03T22:45:00Z", "2026-06-04T22:45:00Z"),
        ("2026-06-03T00:00:00Z", "2026-06-03T22:45:00Z"),
    ],
)
def test_next(now: str, expected: str) -> None:
    """The next time of day."""
    assert at(expected) == next_at(at(now), UTC, AT)


@pytest.mark.parametrize(
    ("day", "minute", "expected"),
    [
        (date(2026, 3, 29), 150, "2026-03-29T01:30:00Z"),  # 02:30 is skipped: 03:30 there
        (date(2026, 10, 25), 150, "2026-10-25T00:30:00Z"),  # 02:30 comes twice: the first
    ],
)
def test_clock_changes(day: date, minute: int, expected: str) -> None:
    """On the night of a clock change it still goes out once."""
    assert at(expected) == instant(day, minute, ZoneInfo("Europe/Berlin"))


def test_next_over_a_clock_change() -> None:
    """A day of 23 hours is one day."""
    zone = ZoneInfo("Europe/Berlin")
    before = instant(date(2026, 3, 28), AT, zone)

    assert before + 23 * HOUR_MS == next_at(before, zone, AT)
    assert before == next_at(before - MINUTE_MS, zone, AT)


def test_text() -> None:
    """The count, then what needs somebody, group by group; what has nothing to show is left out."""
    standings = [
        Standing(name="disk/daily", health="failing", reason="gave up:\nexit 1"),
        Standing(name="fine/daily", health="ok", reason=""),
        Standing(name="new/daily", health="new", reason=""),
        Standing(name="off/daily", health="off", reason="disabled"),
        Standing(name="slow/daily", health="degraded", reason="recovered on attempt 2"),
        Standing(name="sync/hourly", health="stale", reason=""),
    ]
    line, below = text(standings, WEDNESDAY, 2)

    assert "📊 Agents · 2026-06-03: 1/4 ok" == line
    assert (
        "❌ Failing:\n  · disk/daily — gave up: exit 1\n\n"
        "⚠️ Degraded:\n  · slow/daily — recovered on attempt 2\n\n"
        "🕑 Stale:\n  · sync/hourly — stale\n\n"
        "✉️ Not delivered:\n  · 2 messages — see: dotagent deliveries --dead"
    ) == below


def test_all_is_well() -> None:
    """Then it is one line."""
    standings = [Standing(name="a/s", health="ok", reason="")]

    assert ("📊 Agents · 2026-06-03: 1/1 ok", "") == text(standings, WEDNESDAY, 0)
