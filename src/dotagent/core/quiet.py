"""Quiet hours: until when a message to one notifier is held (product §6). Pure.

They run from the first time the wall shows ``from`` to the first time after that it shows ``to``,
in the machine's zone. Invariant: what is held is held for less than two days, and ``to`` is reached
also where the clock skips it.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo

from dotagent.core.manifest_notifier import QuietHours
from dotagent.core.model import SEVERITY, Kind, Severity
from dotagent.core.moment import local

HELD_MOST_MS = 2 * 24 * 3_600_000
"""No quiet hours are longer, whatever the clock does in them."""

REASON = "quiet hours"


def held_until(quiet: QuietHours | None, kind: Kind, now: int, zone: tzinfo) -> int | None:
    """When a message about ``kind`` may go; None where it may go now."""
    if quiet is None or not _waits(quiet, kind):
        return None
    today = local(now, zone).date()
    for day in (today - timedelta(days=1), today):
        ends_on = day if quiet.from_minute < quiet.to_minute else day + timedelta(days=1)
        ends_at = _instant(ends_on, quiet.to_minute, zone)
        if _instant(day, quiet.from_minute, zone) <= now < ends_at:
            return ends_at
    return None


def _waits(quiet: QuietHours, kind: Kind) -> bool:
    """Without ``events`` all waits but what is critical; a reminder that something still fails
    tells nothing that could not wait until the morning."""
    if quiet.events:
        return kind in quiet.events
    return SEVERITY[kind] is not Severity.CRITICAL or kind is Kind.STILL_FAILING


def _instant(day: date, minute: int, zone: tzinfo) -> int:
    """The first instant of that day at which the wall shows that minute, or a later one where a
    change of the clock skips it."""
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    at = round(wall.replace(tzinfo=zone).timestamp() * 1000)
    # Of a time that is skipped, fold=1 names an instant before the gap (PEP 495).
    before = round(wall.replace(tzinfo=zone, fold=1).timestamp() * 1000)
    if before >= at:
        return at
    while local(before, zone).replace(tzinfo=None) < wall:
        before += 60_000
    return before
