"""What each schedule has before it: for ``next``. Nothing here writes or decides."""

from __future__ import annotations

import json

from dotagent.core.agenda import Coming
from dotagent.core.when import from_definition
from dotagent.store.due import MOST_ATTEMPTS
from dotagent.store.reading import Reader

# A live window that runs has no next try.
_COMING = f"""
SELECT s.agent, s.id, s.definition, s.anchor_at, s.next_due_at, s.planned_through,
       s.planned_as IS NOT NULL OR s.was_away AS anew,
       w.expected_at, w.next_at, w.attempts, w.state, {MOST_ATTEMPTS} AS most, a.id AS attempt,
       (SELECT json_group_array(json_array(until_at, kind, by, reason)) FROM
         (SELECT * FROM pauses p WHERE p.agent = s.agent AND p.schedule IN ('', s.id)
          AND p.ended_at IS NULL ORDER BY p.id)) AS words
FROM schedules s
LEFT JOIN windows w ON w.agent = s.agent AND w.schedule = s.id
                   AND w.state IN ('waiting', 'running')
LEFT JOIN attempts a ON a.agent = s.agent AND a.schedule = s.id AND a.ended_at IS NULL
WHERE s.gone_at IS NULL AND s.held_at IS NULL AND (?1 IS NULL OR s.agent = ?1)
  AND (?2 IS NULL OR s.id = ?2)
ORDER BY s.agent, s.id
"""


def coming(reader: Reader, agent: str | None = None, schedule: str | None = None) -> list[Coming]:
    """All that is scheduled, or one agent's, or one schedule. What nobody has planned yet has no
    time."""
    found = []
    for row in reader.execute(_COMING, (agent, schedule)):
        is_planned = row["planned_through"] is not None
        found.append(
            Coming(
                agent=row["agent"],
                schedule=row["id"],
                when=from_definition(row["definition"]),
                anchor_at=row["anchor_at"],
                due_at=row["next_due_at"] if is_planned else None,
                through=None if row["anew"] else row["planned_through"],
                expected_at=row["expected_at"],
                try_at=row["next_at"] if row["state"] == "waiting" else None,
                attempt=(row["attempts"] or 0) + 1,
                most=row["most"],
                running=row["attempt"] is not None,
                words=tuple(_word(*word) for word in json.loads(row["words"])),
            )
        )
    return found


def _word(until_at: int, kind: str, by: str, reason: str) -> tuple[int, str]:
    how = "paused" if kind == "pause" else "asked for"
    return until_at, f"{how} by {by}: {reason}"


def held(reader: Reader, agent: str | None = None) -> int:
    """How many schedules wait for a folder that has vanished."""
    found = reader.execute(
        "SELECT count(*) FROM schedules WHERE held_at IS NOT NULL AND (?1 IS NULL OR agent = ?1)",
        (agent,),
    ).fetchone()
    return int(found[0])


def busy(reader: Reader) -> int:
    """How many attempts run now."""
    found = reader.execute("SELECT count(*) FROM attempts WHERE ended_at IS NULL").fetchone()
    return int(found[0])
