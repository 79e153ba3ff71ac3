"""A day with several runs, in one sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

from dotagent.core.case import Attempt, Case
from dotagent.core.day import day_sentence
from dotagent.core.model import AttemptKind, WindowState
from dotagent.core.past import Span
from tests.core.test_why import NOW, STANDING, at, window

DAY = Span(first_at=at("00:00"), last_at=at("23:59"), is_day=True)


def test_a_day_with_several_runs() -> None:
    """How many ended how, and when those were that did not succeed."""
    hours = [window(WindowState.SUCCEEDED, expected_at=at(f"0{hour}:30")) for hour in range(3)]
    lost = [window(WindowState.GIVEN_UP, expected_at=at(f"0{hour}:30")) for hour in range(3, 8)]
    gap = replace(
        window(WindowState.MISSED),
        expected_at=at("2026-03-28 23:30"),
        expected_to=at("11:30"),
        count=5,
    )
    cases = [Case(standing=STANDING, window=each) for each in (gap, *hours, *lost)]
    day = day_sentence(STANDING, cases, DAY, NOW, UTC)

    assert (
        "disk-alert/daily had these runs on Sun 2026-03-29: 3 completed, 5 given up (03:30, 04:30,"
        " 05:30 and 2 more), 5 missed (Sat 23:30 to 11:30)."
    ) == day


def test_runs_by_hand_and_a_minute() -> None:
    """Who ran it by hand counts too; a minute is named as such, and its runs to the second."""
    attempt = Attempt(
        id=1,
        number=1,
        kind=AttemptKind.MANUAL,
        started_at=at("07:30:20"),
        ended_at=None,
        verdict=None,
        words="",
        said="",
    )
    by_hand = Case(standing=STANDING, attempt=attempt, attempts=(attempt,))
    planned = Case(standing=STANDING, window=window(WindowState.MISSED, expected_at=at("07:30:40")))
    minute = Span(first_at=at("07:30"), last_at=at("07:30:59"))

    assert (
        "disk-alert/daily had these runs at 07:30: 1 missed (07:30:40), 1 by hand (07:30:20)."
    ) == day_sentence(STANDING, [planned, by_hand], minute, NOW, UTC)
