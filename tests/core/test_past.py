"""What a person means by a time in the past: times, days, both, and the nights of clock changes."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.moment import stamp
from dotagent.core.past import Span, span

BERLIN = ZoneInfo("Europe/Berlin")
NOW = round(datetime(2026, 3, 30, 10, 6, tzinfo=BERLIN).timestamp() * 1000)
"""A Monday, the day after the clocks went forward."""


def read(text: str) -> tuple[str, str]:
    """First and last second of the span."""
    found = span(text, NOW, BERLIN)
    return stamp(found.first_at, BERLIN)[:19], stamp(found.last_at, BERLIN)[:19]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("08:30", "2026-03-30T08:30:00", "2026-03-30T08:30:59"),
        ("8:30", "2026-03-30T08:30:00", "2026-03-30T08:30:59"),
        ("23:30", "2026-03-29T23:30:00", "2026-03-29T23:30:59"),
        ("08:30:15", "2026-03-30T08:30:15", "2026-03-30T08:30:15"),
        ("yesterday 08:30", "2026-03-29T08:30:00", "2026-03-29T08:30:59"),
        ("Tue 08:30", "2026-03-24T08:30:00", "2026-03-24T08:30:59"),
        ("monday 23:30", "2026-03-30T23:30:00", "2026-03-30T23:30:59"),
        ("2026-03-27T08:30", "2026-03-27T08:30:00", "2026-03-27T08:30:59"),
        ("2026-03-27 08:30", "2026-03-27T08:30:00", "2026-03-27T08:30:59"),
        ("2026-03-27T08:30:00+0100", "2026-03-27T08:30:00", "2026-03-27T08:30:59"),
        ("2026-03-27T07:30:00Z", "2026-03-27T08:30:00", "2026-03-27T08:30:59"),
    ],
)
def test_a_time_is_a_minute_in_the_past(text: str, first: str, last: str) -> None:
    """Today if it has come, else yesterday; to the second where seconds are named."""
    assert (first, last) == read(text)
    assert not span(text, NOW, BERLIN).is_day


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("today", "2026-03-30T00:00:00", "2026-03-30T23:59:59"),
        ("yesterday", "2026-03-29T00:00:00", "2026-03-29T23:59:59"),
        ("tuesday", "2026-03-24T00:00:00", "2026-03-24T23:59:59"),
        ("mon", "2026-03-30T00:00:00", "2026-03-30T23:59:59"),
        ("2026-03-29", "2026-03-29T00:00:00", "2026-03-29T23:59:59"),
    ],
)
def test_a_day_is_a_whole_day(text: str, first: str, last: str) -> None:
    """Also one of 23 hours; a weekday is the last one, today included."""
    assert (first, last) == read(text)
    assert span(text, NOW, BERLIN).is_day


def test_nights_of_clock_changes_are_met_generously() -> None:
    """A time that was skipped covers the moment it was moved to, a repeated one both its passes."""
    skipped = span("2026-03-29 02:30", NOW, BERLIN)
    moved = round(datetime(2026, 3, 29, 3, 0, tzinfo=BERLIN).timestamp() * 1000)

    assert skipped.first_at <= moved <= skipped.last_at
    assert ("2025-10-26T02:30:00", "2025-10-26T02:30:59") == read("2025-10-26 02:30")
    assert 3_600_000 + 59_999 == (
        span("2025-10-26 02:30", NOW, BERLIN).last_at
        - span("2025-10-26 02:30", NOW, BERLIN).first_at
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "25:00",
        "08:60",
        "2026-13-01",
        "2026-02-30 08:30",
        "2026-03-29 soon",
        "9999-12-31",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """With what can be written instead."""
    with pytest.raises(ValueError, match="write 08:30, yesterday, tuesday 08:30"):
        span(text, NOW, BERLIN)


@given(st.text(alphabet="0123456789-:tTzZ +", max_size=24))
def test_any_text_is_a_span_or_refused(text: str) -> None:
    """Nothing else is raised, and a span is never empty."""
    refusal = ""
    try:
        found = span(text, NOW, BERLIN)
    except ValueError as error:
        refusal, found = str(error), Span(first_at=0, last_at=0)

    assert not refusal or "is not a time that can be looked up" in refusal
    assert found.first_at <= found.last_at
