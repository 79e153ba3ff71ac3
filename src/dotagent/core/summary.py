"""The daily summary: when it is due, and what it says (product §6, contract §14).

Invariants: once a day, whatever restarts in between; never for a day before the home was first
seen; one that is later than its grace is not sent at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from dotagent.core import health
from dotagent.core.fit import one_line
from dotagent.core.moment import local
from dotagent.core.span import count


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A schedule as the summary lists it."""

    name: str
    health: str
    reason: str


def instant(day: date, at_minute: int, zone: tzinfo) -> int:
    """When the summary of ``day`` is to go out: of a time that comes twice the first, of one that
    the clock skips the first instant after."""
    wall = datetime.combine(day, time(*divmod(at_minute, 60)), zone)
    return round(wall.timestamp() * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """``day``: the last day whose summary had its time, as ``2026-06-03``; ``send`` it now."""

    day: str
    send: bool


def due(now: int, zone: tzinfo, at_minute: int, grace_ms: int, last: str | None) -> Due | None:
    """What to remember and to do; None for nothing. ``last``: the day remembered; None in a home
    that was just made. A day further ahead than tomorrow was remembered by a wrong clock."""
    day = _latest(now, zone, at_minute)
    following = day + timedelta(days=1)
    if last is not None and day.isoformat() <= last <= following.isoformat():
        return None
    is_new = last is not None and last < day.isoformat()
    in_time = now - instant(day, at_minute, zone) <= grace_ms
    return Due(day=day.isoformat(), send=is_new and in_time)


def next_at(now: int, zone: tzinfo, at_minute: int) -> int:
    """When the next one is to go out."""
    following = _latest(now, zone, at_minute) + timedelta(days=1)
    return instant(following, at_minute, zone)


def _latest(now: int, zone: tzinfo, at_minute: int) -> date:
    today = local(now, zone).date()
    return today if instant(today, at_minute, zone) <= now else today - timedelta(days=1)


_GROUPS = (
    (health.FAILING, "❌ Failing:"),
    (health.DEGRADED, "⚠️ Degraded:"),
    (health.STALE, "🕑 Stale:"),
)
_COUNTED = (health.OK, *(word for word, _ in _GROUPS))


def text(standings: Sequence[Standing], day: str, lost: int) -> tuple[str, str]:
    """The line and what stands below it. Schedules that have nothing to show yet, or that are
    switched off, are not counted. ``lost``: messages that could not be delivered."""
    counted = [each for each in standings if each.health in _COUNTED]
    ok = sum(each.health == health.OK for each in counted)
    blocks = []
    for word, title in _GROUPS:
        blocks.append((title, [_listed(each) for each in counted if each.health == word]))
    undelivered = [f"  · {count(lost, 'message')} — see: dotagent deliveries --dead"] * (lost > 0)
    blocks.append(("✉️ Not delivered:", undelivered))
    below = [_block(title, lines) for title, lines in blocks if lines]
    return f"📊 Agents · {day}: {ok}/{len(counted)} ok", "\n\n".join(below)


def _block(title: str, lines: Iterable[str]) -> str:
    return "\n".join([title, *lines])


def _listed(standing: Standing) -> str:
    return f"  · {standing.name} — {one_line(standing.reason) or standing.health}"
