"""An instant to come, as people write it."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.ahead import instant
from tests.core.walls import at

BERLIN = ZoneInfo("Europe/Berlin")
NOW = at("2026-06-03T12:00:00+02:00")
"""A Wednesday."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18:00", "2026-06-03T18:00:00+02:00"),
        ("08:30", "2026-06-04T08:30:00+02:00"),
        ("12:00", "2026-06-04T12:00:00+02:00"),
        ("today 18:00", "2026-06-03T18:00:00+02:00"),
        ("tomorrow", "2026-06-04T00:00:00+02:00"),
        ("Tomorrow  7:15", "2026-06-04T07:15:00+02:00"),
        ("monday", "2026-06-08T00:00:00+02:00"),
        ("mon 08:30", "2026-06-08T08:30:00+02:00"),
        ("wednesday 18:00", "2026-06-03T18:00:00+02:00"),
        ("wednesday 08:00", "2026-06-10T08:00:00+02:00"),
        ("wed", "2026-06-10T00:00:00+02:00"),
        ("2026-12-24", "2026-12-24T00:00:00+01:00"),
        ("2026-12-24T18:00", "2026-12-24T18:00:00+01:00"),
        ("2026-12-24 18:00", "2026-12-24T18:00:00+01:00"),
        ("2026-12-24T18:00:00+0000", "2026-12-24T18:00:00+00:00"),
        # The clocks change: 02:30 comes twice in autumn, and not at all in spring.
        ("2026-10-25 02:30", "2026-10-25T02:30:00+02:00"),
        ("2027-03-28 02:30", "2027-03-28T03:00:00+02:00"),
    ],
)
def test_what_people_write(text: str, expected: str) -> None:
    """A time is its next coming, a day its beginning; clock changes as for schedules."""
    assert at(expected) == instant(text, NOW, BERLIN)


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2026-02-30", "8", "yesterday", "monday x"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValueError, match="is not a time to come; write 18:00, tomorrow"):
        instant(text, NOW, BERLIN)


@pytest.mark.parametrize("text", ["2026-06-03 11:59", "today", "today 12:00", "2020-01-01"])
def test_what_has_passed_is_refused(text: str) -> None:
    """A day or a date that has passed is no time to come."""
    with pytest.raises(ValueError, match="has passed already"):
        instant(text, NOW, BERLIN)


@given(st.text())
def test_any_text_is_an_instant_or_a_sentence(text: str) -> None:
    """Nothing else ever comes out."""
    found: int | str
    try:
        found = instant(text, NOW, BERLIN)
    except ValueError as error:
        found = str(error)

    assert "write 18:00" in found if isinstance(found, str) else found > NOW
