"""What runs next, over all schedules."""

from __future__ import annotations

from datetime import UTC
from itertools import islice
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.agenda import Coming, Entry, agenda
from dotagent.core.when import Calendar, Every
from tests.core.walls import HOUR_MS, MINUTE_MS, at

NOW = at("2026-06-03T07:30:00Z")
EIGHT = NOW + 30 * MINUTE_MS


def coming(name: str = "s", **more: Any) -> Coming:
    base: dict[str, Any] = {
        "agent": "a",
        "schedule": name,
        "when": Calendar(expression="0 * * * *"),
        "anchor_at": NOW,
        "due_at": EIGHT,
    }
    return Coming(**{**base, **more})


def first(number: int, *comings: Coming) -> list[Entry]:
    return list(islice(agenda(comings, NOW, UTC), number))


def test_in_the_order_of_time() -> None:
    """Runs of all schedules, the earliest first, and by name where they are due together."""
    half = coming("h", when=Every(every_ms=30 * MINUTE_MS), due_at=EIGHT)
    found = [(each.of.schedule, each.at - EIGHT) for each in first(5, coming(), half)]

    assert [
        ("h", 0),
        ("s", 0),
        ("h", 30 * MINUTE_MS),
        ("h", HOUR_MS),
        ("s", HOUR_MS),
    ] == found


def test_a_frequent_one_hides_no_other() -> None:
    """Once each: every schedule has its next run in the list, and its live one, and no more."""
    often = coming("o", when=Every(every_ms=MINUTE_MS), due_at=NOW + MINUTE_MS)
    live = coming("l", try_at=NOW + 2 * MINUTE_MS, attempt=2, expected_at=NOW - HOUR_MS)
    found = [each.of.schedule for each in agenda([coming(), often, live], NOW, UTC, once=True)]

    assert ["o", "l", "l", "s"] == found


def test_a_further_try_has_its_own_line() -> None:
    """A window that waits for its next try stands beside the runs to come."""
    retried = coming(try_at=NOW + MINUTE_MS, attempt=2, most=3, expected_at=NOW - HOUR_MS)
    again, regular = first(2, retried)

    assert (NOW + MINUTE_MS, NOW - HOUR_MS, 2, False) == (
        again.at,
        again.expected_at,
        again.attempt,
        again.waits,
    )
    assert EIGHT == regular.at


def test_what_is_due_waits_for_its_turn() -> None:
    """Due already and not started: it waits, the one due longest first."""
    late = coming("late", try_at=NOW - 10)
    later = coming("later", try_at=NOW)

    assert [("late", True), ("later", True), ("late", False)] == [
        (each.of.schedule, each.waits) for each in first(3, later, late)
    ]


def test_a_time_only_to_look_is_no_run() -> None:
    """Where the planner wants to look at once, the runs are still those of the schedule."""
    queued = coming(due_at=NOW - 5, through=EIGHT)
    edited = coming("edited", due_at=NOW - 5)

    assert [("edited", EIGHT), ("edited", EIGHT + HOUR_MS), ("s", EIGHT + HOUR_MS)] == [
        (each.of.schedule, each.at) for each in first(3, queued, edited)
    ]


def test_a_pause_is_shown() -> None:
    """What a person wants not to run is there, and says so, until the pause ends."""
    paused = coming(words=((EIGHT + HOUR_MS, "paused by ann: holiday"),))

    assert ["paused by ann: holiday", None] == [each.skipped for each in first(2, paused)]


def test_each_skip_has_its_own_reason() -> None:
    """Whose word it is that a run is not made, run by run."""
    skipped = coming(words=((EIGHT + 1, "ann: disk"), (EIGHT + HOUR_MS + 1, "bob: move")))

    assert ["ann: disk", "bob: move", None] == [each.skipped for each in first(3, skipped)]


def test_what_is_never_due_is_not_there() -> None:
    """A schedule that has no next run has no line; one that had its last ends there."""
    assert [] == first(3, coming(due_at=None))
    once = coming(when=Calendar(expression="0 0 30 2 *"), due_at=EIGHT)

    assert [EIGHT] == [each.at for each in first(3, once)]


@given(
    st.lists(
        st.tuples(st.integers(1, 200), st.integers(1, 500), st.none() | st.integers(-50, 50)),
        max_size=6,
    )
)
def test_nothing_is_left_out(grids: list[tuple[int, int, int | None]]) -> None:
    """Against plain counting: every instant of every grid up to a horizon, in order."""
    comings = [
        coming(
            str(number),
            when=Every(every_ms=every),
            due_at=NOW + start,
            anchor_at=NOW + start - every,
            try_at=None if tried is None else NOW + tried,
        )
        for number, (every, start, tried) in enumerate(grids)
    ]
    expected = sorted(
        [
            (NOW + start + step * every, str(number))
            for number, (every, start, _) in enumerate(grids)
            for step in range(30)
        ]
        + [
            (NOW + tried, str(number))
            for number, (_, _, tried) in enumerate(grids)
            if tried is not None
        ]
    )
    found = [(each.at, each.of.schedule) for each in first(25, *comings)]

    assert expected[: len(found)] == found
    assert bool(grids) == bool(found)
