"""A day with several runs, in one sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

from dotagent.core.day import day_sentence
from dotagent.core.model import WindowState
from tests.core.test_why import NOW, STANDING, at, window


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
    day = day_sentence(STANDING, [gap, *hours, *lost], at("00:00"), NOW, UTC)

    assert (
        "disk-alert/daily had these runs on Sun 2026-03-29: 3 completed, 5 given up (03:30, 04:30,"
        " 05:30 and 2 more), 5 missed (Sat 23:30 to 11:30)."
    ) == day
