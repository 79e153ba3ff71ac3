"""When a schedule has been without success for too long although nothing failed (rules R13): its
script says "not now" every time, or one run never ends and all others are skipped over it.

Pure. Invariant: nobody is overdue before a window that counts fell due and had its time.
"""

from __future__ import annotations

from datetime import tzinfo

from dotagent.core import schedule
from dotagent.core.planning import Plan, Sighting, started_by
from dotagent.core.when import When


def overdue_at(
    when: When,
    *,
    sound_at: int,
    watched_at: int,
    ready_at: int | None,
    stale_after_ms: int,
    anchor_at: int,
    name: str,
    zone: tzinfo,
) -> int | None:
    """The first instant at which a schedule without another success is overdue: more than one
    period and ``stale_after`` past ``sound_at``, its last success or first sight, and no earlier
    than that long past the first window after ``watched_at``, or past ``ready_at``, when one that
    was late could first be tried. ``None``: nothing falls due any more.
    """
    first = schedule.next_after(
        when, max(sound_at, watched_at), anchor_at=anchor_at, name=name, zone=zone
    )
    if first is None:
        return None
    period_ms = schedule.period_ms(when, sound_at, anchor_at=anchor_at, name=name, zone=zone)
    return started_by(max(sound_at + period_ms, first, ready_at or 0), stale_after_ms) + 1


def ready_at(sighting: Sighting, made: Plan, now: int) -> int | None:
    """When the window that this pass makes late, or in place of others, could first be tried;
    ``None`` where it makes none, or where it was only a run before it that held it up."""
    new = made.new_window
    if new is None or not (new.late or new.caught_up_count):
        return None
    is_queued = sighting.policy.overlap == "queue" and new.expected_at <= (sighting.freed_at or 0)
    return None if is_queued else now


def thawed(sound_at: int, frozen_at: int, now: int) -> int:
    """``sound_at`` after a time that does not count: paused, or held with a vanished root."""
    return sound_at + max(now - max(frozen_at, sound_at), 0)
