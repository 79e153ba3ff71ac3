"""What a person means by ``18:00``, ``tomorrow``, ``monday 08:30``, ``2026-12-24``: an instant to
come. The counterpart of ``core/past.py``; pure, zone and time are arguments.

Invariant: a wall time that comes twice means its first coming, one that is skipped the end of the
gap, as for schedules (product §7).
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo

from dotagent.core import past
from dotagent.core.moment import local

FORMS = "18:00, tomorrow, monday 08:30, 2026-12-24 or 2026-12-24T18:00"


def instant(text: str, now: int, zone: tzinfo) -> int:
    """The next instant after now that ``text`` names; of a day without a time, its beginning.
    Raises ``ValueError`` with a sentence for who wrote it, also where it has passed."""
    try:
        at = _exact(text) or _found(" ".join(text.lower().split()), now, zone)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time to come; write {FORMS}") from error
    if at <= now:
        raise ValueError(f"{text!r} has passed already; write {FORMS}")
    return at


def _exact(text: str) -> int | None:
    """With its own offset from UTC, as ``--json`` writes an instant."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return None if found.tzinfo is None else round(found.timestamp() * 1000)


def _found(words: str, now: int, zone: tzinfo) -> int:
    day, clock = past.parts(words)
    today = local(now, zone).date()
    if not day:
        if clock is None:
            raise ValueError(words)
        at = _at(today, clock, zone)
        return at if at > now else _at(today + timedelta(days=1), clock, zone)
    wanted = _day(day, today)
    at = _at(wanted, clock or time(), zone)
    is_weekday = day in past.DAYS or day in [name[:3] for name in past.DAYS]
    return (
        _at(wanted + timedelta(days=7), clock or time(), zone) if is_weekday and at <= now else at
    )


def _day(word: str, today: date) -> date:
    if word in ("today", "tomorrow"):
        return today + timedelta(days=word == "tomorrow")
    for number, name in enumerate(past.DAYS):
        if word in (name, name[:3]):
            return today + timedelta(days=(number - today.weekday()) % 7)
    return date.fromisoformat(word)


def _at(day: date, clock: time, zone: tzinfo) -> int:
    """The first coming of this wall time. In a gap, ``fold`` 0 reads it by the old offset, which
    lies after the gap's end (PEP 495)."""
    then = datetime.combine(day, clock, zone)
    first = round(then.timestamp() * 1000)
    if local(first, zone).replace(tzinfo=None) == then.replace(tzinfo=None):
        return first
    return _end_of_gap(first, zone)


def _end_of_gap(after: int, zone: tzinfo) -> int:
    """The instant of the clock change that lies less than a day before ``after``."""
    low, high = after - 86_400_000, after
    offset = local(high, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if local(middle, zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return high
