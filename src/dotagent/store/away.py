"""Absences: kept until what was caught up after them has settled, and then told once."""

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
    known = facts.recall(tx, _ABSENCE)
    if known:
        from_at = min(from_at, json.loads(known)[0])
    facts.remember(tx, _ABSENCE, json.dumps([from_at, to_at]))


def settle(tx: Tx, actor: Actor, now: int) -> set[str]:
    """Tell of an absence once all that it made late has settled. Returns destinations with
    something to send."""
    known = facts.recall(tx, _ABSENCE)
    if not known:
        return set()
    from_at, to_at = json.loads(known)
    if tx.value(_CATCHING_UP, to_at):
        return set()
    facts.remember(tx, _ABSENCE, "")
    runs = [_caught_up(tx, row) for row in tx.all(_LATE, to_at)]
    missed = [Missed(name=_name(tx, row), count=row["count"]) for row in tx.all(_MISSED, to_at)]
    line = away.line(from_at, to_at, runs, missed, now, actor.zone)
    if line is None:
        return set()
    return tell(tx, actor, now, [events.of_system(Kind.AWAY_SUMMARY, now, line)])


# What is held back by a vanished root has no next try, and is not waited for.
_CATCHING_UP = """
SELECT 1 FROM windows WHERE (late = 1 OR caught_up > 0) AND planned_at >= ?
AND (state = 'running' OR (state = 'waiting' AND next_at IS NOT NULL)) LIMIT 1
"""
_LATE = """
SELECT w.*, s.stale_after_ms FROM windows w INDEXED BY windows_late
JOIN schedules s ON s.agent = w.agent AND s.id = w.schedule
WHERE (w.late = 1 OR w.caught_up > 0) AND w.planned_at >= ? AND w.closed_at IS NOT NULL
ORDER BY w.id
"""
_MISSED = """
SELECT agent, schedule, sum(count) AS count FROM windows INDEXED BY windows_closed
WHERE closed_at >= ? AND state = 'missed' AND late = 0 AND caught_up = 0 GROUP BY agent, schedule
ORDER BY agent, schedule
"""


def _caught_up(tx: Tx, window: Row) -> CaughtUp:
    first_at = window["expected_at"]
    if window["caught_up"]:
        oldest = tx.value(
            "SELECT expected_at FROM windows WHERE agent = ? AND schedule = ? AND plan_epoch = ?"
            " AND expected_at < ? ORDER BY expected_at DESC LIMIT 1",
            window["agent"],
            window["schedule"],
            window["plan_epoch"],
            first_at,
        )
        first_at = first_at if oldest is None else oldest
    return CaughtUp(
        name=_name(tx, window),
        state=WindowState(window["state"]),
        older=window["caught_up"],
        late_ms=window["planned_at"] - first_at,
        tolerance_ms=window["stale_after_ms"],
    )


def _name(tx: Tx, row: Row) -> str:
    """The agent alone, where it has one schedule only."""
    known = "SELECT count(*) FROM schedules WHERE agent = ? AND gone_at IS NULL"
    alone = tx.value(known, row["agent"]) == 1
    return str(row["agent"]) if alone else f"{row['agent']}/{row['schedule']}"
