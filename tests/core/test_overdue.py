"""When a schedule without success is overdue (rules R13)."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core import schedule
from dotagent.core.overdue import overdue_at, thawed
from dotagent.core.when import Calendar, Every, When
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS, at

NIGHTLY = Calendar(expression="0 3 * * *")
OFFICE = Calendar(expression="0 9-17 * * 1-5")
NEVER = Calendar(expression="0 0 30 2 *")
STALE = 2 * HOUR_MS


def found(when: When, sound_at: int, watched_at: int | None = None, **more: Any) -> int | None:
    grid = {"anchor_at": sound_at, "name": "a/s", "zone": UTC}
    arguments = {"ready_at": None, "stale_after_ms": STALE, **grid}
    return overdue_at(
        when,
        sound_at=sound_at,
        watched_at=sound_at if watched_at is None else watched_at,
        **{**arguments, **more},
    )


@pytest.mark.parametrize(
    ("when", "sound", "expected"),
    [
        (NIGHTLY, "2026-06-01T03:10:00Z", "2026-06-02T05:10:00Z"),
        (NIGHTLY, "2026-06-01T08:00:00Z", "2026-06-02T10:00:00Z"),
        (Every(every_ms=15 * MINUTE_MS), "2026-06-01T12:00:00Z", "2026-06-01T14:15:00Z"),
        # Friday, 17:05: the next run is on Monday, and nobody is overdue at the weekend.
        (OFFICE, "2026-06-05T17:05:00Z", "2026-06-08T11:05:00Z"),
        (OFFICE, "2026-06-05T16:05:00Z", "2026-06-05T19:05:00Z"),
    ],
)
def test_one_period_and_stale_after(when: When, sound: str, expected: str) -> None:
    """More than one period and ``stale_after`` past the last success; at the weekend a period is
    long."""
    assert at(expected) + 1 == found(when, at(sound))


def test_what_never_falls_due_is_never_overdue() -> None:
    """Without a window to come nobody waits for a success."""
    assert found(NEVER, at("2026-06-01T00:00:00Z")) is None


def test_at_least_a_minute() -> None:
    """``stale_after = 0`` is one minute here too."""
    sound = at("2026-06-01T03:00:00Z")

    assert sound + DAY_MS + MINUTE_MS + 1 == found(NIGHTLY, sound, stale_after_ms=0)


def test_only_what_counts_can_be_late() -> None:
    """After a pause over the 03:00 run, only the next 03:00 run can make it overdue."""
    sound, resumed = at("2026-06-01T03:00:00Z"), at("2026-06-02T08:00:00Z")

    assert at("2026-06-03T05:00:00Z") + 1 == found(NIGHTLY, sound, resumed)


def test_what_was_late_has_its_time_from_when_it_could_be_tried() -> None:
    """A machine that slept over 03:00 and wakes at 08:00 has until 10:00."""
    sound, wake = at("2026-06-01T03:00:00Z"), at("2026-06-02T08:00:00Z")

    assert at("2026-06-02T10:00:00Z") + 1 == found(NIGHTLY, sound, ready_at=wake)


@pytest.mark.parametrize(
    ("sound", "frozen", "now", "expected"), [(10, 20, 50, 40), (30, 20, 50, 50), (60, 20, 50, 60)]
)
def test_frozen_time_does_not_count(sound: int, frozen: int, now: int, expected: int) -> None:
    """The time since it was frozen, or since a success in it, is added."""
    assert expected == thawed(sound, frozen, now)


WHENS = st.one_of(
    st.builds(
        Every, every_ms=st.integers(1_000, 3 * DAY_MS), spread_ms=st.sampled_from([0, 600_000])
    ),
    st.sampled_from(["0 3 * * *", "*/15 * * * *", "0 9-17 * * 1-5", "5 4 29 2 *", "0 0 1 * *"]).map(
        lambda text: Calendar(expression=text, timezone="Europe/Berlin")
    ),
)


@given(
    when=WHENS,
    sound_at=st.integers(at("2024-01-01T00:00:00Z"), at("2030-01-01T00:00:00Z")),
    later_ms=st.integers(0, 40 * DAY_MS),
    stale_after_ms=st.integers(0, 3 * HOUR_MS),
)
def test_never_before_a_window_had_its_time(
    when: When, sound_at: int, later_ms: int, stale_after_ms: int
) -> None:
    """Whatever the schedule: the first window that counts fell due and had ``stale_after``, and
    the last success is more than a period and that long ago."""
    watched_at = sound_at + later_ms
    grid: dict[str, Any] = {"anchor_at": sound_at, "name": "a/s", "zone": UTC}
    overdue = found(when, sound_at, watched_at, stale_after_ms=stale_after_ms)
    first = schedule.next_after(when, watched_at, **grid)
    period_ms = schedule.period_ms(when, sound_at, **grid)

    assert overdue is not None
    assert first is not None
    assert overdue > first + stale_after_ms
    assert overdue > sound_at + period_ms + stale_after_ms
