"""Sleep, steps of the clock and being held up, told from three clocks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.passage import (
    ASLEEP,
    HELD_UP,
    SET_FORWARD,
    SLACK_MS,
    Look,
    Passage,
    Span,
    passage,
)
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS, at

BEFORE = Look(wall_at=at("2026-03-28T22:00:00Z"), awake_ms=5_000, always_ms=9_000)


def after(awake_ms: int, slept_ms: int = 0, stepped_ms: int = 0) -> Look:
    return Look(
        wall_at=BEFORE.wall_at + awake_ms + slept_ms + stepped_ms,
        awake_ms=BEFORE.awake_ms + awake_ms,
        always_ms=BEFORE.always_ms + awake_ms + slept_ms,
    )


def test_nothing_happened() -> None:
    """Time passed, and a clock drifted a little."""
    assert Passage(stepped_ms=0, spans=()) == passage(BEFORE, after(HOUR_MS, stepped_ms=1_500))


def test_a_night() -> None:
    """An hour awake, then asleep until now: the sleep is the end of it."""
    look = after(HOUR_MS, slept_ms=8 * HOUR_MS)
    night = Span(from_at=BEFORE.wall_at + HOUR_MS, to_at=look.wall_at, why=ASLEEP)

    assert Passage(stepped_ms=0, spans=(night,)) == passage(BEFORE, look)


@pytest.mark.parametrize("step", [2 * HOUR_MS, 730 * DAY_MS])
def test_set_forward(step: int) -> None:
    """What the wall clock jumped over never was: nothing could be started in it."""
    look = after(MINUTE_MS, stepped_ms=step)
    jumped = Span(from_at=BEFORE.wall_at + MINUTE_MS, to_at=look.wall_at, why=SET_FORWARD)

    assert Passage(stepped_ms=step, spans=(jumped,)) == passage(BEFORE, look)


def test_set_back() -> None:
    """A step back is a step; there is no time in which nothing could be started."""
    found = passage(BEFORE, after(MINUTE_MS, stepped_ms=-2 * HOUR_MS))

    assert Passage(stepped_ms=-2 * HOUR_MS, spans=()) == found


def test_asleep_and_then_corrected() -> None:
    """A machine that wakes with a wrong clock and sets it: both, one after the other."""
    found = passage(BEFORE, after(0, slept_ms=HOUR_MS, stepped_ms=MINUTE_MS))

    assert [SET_FORWARD, ASLEEP] == [
        each.why for each in sorted(found.spans, key=lambda s: s.to_at)
    ]
    assert MINUTE_MS == found.stepped_ms


def test_held_up() -> None:
    """A process that was stopped, or hung in the kernel, for more than a minute past its time."""
    look = after(HOUR_MS)
    due_at = BEFORE.wall_at + 10 * MINUTE_MS
    span = Span(from_at=due_at, to_at=look.wall_at, why=HELD_UP)

    assert (span,) == passage(BEFORE, look, due_at).spans
    assert () == passage(BEFORE, look, look.wall_at - MINUTE_MS).spans
    assert [ASLEEP] == [
        each.why for each in passage(BEFORE, after(0, slept_ms=HOUR_MS), due_at).spans
    ]


@given(
    awake=st.integers(0, DAY_MS),
    slept=st.just(0) | st.integers(SLACK_MS + 1, 30 * DAY_MS),
    stepped=st.just(0) | st.integers(-900 * DAY_MS, 900 * DAY_MS),
    due=st.none() | st.integers(-DAY_MS, DAY_MS),
)
def test_spans_lie_in_the_past_and_apart(
    awake: int, slept: int, stepped: int, due: int | None
) -> None:
    """Whatever happened: no span begins after it ends or ends after now, and none overlap."""
    look = after(awake, slept, stepped)
    due_at = None if due is None else BEFORE.wall_at + due
    spans = sorted(passage(BEFORE, look, due_at).spans, key=lambda span: span.from_at)

    assert all(span.from_at < span.to_at <= look.wall_at for span in spans)
    assert all(one.to_at <= two.from_at for one, two in pairwise(spans))
    assert (slept > 0) == any(span.why == ASLEEP for span in spans)
