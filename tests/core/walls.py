"""A second opinion on calendars: strategies for expressions, and a minute-by-minute scan of a
zone's wall clock that shares nothing with the way the program looks for instants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from hypothesis import strategies as st

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(text: str) -> int:
    """Milliseconds of an ISO instant that names its offset."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


def shown(instant: int | None, zone: tzinfo) -> str:
    """The wall time of an instant, with its offset."""
    if instant is None:
        return "never"
    return (_EPOCH + timedelta(milliseconds=instant)).astimezone(zone).isoformat(timespec="minutes")


@dataclass(frozen=True)
class Fields:
    """An expression beside the values it stands for, worked out by whoever made it up."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    every_hour: bool
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    both_days: bool

    def names(self, wall: datetime) -> bool:
        if wall.minute not in self.minutes or wall.hour not in self.hours:
            return False
        day, weekday = wall.day in self.days, wall.isoweekday() % 7 in self.weekdays
        fits = (day and weekday) if self.both_days else (day or weekday)
        return fits and wall.month in self.months


def scan(zone: tzinfo, first: int, last: int) -> list[tuple[int, datetime]]:
    """Every full minute from ``first`` to ``last`` with its wall time."""
    minutes = range(first - first % MINUTE_MS, last + 1, MINUTE_MS)
    start = _EPOCH + timedelta(milliseconds=minutes[0])
    return [
        (instant, (start + timedelta(minutes=n)).astimezone(zone).replace(tzinfo=None, fold=0))
        for n, instant in enumerate(minutes)
    ]


def expected(fields: Fields, minutes: list[tuple[int, datetime]], first: int) -> list[int]:
    """The instants from ``first`` on, by the letter of product §7. ``minutes`` begin a day and
    more before ``first``, so that a wall time that repeats is known as such."""
    found: list[int] = []
    high = minutes[0][1]
    for instant, wall in minutes[1:]:
        if fields.every_hour or wall == high + _MINUTE:
            fires = fields.names(wall)
        else:
            jumped = (high + timedelta(minutes=n) for n in range(1, (wall - high) // _MINUTE + 1))
            fires = any(fields.names(passed) for passed in jumped)
        high = max(high, wall)
        if fires and instant >= first:
            found.append(instant)
    return found


_MINUTE = timedelta(minutes=1)


@st.composite
def _field(draw: st.DrawFn, low: int, high: int, full: int) -> tuple[str, frozenset[int], bool]:
    """A field's text, its values, and whether it has a ``*`` or a step. ``full`` is the last value
    that is not another name of the first."""
    form = draw(st.sampled_from(["star", "step", "range", "list", "stepped range"]))
    if form == "star":
        return "*", frozenset(range(low, full + 1)), True
    step = draw(st.integers(1, full))
    if form == "step":
        return (
            f"*/{step}",
            frozenset(v % (full + 1) or low for v in range(low, high + 1, step)),
            True,
        )
    if form == "list":
        values = draw(st.lists(st.integers(low, full), min_size=1, max_size=4))
        return ",".join(map(str, values)), frozenset(values), False
    begin, end = sorted((draw(st.integers(low, full)), draw(st.integers(low, full))))
    if form == "range":
        return f"{begin}-{end}", frozenset(range(begin, end + 1)), False
    return f"{begin}-{end}/{step}", frozenset(range(begin, end + 1, step)), 1 < step <= end - begin


@st.composite
def expressions(draw: st.DrawFn, *, any_date: bool = False) -> Fields:
    """Any five-field expression; with ``any_date`` one that can come on every day."""
    minute, minutes, _ = draw(_field(0, 59, 59))
    hour, hours, every_hour = draw(_field(0, 23, 23))
    day, days, _ = ("*", frozenset(range(1, 32)), True) if any_date else draw(_field(1, 31, 31))
    month, months, _ = ("*", frozenset(range(1, 13)), 0) if any_date else draw(_field(1, 12, 12))
    week, weekdays, _ = ("*", frozenset(range(7)), True) if any_date else draw(_field(0, 7, 6))
    return Fields(
        text=f"{minute} {hour} {day} {month} {week}",
        minutes=minutes,
        hours=hours,
        every_hour=every_hour or len(hours) == 24,
        days=days,
        months=months,
        weekdays=weekdays,
        both_days=day.startswith("*") or week.startswith("*"),
    )
