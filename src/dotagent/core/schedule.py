"""Which instants a schedule has: the next one, and those that fell due in a span of time.

The zone rule is ours (product §7): a plain local time that is skipped comes at the first valid
instant after the gap and one that repeats comes once, the first time; wildcard and step hours
come in every hour that really passes. Forward and backward walks give the same instants, strictly
increasing; no answer costs more for a longer gap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import sha256
from itertools import islice, takewhile

from cronsim import CronSim, CronSimError

from dotagent.core.when import Calendar, Every, When, runs_every_real_hour, zone_named

COUNT_LIMIT = 1_000
"""A calendar's instants are counted one by one, and no further than this."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)
_NO_TIME = timedelta()

# Outside these years a calendar has no instants: dates end at 9999, and cronsim looks 50 years far.
_FIRST_AT = (datetime(100, 1, 1, tzinfo=UTC) - _EPOCH) // _MS
_LAST_AT = (datetime(9900, 1, 1, tzinfo=UTC) - _EPOCH) // _MS

# Longer than any clock change moves the wall (a day, where the date line was moved), shorter than
# the time between any two of them (a week, since 1970).
_NEAR = timedelta(hours=26)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The instants of a span: the first, the latest, how many; at least ``count`` of them where
    ``count_is_exact`` is false."""

    first_at: int
    latest_at: int
    count: int
    count_is_exact: bool


def next_after(when: When, after: int, *, anchor_at: int, name: str, zone: tzinfo) -> int | None:
    """The first instant later than ``after``; ``None`` where there is none.

    ``anchor_at`` anchors an interval's grid (its first instant is one interval later), ``name``
    (``agent/schedule``) gives the place within ``spread_ms``, ``zone`` is the machine's.
    """
    shift = spread_offset(name, when.spread_ms)
    if isinstance(when, Every):
        start = anchor_at + shift
        return start + max(1, (after - start) // when.every_ms + 1) * when.every_ms
    return next((at + shift for at in _Walls(when, zone).later_than(after - shift)), None)


def previous_before(
    when: When, before: int, *, anchor_at: int, name: str, zone: tzinfo
) -> int | None:
    """The latest instant earlier than ``before``; ``None`` where there is none."""
    shift = spread_offset(name, when.spread_ms)
    if isinstance(when, Every):
        start = anchor_at + shift
        steps = (before - 1 - start) // when.every_ms
        return start + steps * when.every_ms if steps >= 1 else None
    at = _Walls(when, zone).latest(before - 1 - shift)
    return None if at is None else at + shift


def latest_due(
    when: When, after: int, until: int, *, anchor_at: int, name: str, zone: tzinfo
) -> Due | None:
    """The instants later than ``after`` and not later than ``until``; ``None`` where none is."""
    first = next_after(when, after, anchor_at=anchor_at, name=name, zone=zone)
    if first is None or first > until:
        return None
    latest = previous_before(when, until + 1, anchor_at=anchor_at, name=name, zone=zone)
    latest = first if latest is None else latest
    if isinstance(when, Every):
        count = (latest - first) // when.every_ms + 1
        return Due(first_at=first, latest_at=latest, count=count, count_is_exact=True)
    shift = spread_offset(name, when.spread_ms)
    instants = _Walls(when, zone).later_than(after - shift)
    due = takewhile(lambda at: at + shift <= until, islice(instants, COUNT_LIMIT + 1))
    count = sum(1 for _ in due)
    return Due(
        first_at=first,
        latest_at=latest,
        count=min(count, COUNT_LIMIT),
        count_is_exact=count <= COUNT_LIMIT,
    )


def period_ms(when: When, at: int, *, anchor_at: int, name: str, zone: tzinfo) -> int:
    """From the last instant at or before ``at`` to the next one; 0 where there are no two."""
    if isinstance(when, Every):
        return when.every_ms
    before = previous_before(when, at + 1, anchor_at=anchor_at, name=name, zone=zone)
    after = next_after(when, at, anchor_at=anchor_at, name=name, zone=zone)
    return 0 if before is None or after is None else after - before


def spread_offset(name: str, spread_ms: int) -> int:
    """A stable place in ``[0, spread_ms)`` for this name, on a full second where there is room."""
    if spread_ms < 1:
        return 0
    place = int.from_bytes(sha256(name.encode()).digest()[:8]) % spread_ms
    return place - place % 1_000 if spread_ms >= 1_000 else place


class _Walls:
    """A calendar's instants by way of the wall clock.

    cronsim says which wall-clock times an expression names and nothing about zones: its own zone
    handling loses 02:00 of a step hour on Lord Howe's 30-minute change, gives the second 01:30 of
    an autumn night a time in the past, and treats ``*/15 2`` as a wildcard hour.
    """

    def __init__(self, when: Calendar, machine: tzinfo) -> None:
        self._expression = when.expression
        self._zone = machine if when.timezone is None else zone_named(when.timezone)
        self._every_hour = runs_every_real_hour(when.expression)

    def later_than(self, at: int) -> Iterator[int]:
        """Every instant after ``at``, in order.

        A wall time has up to two instants. The first ones come in the order of the walls; the
        second ones wait until no first one can come before them.
        """
        if at >= _LAST_AT:
            return
        start = _EPOCH + max(at, _FIRST_AT) * _MS
        # Where the clocks are about to go back, walls that have passed come once more.
        back = max(_NO_TIME, self._offset(start) - self._offset(start + _NEAR))
        seconds: deque[datetime] = deque()
        last = start
        for wall in self._named(self._wall(start) - back):
            first, *again = self._instants(wall) or (None,)
            if first is None:
                continue
            while seconds and seconds[0] < first:
                last = seconds.popleft()
                yield (last - _EPOCH) // _MS
            seconds.extend(instant for instant in again if instant > start)
            if first > last:
                last = first
                yield (last - _EPOCH) // _MS

    def latest(self, at: int) -> int | None:
        """The last instant at or before ``at``."""
        if at < _FIRST_AT:
            return None
        start = _EPOCH + min(at, _LAST_AT) * _MS
        # Where the clocks have just gone back, walls that are still to come have been before.
        ahead = max(_NO_TIME, self._offset(start - _NEAR) - self._offset(start))
        best: datetime | None = None
        for wall in self._named(self._wall(start) + ahead + _SECOND, reverse=True):
            instants = self._instants(wall)
            if best and instants and instants[-1] <= best:
                break
            best = max((i for i in (*instants, best) if i and i <= start), default=None)
            if best and not ahead:
                break
        return None if best is None else (best - _EPOCH) // _MS

    def _named(self, wall: datetime, *, reverse: bool = False) -> Iterator[datetime]:
        """The wall-clock times the expression names, beyond ``wall``, away from it."""
        try:
            return CronSim(self._expression, wall, reverse=reverse)
        except CronSimError:  # its own word for "no date ever fits"; all else was checked before
            return iter(())

    def _wall(self, instant: datetime) -> datetime:
        return instant.astimezone(self._zone).replace(tzinfo=None, fold=0, microsecond=0)

    def _offset(self, instant: datetime) -> timedelta:
        return instant.astimezone(self._zone).utcoffset() or _NO_TIME

    def _instants(self, wall: datetime) -> tuple[datetime, ...]:
        """When this wall time comes by the zone rule, earliest first."""
        first = wall.replace(tzinfo=self._zone).astimezone(UTC)
        second = wall.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
        if first == second:
            return (first,)
        if first < second:
            return (first, second) if self._every_hour else (first,)
        return () if self._every_hour else (self._end_of_gap(second, first, wall),)

    def _end_of_gap(self, before: datetime, after: datetime, wall: datetime) -> datetime:
        """The first instant whose wall time is past ``wall``, between these two (PEP 495)."""
        while after - before > _SECOND:
            middle = before + (after - before) // 2 // _SECOND * _SECOND
            if self._wall(middle) > wall:
                after = middle
            else:
                before = middle
        return after
