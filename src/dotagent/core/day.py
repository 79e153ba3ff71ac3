"""A day with several runs of one schedule, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from dotagent.core.case import Standing, Window
from dotagent.core.model import WindowState
from dotagent.core.moment import clock, local


def day_sentence(
    standing: Standing, windows: Sequence[Window], first_at: int, now: int, zone: tzinfo
) -> str:
    """A day with several runs, in one sentence: how many ended how, and when those were that did
    not succeed."""
    names = {
        WindowState.SUCCEEDED: "completed",
        WindowState.GIVEN_UP: "given up",
        WindowState.MISSED: "missed",
        WindowState.SKIPPED: "skipped",
        WindowState.RUNNING: "running",
        WindowState.WAITING: "waiting",
    }
    parts = []
    for state, name in names.items():
        ours = [window for window in windows if window.state is state]
        if not ours:
            continue
        at = ", ".join(_instants(window, first_at, zone) for window in ours[:3])
        more = f" and {len(ours) - 3} more" if len(ours) > 3 else ""
        which = "" if state is WindowState.SUCCEEDED else f" ({at}{more})"
        parts.append(f"{sum(window.count for window in ours)} {name}{which}")
    day = f"{local(first_at, zone):%a %Y-%m-%d}"
    return f"{standing.name} had these runs on {day}: {', '.join(parts)}."


def _instants(window: Window, day_at: int, zone: tzinfo) -> str:
    first = clock(window.expected_at, day_at, zone)
    if window.expected_to is None or window.count == 1:
        return first
    return f"{first} to {clock(window.expected_to, day_at, zone)}"
