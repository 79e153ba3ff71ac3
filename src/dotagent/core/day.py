"""Several runs of one schedule, in a day or in a minute, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from dotagent.core.case import Case, Standing, Window
from dotagent.core.model import WindowState
from dotagent.core.moment import between, clock, local, when
from dotagent.core.past import Span

NAMES = {
    WindowState.SUCCEEDED: "completed",
    WindowState.GIVEN_UP: "given up",
    WindowState.MISSED: "missed",
    WindowState.SKIPPED: "skipped",
    WindowState.RUNNING: "running",
    WindowState.WAITING: "waiting",
}
SHOWN = 3
"""So many instants of one kind are named."""


def day_sentence(
    standing: Standing, cases: Sequence[Case], asked: Span, now: int, zone: tzinfo
) -> str:
    """How many ended how, and when those were that did not succeed; how many were run by hand."""
    windows = [case.window for case in cases if case.window is not None]
    parts = []
    for state, name in NAMES.items():
        ours = [window for window in windows if window.state is state]
        if ours:
            which = _which([_instants(window, asked.first_at, zone) for window in ours])
            shown = "" if state is WindowState.SUCCEEDED else f" {which}"
            parts.append(f"{sum(window.count for window in ours)} {name}{shown}")
    by_hand = [
        clock(case.attempt.started_at, asked.first_at, zone)
        for case in cases
        if case.attempt is not None
    ]
    if by_hand:
        parts.append(f"{len(by_hand)} by hand {_which(by_hand)}")
    day = f"on {local(asked.first_at, zone):%a %Y-%m-%d}"
    at = day if asked.is_day else when(asked.first_at, now, zone)
    return f"{standing.name} had these runs {at}: {', '.join(parts)}."


def _which(instants: Sequence[str]) -> str:
    more = f" and {len(instants) - SHOWN} more" if len(instants) > SHOWN else ""
    return f"({', '.join(instants[:SHOWN])}{more})"


def _instants(window: Window, day_at: int, zone: tzinfo) -> str:
    if window.expected_to is None or window.count == 1:
        return clock(window.expected_at, day_at, zone)
    return between(window.expected_at, window.expected_to, day_at, zone)
