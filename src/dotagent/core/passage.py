"""What happened to time between two looks at the clocks: the machine slept, or its clock was set.

Pure. Three clocks tell: the wall's, one that counts only while the machine is awake, and one that
counts always; a step is where the wall went another way than the last of these.
"""

from __future__ import annotations

from dataclasses import dataclass

SLACK_MS = 2_000
"""Clocks drift, and a look takes its time: less than this is neither sleep nor step."""

ASLEEP = "the machine slept"
SET_FORWARD = "the clock was set forward"
HELD_UP = "dotagent was held up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The three clocks at one moment. ``awake_ms`` stands still while the machine sleeps."""

    wall_at: int
    awake_ms: int
    always_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time in which nothing could be started, and why."""

    from_at: int
    to_at: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """``stepped_ms``: how far the wall clock was set, backward below zero; 0 if it was not."""

    stepped_ms: int
    spans: tuple[Span, ...]


def passage(before: Look, after: Look, due_at: int | None = None, late_ms: int = 60_000) -> Passage:
    """What lies between two looks. A sleep and a step forward end with the second look: the kernel
    wakes us at once. ``due_at``: when we had meant to look again; more than ``late_ms`` later,
    without a sleep or a step that says why, something else held us up."""
    always_ms = after.always_ms - before.always_ms
    slept_ms = always_ms - (after.awake_ms - before.awake_ms)
    stepped_ms = after.wall_at - before.wall_at - always_ms
    spans = []
    to_at = after.wall_at
    if slept_ms > SLACK_MS:
        spans.append(Span(from_at=to_at - slept_ms, to_at=to_at, why=ASLEEP))
    if stepped_ms > SLACK_MS:
        to_at -= max(slept_ms, 0) if slept_ms > SLACK_MS else 0
        spans.append(Span(from_at=to_at - stepped_ms, to_at=to_at, why=SET_FORWARD))
    stepped_ms = stepped_ms if abs(stepped_ms) > SLACK_MS else 0
    if due_at is not None and not spans and not stepped_ms:
        from_at = max(due_at, before.wall_at)
        if after.wall_at - from_at > late_ms:
            spans.append(Span(from_at=from_at, to_at=after.wall_at, why=HELD_UP))
    return Passage(stepped_ms=stepped_ms, spans=tuple(spans))
