"""What a person means by ``08:30``, ``yesterday``, ``tuesday 08:30``, ``2026-03-29``: a span.

It lies in the past wherever the text leaves a choice: somebody asks why. Pure; zone and time are
arguments. Invariant: a wall time that comes twice, or not at all, in the night of a clock change
means the whole span in which a run for that time may have been planned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from dotagent.core.moment import local

FORMS = "08:30, yesterday, tuesday 08:30, 2026-03-29, 2026-03-29T08:30, or a window's number"

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_INSTANT = re.compile(r"(.+[t ].+?)(z|[+-][0-9]{2}:?[0-9]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From ``first_at`` to ``last_at``, both included. ``is_day``: no time of day was named."""

    first_at: int
    last_at: int
    is_day: bool = False


def span(text: str, now: int, zone: tzinfo) -> Span:
    """The span that ``text`` names. Raises ``ValueError`` with a sentence for who wrote it."""
    words = " ".join(text.lower().split())
    exact = _INSTANT.fullmatch(words)
    try:
        if exact is not None and _DATE.match(words):
            first = datetime.fromisoformat(words.upper())
            return _until(_at(first), _at(first), with_seconds=first.second > 0)
        day, clock = parts(words)
        if clock is None:
            wanted = _day(day, now, zone)
            midnight = datetime.combine(wanted, time(), zone)
            following = datetime.combine(wanted + timedelta(days=1), time(), zone)
            return Span(first_at=_at(midnight), last_at=_at(following) - 1, is_day=True)
        if day:
            return _moment(_day(day, now, zone), clock, zone)
        today = _moment(local(now, zone).date(), clock, zone)
        if today.first_at <= now:
            return today
        return _moment(local(now, zone).date() - timedelta(days=1), clock, zone)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time that can be looked up; write {FORMS}") from error


def parts(words: str) -> tuple[str, time | None]:
    """Day and time of day of ``words``; either may be missing, not both."""
    day, _, rest = words.replace("t", " ", 1).partition(" ") if _DATE.match(words) else ("", "", "")
    if not day:
        day, _, rest = words.rpartition(" ")
        if not _TIME.fullmatch(rest):
            day, rest = words, ""
    if not rest:
        return day, None
    found = _TIME.fullmatch(rest)
    if found is None:
        raise ValueError(rest)
    hour, minute, second = (int(part or 0) for part in found.groups())
    return day, time(hour, minute, second)


def _day(word: str, now: int, zone: tzinfo) -> date:
    today = local(now, zone).date()
    if word in ("today", "yesterday"):
        return today - timedelta(days=word == "yesterday")
    for number, name in enumerate(DAYS):
        if word in (name, name[:3]):
            return today - timedelta(days=(today.weekday() - number) % 7)
    return date.fromisoformat(word)


def _moment(day: date, clock: time, zone: tzinfo) -> Span:
    """The wall time on that day: both its passes, or the gap that swallowed it."""
    passes = [_at(datetime.combine(day, clock.replace(fold=fold), zone)) for fold in (0, 1)]
    return _until(min(passes), max(passes), with_seconds=clock.second > 0)


def _until(first_at: int, last_at: int, *, with_seconds: bool) -> Span:
    return Span(first_at=first_at, last_at=last_at + (999 if with_seconds else 59_999))


def _at(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
