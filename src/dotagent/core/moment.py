"""An instant in words, as a person would say it now."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo


def local(at: int, zone: tzinfo) -> datetime:
    """The instant on that zone's wall."""
    return datetime.fromtimestamp(at / 1000, zone)


def clock(at: int, now: int, zone: tzinfo) -> str:
    """``14:35`` today, ``Mon 14:35`` within a week, ``2026-03-29 14:35`` otherwise; seconds only
    where the minute would hide what is meant (an instant that is not on a full minute, near)."""
    then, today = local(at, zone), local(now, zone)
    near = abs(at - now) < 600_000 and then.second
    time = then.strftime("%H:%M:%S" if near else "%H:%M")
    if then.date() == today.date():
        return time
    if abs(then.date() - today.date()) < timedelta(days=7):
        return f"{then:%a} {time}"
    return f"{then:%Y-%m-%d} {time}"


def between(first_at: int, last_at: int, now: int, zone: tzinfo, word: str = " to ") -> str:
    """``08:30 to 14:35``; with seconds where the minute would make nothing of it, and one instant
    alone where they do not help either."""
    first, last = clock(first_at, now, zone), clock(last_at, now, zone)
    if first == last and first.count(":") == 1:
        first, last = (f"{first}:{local(at, zone):%S}" for at in (first_at, last_at))
    return first if first == last else f"{first}{word}{last}"


def when(at: int, now: int, zone: tzinfo) -> str:
    """The same as part of a sentence: ``at 14:35``, ``on Mon 14:35``, ``on 2026-03-29 14:35``."""
    said = clock(at, now, zone)
    return f"on {said}" if " " in said else f"at {said}"


def zone_name(at: int, zone: tzinfo) -> str:
    """``Europe/Berlin``; of a zone that has no name, its letters or its distance from UTC."""
    return str(getattr(zone, "key", None) or local(at, zone).strftime("%Z") or zone)


_WALL = len("2026-05-19T14:30:01")


def stamp(at: int, zone: tzinfo) -> str:
    """ISO 8601 without a colon in the offset, as in every file of dotagent 0.1.x."""
    text = local(at, zone).isoformat(timespec="seconds")
    return text[:_WALL] + text[_WALL:].replace(":", "")
