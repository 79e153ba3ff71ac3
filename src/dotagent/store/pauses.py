"""Pauses and skips: a person's say that what falls due before an instant is not run.

Rows only; what follows for windows is planning's (``store/plan.py``) and what a person may ask is
``store/say.py``'s. Invariant: every row has an end (product §9).
"""

from __future__ import annotations

from sqlite3 import Row

from dotagent.core.ending import Ending
from dotagent.store.database import Tx

PAUSE, SKIP = "pause", "skip"
IN_TIME = "its time was over"

_OPEN = "SELECT * FROM pauses WHERE agent = ? AND schedule IN ('', ?) AND ended_at IS NULL"


def add(
    tx: Tx, *, agent: str, schedule: str, kind: str, from_at: int, until_at: int, by: str, why: str
) -> int:
    """A new one; its id."""
    return tx.run(
        "INSERT INTO pauses (agent, schedule, kind, from_at, until_at, by, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        agent,
        schedule,
        kind,
        from_at,
        until_at,
        by,
        why,
    )


def end(tx: Tx, at: int, pause_id: int, why: str) -> None:
    tx.run("UPDATE pauses SET ended_at = ?, ended_why = ? WHERE id = ?", at, why, pause_id)


def open_of(tx: Tx, agent: str, schedule: str) -> list[Row]:
    """Those that a schedule is under, its agent's included, in order."""
    return tx.all(f"{_OPEN} ORDER BY id", agent, schedule)


def said(tx: Tx, agent: str, schedule: str, at: int) -> str | None:
    """Who wants nothing run at this instant, and why; None where nobody does."""
    row = tx.one(f"{_OPEN} AND until_at > ? ORDER BY id LIMIT 1", agent, schedule, at)
    if row is None:
        return None
    how = Ending.PAUSED if row["kind"] == PAUSE else Ending.ASKED
    return f"{how} {row['by']}: {row['reason']}"


def is_paused(tx: Tx, agent: str, schedule: str, at: int) -> bool:
    """Whether it is paused at this instant; a skip is no pause."""
    return any(
        row["kind"] == PAUSE and row["until_at"] > at for row in open_of(tx, agent, schedule)
    )


def over(tx: Tx, now: int) -> list[Row]:
    """Those whose end has come, the earliest first."""
    return tx.all(
        "SELECT * FROM pauses WHERE until_at <= ? AND ended_at IS NULL ORDER BY until_at, id", now
    )


def schedules(tx: Tx, pause: Row) -> list[Row]:
    """The schedules under a pause that are still wanted."""
    return tx.all(
        "SELECT * FROM schedules WHERE agent = ?1 AND (?2 = '' OR id = ?2) AND gone_at IS NULL",
        pause["agent"],
        pause["schedule"],
    )


def forget_skips(tx: Tx, now: int, agent: str, schedule: str) -> None:
    """The schedule has other runs now: which one was meant is not known any more."""
    tx.run(
        "UPDATE pauses SET ended_at = ?, ended_why = 'the schedule was changed'"
        " WHERE agent = ? AND schedule = ? AND kind = 'skip' AND ended_at IS NULL",
        now,
        agent,
        schedule,
    )


def next_wake(tx: Tx) -> int | None:
    """When the next one ends."""
    at: int | None = tx.value("SELECT min(until_at) FROM pauses WHERE ended_at IS NULL")
    return at
