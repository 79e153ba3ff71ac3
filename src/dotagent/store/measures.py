"""What the store says for metrics: counts that only grow, and how things stand now.

Read when somebody asks, never kept. Invariant: what is read is bounded by what there is (agents,
channels, what waits), not by how long the home has existed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dotagent.store.due import NEXT_RUN_AT
from dotagent.store.reading import IN_USE, Reader

MOST = 2_000
"""Schedules that are shown one by one. A home with more is counted as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleNow:
    """One schedule that is there, as it stands. Instants are None where there is none yet."""

    agent: str
    schedule: str
    health: str
    last_ended_at: int | None
    last_success_at: int | None
    next_due_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """``attempts``: by agent, schedule and verdict, and how long they took; ``messages`` by driver
    and state, ``sends`` by driver and outcome; ``waiting`` messages by driver, with the oldest."""

    schedules: tuple[ScheduleNow, ...]
    unlisted: int
    attempts: Mapping[tuple[str, ...], tuple[int, int]]
    messages: Mapping[tuple[str, ...], int]
    sends: Mapping[tuple[str, ...], tuple[int, int]]
    waiting: Mapping[str, tuple[int, int]]
    counts: Mapping[str, int]
    began_at: int


_COUNTS = {
    "agents": "SELECT count(*) FROM agents WHERE gone_at IS NULL",
    "running": "SELECT count(*) FROM attempts WHERE ended_at IS NULL",
    "windows": "SELECT count(*) FROM windows WHERE state = 'waiting'",
    "outages": "SELECT count(*) FROM outages WHERE closed_at IS NULL",
    "parked": f"SELECT count(*) FROM destinations WHERE parked_at IS NOT NULL AND {IN_USE}",
    "manifests": "SELECT count(*) FROM manifests WHERE fatal",
    "troubles": "SELECT count(*) FROM facts WHERE value != ''"
    " AND name IN ('config_problem', 'secrets_problem', 'audit_broken', 'deadman_problem')",
}

_SCHEDULES = (
    "SELECT s.agent, s.id, s.health, s.last_ended_at, s.last_success_at,"
    f" {NEXT_RUN_AT} AS next_due_at"
    " FROM schedules s WHERE s.gone_at IS NULL ORDER BY s.agent, s.id LIMIT ?"
)
_TALLIES = "SELECT one, two, three, count, span_ms FROM tallies WHERE what = ?"
_WAITING = (
    "SELECT driver, count(*) AS count, min(created_at) AS since_at FROM deliveries"
    " WHERE state IN ('pending', 'sending') GROUP BY driver"
)


def measures(reader: Reader) -> Measures:
    """Everything, in one snapshot."""
    reader.execute("BEGIN")
    try:
        return _measures(reader)
    finally:
        reader.execute("ROLLBACK")


def _measures(reader: Reader) -> Measures:
    schedules = tuple(
        ScheduleNow(
            agent=row["agent"],
            schedule=row["id"],
            health=row["health"],
            last_ended_at=row["last_ended_at"],
            last_success_at=row["last_success_at"],
            next_due_at=row["next_due_at"],
        )
        for row in reader.execute(_SCHEDULES, (MOST,))
    )
    total = reader.execute("SELECT count(*) FROM schedules WHERE gone_at IS NULL").fetchone()[0]
    listed = {(each.agent, each.schedule) for each in schedules}
    attempts: dict[tuple[str, ...], tuple[int, int]] = {
        (row["one"], row["two"], row["three"]): (row["count"], row["span_ms"])
        for row in reader.execute(_TALLIES, ("attempt",))
        if (row["one"], row["two"]) in listed
    }
    began = reader.execute("SELECT began_at FROM holders ORDER BY epoch DESC LIMIT 1").fetchone()
    return Measures(
        schedules=schedules,
        unlisted=total - len(schedules),
        attempts=attempts,
        messages={
            (row["one"], row["two"]): row["count"] for row in reader.execute(_TALLIES, ("message",))
        },
        sends={
            (row["one"], row["two"]): (row["count"], row["span_ms"])
            for row in reader.execute(_TALLIES, ("send",))
        },
        waiting={
            row["driver"]: (row["count"], row["since_at"]) for row in reader.execute(_WAITING)
        },
        counts={name: reader.execute(sql).fetchone()[0] for name, sql in _COUNTS.items()},
        began_at=0 if began is None else began["began_at"],
    )
