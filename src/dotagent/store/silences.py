"""Silences in the store: made, ended by hand or by time, and what is said at their end (rules R15).

Invariant: a silence that ends while something it held back still fails says so in that commit, to
every notifier whose message it held back; of what was acknowledged nobody is reminded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Row

from dotagent.core.errors import NotFound, UsageError
from dotagent.store import outages, record
from dotagent.store.actor import Actor
from dotagent.store.database import Tx
from dotagent.store.reading import Reader


def add(
    tx: Tx, actor: Actor, now: int, *, agent: str, schedule: str | None, for_ms: int, reason: str
) -> int:
    """A new silence; its number."""
    number = tx.run(
        "INSERT INTO silences (agent, schedule, made_at, until_at, reason) VALUES (?, ?, ?, ?, ?)",
        agent,
        schedule,
        now,
        now + for_ms,
        reason,
    )
    said = {"agent": agent, "schedule": schedule, "silence": number, "seconds": for_ms // 1_000}
    record.append(tx, actor, now, "notice", "silence_added", **said, reason=reason)
    return number


def end(tx: Tx, actor: Actor, now: int, number: int, why: str) -> set[str]:
    """End one by hand. Returns destinations with something to send. Raises ``NotFound``,
    ``UsageError`` where it has ended already."""
    row = tx.one("SELECT * FROM silences WHERE id = ?", number)
    if row is None:
        raise NotFound(f"there is no silence {number}", "See: dotagent silence list")
    if row["ended_at"] is not None:
        raise UsageError(f"silence {number} has ended already ({row['ended_by']})")
    return _end(tx, actor, now, row, f"by hand: {why}" if why else "by hand")


def expire(tx: Tx, actor: Actor, now: int) -> set[str]:
    """End those whose time is over."""
    touched: set[str] = set()
    for row in tx.all("SELECT * FROM silences WHERE ended_at IS NULL AND until_at <= ?", now):
        touched |= _end(tx, actor, now, row, "its time was over")
    return touched


def _end(tx: Tx, actor: Actor, now: int, row: Row, by: str) -> set[str]:
    tx.run("UPDATE silences SET ended_at = ?, ended_by = ? WHERE id = ?", now, by, row["id"])
    names = {"agent": row["agent"], "schedule": row["schedule"], "silence": row["id"]}
    record.append(tx, actor, now, "notice", "silence_ended", **names, reason=by)
    touched: set[str] = set()
    for outage in tx.all(_STILL_OPEN, row["id"]):
        keys = [
            (held["scope"], held["notifier"])
            for held in tx.all(_HELD_BACK, row["id"], outage["id"])
        ]
        touched |= outages.speak_up(tx, actor, now, outage, keys, owed=True)
    return touched


_STILL_OPEN = """
SELECT * FROM outages WHERE closed_at IS NULL AND acked_at IS NULL AND id IN
  (SELECT e.outage_id FROM deliveries d JOIN events e ON e.seq = d.event_seq WHERE d.silence = ?)
ORDER BY id
"""
_HELD_BACK = """
SELECT DISTINCT d.scope, d.notifier FROM deliveries d JOIN events e ON e.seq = d.event_seq
WHERE d.silence = ? AND e.outage_id = ?
"""


def next_wake(tx: Tx) -> int | None:
    """When the next silence ends."""
    at: int | None = tx.value("SELECT min(until_at) FROM silences WHERE ended_at IS NULL")
    return at


# ------------------------------------------------------------------------------------------- looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A silence as it stands; ``held``: how many messages it has held back."""

    id: int
    agent: str
    schedule: str | None
    made_at: int
    until_at: int
    reason: str
    ended_at: int | None
    ended_by: str | None
    held: int


def listed(reader: Reader, *, ended: bool) -> list[Listed]:
    """All that hold, and with ``ended`` those that held before, in order."""
    return _listed(reader, "?1 OR s.ended_at IS NULL", (int(ended),))


def by_number(reader: Reader, number: int) -> Listed | None:
    """One of them."""
    found = _listed(reader, "s.id = ?1", (number,))
    return found[0] if found else None


def of_schedule(reader: Reader, agent: str, schedule: str) -> list[Listed]:
    """Those that hold back what this schedule has to say."""
    where = "s.ended_at IS NULL AND s.agent = ?1 AND (s.schedule IS NULL OR s.schedule = ?2)"
    return _listed(reader, where, (agent, schedule))


def _listed(reader: Reader, where: str, params: Sequence[str | int]) -> list[Listed]:
    rows = reader.execute(
        "SELECT s.*, (SELECT count(*) FROM deliveries d WHERE d.silence = s.id) AS held"
        f" FROM silences s WHERE {where} ORDER BY s.id",
        params,
    ).fetchall()
    return [Listed(**{name: row[name] for name in row.keys()}) for row in rows]  # noqa: SIM118
