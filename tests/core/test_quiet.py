"""Until when a message is held: each kind, over midnight, over changes of the clock."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.manifest_notifier import QuietHours
from dotagent.core.model import SEVERITY, Kind, Severity
from dotagent.core.quiet import HELD_MOST_MS, held_until

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(from_minute=22 * 60, to_minute=7 * 60)
NOON = QuietHours(from_minute=12 * 60, to_minute=13 * 60)
HALF_PAST_TWO = QuietHours(from_minute=23 * 60, to_minute=150)


def berlin(text: str) -> int:
    """``2026-03-29T01:30`` as the wall in Berlin shows it first."""
    return round(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp() * 1000)


@pytest.mark.parametrize(
    ("quiet", "now", "until"),
    [
        (NIGHT, "2026-06-03T21:59", None),
        (NIGHT, "2026-06-03T22:00", "2026-06-04T07:00"),
        (NIGHT, "2026-06-04T00:00", "2026-06-04T07:00"),
        (NIGHT, "2026-06-04T06:59", "2026-06-04T07:00"),
        (NIGHT, "2026-06-04T07:00", None),
        (NOON, "2026-06-04T11:59", None),
        (NOON, "2026-06-04T12:30", "2026-06-04T13:00"),
        (NOON, "2026-06-04T13:00", None),
        # The clock goes from 02:00 to 03:00: the night is an hour shorter, 02:30 comes at 03:00.
        (NIGHT, "2026-03-28T23:00", "2026-03-29T07:00"),
        (HALF_PAST_TWO, "2026-03-29T01:59", "2026-03-29T03:00"),
        (HALF_PAST_TWO, "2026-03-29T03:00", None),
        # The clock goes from 03:00 back to 02:00: quiet ends the first time.
        (NIGHT, "2026-10-24T23:00", "2026-10-25T07:00"),
        (HALF_PAST_TWO, "2026-10-25T02:29", "2026-10-25T02:30"),
        (HALF_PAST_TWO, "2026-10-25T02:30", None),
    ],
)
def test_held_until(quiet: QuietHours, now: str, until: str | None) -> None:
    """A failed attempt in these quiet hours, at these times."""
    expected = None if until is None else berlin(until)

    assert expected == held_until(quiet, Kind.ATTEMPT_FAILED, berlin(now), BERLIN)


def test_what_wakes_people() -> None:
    """Without ``events`` all waits but what ends a run without success, and critical news of
    dotagent itself."""
    now = berlin("2026-06-04T03:00")
    through = {kind for kind in Kind if held_until(NIGHT, kind, now, BERLIN) is None}
    critical = {kind for kind in Kind if SEVERITY[kind] is Severity.CRITICAL}

    assert critical - {Kind.STILL_FAILING} == through


def test_named_events_wait() -> None:
    """With ``events`` these wait and no others."""
    quiet = QuietHours(from_minute=22 * 60, to_minute=7 * 60, events=(Kind.GIVEN_UP,))
    now = berlin("2026-06-04T03:00")

    assert {Kind.GIVEN_UP} == {kind for kind in Kind if held_until(quiet, kind, now, BERLIN)}


def test_no_quiet_hours() -> None:
    """Nothing waits."""
    assert held_until(None, Kind.SUCCESS, berlin("2026-06-04T03:00"), BERLIN) is None


@given(
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.integers(1_300_000_000_000, 2_200_000_000_000),
    st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia"]),
)
def test_always_ahead(from_: int, to: int, now: int, name: str) -> None:
    """What is held is held into the future, and not for ever."""
    quiet = QuietHours(from_minute=from_, to_minute=to)
    until = held_until(quiet, Kind.SUCCESS, now, ZoneInfo(name))

    assert until is None or now < until <= now + HELD_MOST_MS
