"""What plugins are told of, and who still waits for one. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Row

from dotagent.store.database import Reader

_TOLD = "a.id, a.agent, a.number, h.id || '-' || a.id AS marker"
_WAITS = (
    "d.driver = 'plugin' AND d.state IN ('pending', 'sending')"
    " AND (d.notifier GLOB 'on_success:*' OR d.tries = 0 OR (d.tries = 1 AND d.state = 'sending'))"
)
"""A sink waits for the output until it is done. A message says what it says without: one that is
tried for a day, for its plugin is missing, keeps no folder for so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An attempt that a plugin is told of."""

    attempt_id: int
    agent: str
    number: int
    marker: str


def _told(row: Row) -> Told:
    return Told(
        attempt_id=row["id"], agent=row["agent"], number=row["number"], marker=row["marker"]
    )


def told(reader: Reader, event_seq: int) -> Told | None:
    """The attempt that an event came of, if it came of one."""
    row = reader.execute(
        f"SELECT {_TOLD} FROM events e JOIN attempts a ON a.id = e.attempt_id JOIN home h"
        " WHERE e.seq = ?",
        (event_seq,),
    ).fetchone()
    return None if row is None else _told(row)


def awaited(reader: Reader) -> list[Told]:
    """The attempts whose folders a plugin still needs."""
    rows = reader.execute(
        f"SELECT DISTINCT {_TOLD} FROM deliveries d JOIN events e ON e.seq = d.event_seq"
        f" JOIN attempts a ON a.id = e.attempt_id JOIN home h WHERE {_WAITS}"
    )
    return [_told(row) for row in rows]


def is_awaited(reader: Reader, attempt_id: int) -> bool:
    """Whether a plugin still needs the folder of this attempt, or it has not ended."""
    found = reader.execute(
        "SELECT EXISTS (SELECT 1 FROM attempts WHERE id = ?1 AND ended_at IS NULL) OR EXISTS"
        " (SELECT 1 FROM events e JOIN deliveries d ON d.event_seq = e.seq"
        f" WHERE e.attempt_id = ?1 AND {_WAITS})",
        (attempt_id,),
    )
    return bool(found.fetchone()[0])
