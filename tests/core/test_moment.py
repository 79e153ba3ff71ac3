"""An instant in words."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from dotagent.core.moment import between, clock, local, stamp, when, zone_name
from tests.core.walls import at

NOW = at("2026-06-03T08:00:00Z")  # a Wednesday
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        ("2026-06-03T14:35:00Z", "14:35"),
        ("2026-06-03T00:00:00Z", "00:00"),
        ("2026-06-03T08:00:00Z", "08:00"),
        ("2026-06-03T08:05:07Z", "08:05:07"),
        ("2026-06-03T07:50:01Z", "07:50:01"),
        ("2026-06-03T08:10:01Z", "08:10"),
        ("2026-06-03T08:05:00.900Z", "08:05"),
        ("2026-06-04T08:00:00Z", "Thu 08:00"),
        ("2026-06-02T23:59:00Z", "Tue 23:59"),
        ("2026-06-09T08:00:00Z", "Tue 08:00"),
        ("2026-05-28T08:00:00Z", "Thu 08:00"),
        ("2026-06-10T08:00:00Z", "2026-06-10 08:00"),
        ("2026-05-27T08:00:00Z", "2026-05-27 08:00"),
        ("2025-06-03T08:00:00Z", "2025-06-03 08:00"),
    ],
)
def test_clock(then: str, expected: str) -> None:
    """As much of the date as is needed, and seconds only where the minute would hide something."""
    assert expected == clock(at(then), NOW, UTC)


def test_clock_over_midnight() -> None:
    """Five minutes ago may have been yesterday."""
    assert "Tue 23:58:30" == clock(at("2026-06-02T23:58:30Z"), at("2026-06-03T00:01:00Z"), UTC)


def test_clock_is_on_the_readers_wall() -> None:
    """Days begin where the reader is."""
    late = at("2026-06-03T22:30:00Z")

    assert "Thu 00:30" == clock(late, NOW, BERLIN)
    assert "22:30" == clock(late, NOW, UTC)


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        ("2026-06-03T14:35:00Z", "at 14:35"),
        ("2026-06-04T14:35:00Z", "on Thu 14:35"),
        ("2027-06-04T14:35:00Z", "on 2027-06-04 14:35"),
    ],
)
def test_when(then: str, expected: str) -> None:
    """In a sentence it gets the right word."""
    assert expected == when(at(then), NOW, UTC)


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2026-06-03T08:00:00Z", "2026-06-03T10:00:00+0200"),
        ("2026-01-03T08:00:00.999Z", "2026-01-03T09:00:00+0100"),
        ("2026-10-25T00:30:00Z", "2026-10-25T02:30:00+0200"),
        ("2026-10-25T01:30:00Z", "2026-10-25T02:30:00+0100"),
    ],
)
def test_stamp(instant: str, expected: str) -> None:
    """The form of every file of dotagent 0.1.x: local, whole seconds, offset without a colon."""
    assert expected == stamp(at(instant), BERLIN)


def test_local() -> None:
    """The wall shows milliseconds too."""
    assert 999_000 == local(at("2026-06-03T08:00:00.999Z"), UTC).microsecond


def test_a_zone_by_its_name() -> None:
    """As people write it; a zone without a name by its letters, or its distance from UTC."""
    shifted = timezone(timedelta(hours=5, minutes=30))

    assert "Europe/Berlin" == zone_name(NOW, BERLIN)
    assert "UTC" == zone_name(NOW, UTC)
    assert "UTC+05:30" == zone_name(NOW, shifted)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("06:30:00", "08:00:00", "06:30 to 08:00"),
        ("06:30:05", "06:30:40", "06:30:05 to 06:30:40"),
        ("06:30:05", "06:30:05", "06:30:05"),
        ("08:00:05", "08:00:05", "08:00:05"),
    ],
)
def test_a_span_is_never_empty(first: str, last: str, expected: str) -> None:
    """With seconds where the minute would make nothing of it; one instant is no span."""
    first_at, last_at = (at(f"2026-06-03T{each}Z") for each in (first, last))

    assert expected == between(first_at, last_at, NOW, UTC)
