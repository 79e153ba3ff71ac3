"""Absences: kept until what was caught up after them has settled, and then told once.

Invariant: an absence is told of what fell due before its end, and waits for nothing else: a
schedule that is behind for a reason of its own never holds it up.
"""

from __future__ import annotations

import json
from sqlite3 import Row

from dotagent.core import away, events
from dotagent.core.away import CaughtUp, Missed
from dotagent.core.model import Kind, WindowState
from dotagent.store import facts
from dotagent.store.actor import Actor
from dotagent.store.database import Tx
from dotagent.store.tell import tell

_ABSENCE = "away"
"""The absence that was not told of yet: from and to, as JSON."""


def over(tx: Tx, from_at: int, to_at: int) -> None:
    """Back again. An earlier absence that was not told of yet is part of this one."""
    known = _untold(tx)
    if known is not None:
        from_at = min(from_at, known[0])
    facts.remember(tx, _ABSENCE, json.dumps([from_at, to_at]))


def needs(tx: Tx, closed_at: int) -> bool:
    """Whether an absence that was not told of yet may still count a window that ended then."""
    known = _untold(tx)
    return known is not None and closed_at >= known[1]


def _untold(tx: Tx) -> tuple[int, int] | None:
    """From and to."""
    known = facts.recall(tx, _ABSENCE)
    if not known:
        return None
    from_at, to_at = json.loads(known)
    return from_at, to_at


def settle(tx: Tx, actor: Actor, now: int) -> set[str]:
    """Tell of an absence once all that it made late has settled. Returns destinations with
    something to send."""
    known = _untold(tx)
    if known is None:
        return set()
    from_at, to_at = known
    if tx.value(_CATCHING_UP, to_at):
        return set()
    facts.remember(tx, _ABSENCE, "")
    runs = [_caught_up(tx, row) for row in tx.all(_LATE, to_at)]
    missed = [Missed(name=_name(tx, row), count=row["count"]) for row in tx.all(_MISSED, to_at)]
    line = away.line(from_at, to_at, runs, missed, now, actor.zone)
    if line is None:
        return set()
    return tell(tx, actor, now, [events.of_system(Kind.AWAY_SUMMARY, now, line)])


# When the first of all those that a window stands in for fell due, else the window itself: the row
# of its gap is the one before it.
_FIRST_AT = """
coalesce((SELECT o.expected_at FROM windows o WHERE w.caught_up > 0 AND o.agent = w.agent
  AND o.schedule = w.schedule AND o.plan_epoch = w.plan_epoch AND o.expected_at < w.expected_at
  ORDER BY o.expected_at DESC LIMIT 1), w.expected_at)
"""
# What is held back by a vanished root has no next try, and is not waited for.
_CATCHING_UP = f"""
SELECT 1 FROM windows w WHERE (late = 1 OR caught_up > 0) AND planned_at >= ?1
AND (state = 'running' OR (state = 'waiting' AND next_at IS NOT NULL)) AND {_FIRST_AT} <= ?1
LIMIT 1
"""
_LATE = f"""
SELECT w.*, s.stale_after_ms, {_FIRST_AT} AS first_at FROM windows w INDEXED BY windows_late
JOIN schedules s ON s.agent = w.agent AND s.id = w.schedule
WHERE (w.late = 1 OR w.caught_up > 0) AND w.planned_at >= ?1 AND w.closed_at IS NOT NULL
AND {_FIRST_AT} <= ?1 ORDER BY w.id
"""
_MISSED = """
SELECT agent, schedule, sum(count) AS count FROM windows INDEXED BY windows_closed
WHERE closed_at >= ?1 AND expected_at <= ?1 AND state = 'missed' AND late = 0 AND caught_up = 0
GROUP BY agent, schedule ORDER BY agent, schedule
"""


def _caught_up(tx: Tx, window: Row) -> CaughtUp:
    return CaughtUp(
        name=_name(tx, window),
        state=WindowState(window["state"]),
        older=window["caught_up"],
        late_ms=window["planned_at"] - window["first_at"],
        tolerance_ms=window["stale_after_ms"],
    )


def _name(tx: Tx, row: Row) -> str:
    """The agent alone, where it has one schedule only."""
    known = "SELECT count(*) FROM schedules WHERE agent = ? AND gone_at IS NULL"
    alone = tx.value(known, row["agent"]) == 1
    return str(row["agent"]) if alone else f"{row['agent']}/{row['schedule']}"
