"""Attempts are claimed before the spawn (rules R5, R6): counted, and the run lock taken.

Invariant: what runs has an open row, and no schedule has two.
"""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Row

from dotagent.core.model import AttemptKind
from dotagent.store.actor import Actor
from dotagent.store.database import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An attempt that this holder must make now."""

    attempt_id: int
    marker: str
    agent: str
    schedule_id: str
    number: int
    kind: AttemptKind
    manifest_sha256: str
    window_id: int | None = None
    expected_at: int | None = None
    request_id: int | None = None


def claim_due(tx: Tx, actor: Actor, now: int, room: int) -> list[Run]:
    """Claim up to ``room`` windows whose time has come, the longest due first; of those that are
    due equally long the one that ran longest ago, so that nobody is always the last."""
    due = tx.all(
        "SELECT w.*, a.sha256 FROM windows w JOIN agents a ON a.name = w.agent"
        " JOIN schedules s ON s.agent = w.agent AND s.id = w.schedule"
        " WHERE w.state = 'waiting' AND w.next_at <= ? AND w.deadline_at >= ? AND NOT EXISTS"
        " (SELECT 1 FROM attempts o WHERE o.agent = w.agent AND o.schedule = w.schedule"
        "  AND o.ended_at IS NULL) ORDER BY w.next_at, s.last_ended_at, w.id LIMIT ?",
        now,
        now,
        room,
    )
    runs = []
    for window in due:
        tx.run(
            "UPDATE windows SET state = 'running', attempts = attempts + 1, next_at = NULL"
            " WHERE id = ?",
            window["id"],
        )
        runs.append(
            _open(
                tx,
                actor,
                now,
                agent=window["agent"],
                schedule_id=window["schedule"],
                kind=AttemptKind.WINDOW,
                sha256=window["sha256"],
                number=window["attempts"] + 1,
                window=window,
            )
        )
    return runs


def claim_asked(
    tx: Tx,
    actor: Actor,
    now: int,
    *,
    agent: str,
    schedule_id: str,
    kind: AttemptKind,
    sha256: str,
    request_id: int,
) -> Run | None:
    """Claim an attempt that a person asked for; None while the schedule's run lock is held."""
    held = tx.value(
        "SELECT 1 FROM attempts WHERE agent = ? AND schedule = ? AND ended_at IS NULL",
        agent,
        schedule_id,
    )
    if held:
        return None
    return _open(
        tx,
        actor,
        now,
        agent=agent,
        schedule_id=schedule_id,
        kind=kind,
        sha256=sha256,
        number=1,
        request_id=request_id,
    )


def _open(
    tx: Tx,
    actor: Actor,
    now: int,
    *,
    agent: str,
    schedule_id: str,
    kind: AttemptKind,
    sha256: str,
    number: int,
    window: Row | None = None,
    request_id: int | None = None,
) -> Run:
    window_id = window["id"] if window is not None else None
    attempt_id = tx.run(
        "INSERT INTO attempts (agent, schedule, window_id, number, kind, request_id, epoch,"
        " manifest_sha256, claimed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        agent,
        schedule_id,
        window_id,
        number,
        kind,
        request_id,
        actor.epoch,
        sha256,
        now,
    )
    return Run(
        attempt_id=attempt_id,
        marker=marker(tx, attempt_id),
        agent=agent,
        schedule_id=schedule_id,
        number=number,
        kind=kind,
        manifest_sha256=sha256,
        window_id=window_id,
        expected_at=window["expected_at"] if window is not None else None,
        request_id=request_id,
    )


def marker(tx: Tx, attempt_id: int) -> str:
    """``AGENT_ATTEMPT_ID``: unique over homes, so that a crash's survivors can be found."""
    return f"{tx.value('SELECT id FROM home')}-{attempt_id}"


def spawned(
    tx: Tx, attempt_id: int, now: int, pid: int, started_ticks: int, timeout_ms: int
) -> None:
    """The child lives: remember who it is (rules R5), and how long it may take."""
    tx.run(
        "UPDATE attempts SET spawned_at = ?, pid = ?, started_ticks = ?, timeout_at = ?"
        " WHERE id = ?",
        now,
        pid,
        started_ticks,
        now + timeout_ms,
        attempt_id,
    )
    tx.run(
        "UPDATE schedules SET last_started_at = ? WHERE (agent, id) ="
        " (SELECT agent, schedule FROM attempts WHERE id = ?)",
        now,
        attempt_id,
    )
