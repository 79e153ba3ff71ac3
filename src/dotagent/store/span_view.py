"""When nobody acted on schedules: the recorded spans, and since the last sign of life.

Look-ups on a reading connection; ``spans`` writes them.
"""

from __future__ import annotations

from dataclasses import replace

from dotagent.core.case import Away
from dotagent.store.reading import Reader

EARLIER_SPANS = 50
"""So far back the beginning of an absence is looked for that only commands interrupted."""
PLANNING = ("daemon", "tick")
"""Roles of holders that start what schedules want."""


def away(reader: Reader, from_at: int, now: int, actor: str | None) -> list[Away]:
    """When, since ``from_at``, no schedule was acted on; where nobody is at it now, up to now.

    Two spans between which only a command held the home, which plans nothing, are one."""
    rows = reader.execute(
        "SELECT * FROM (SELECT * FROM spans WHERE to_at < ?1 ORDER BY to_at DESC LIMIT ?2)"
        " UNION ALL SELECT * FROM spans WHERE to_at >= ?1 ORDER BY from_at",
        (from_at, EARLIER_SPANS),
    ).fetchall()
    found = [Away(from_at=row["from_at"], to_at=row["to_at"], why=row["why"]) for row in rows]
    if actor not in PLANNING and (last := _last_sign(reader)) is not None:
        found.append(Away(from_at=last, to_at=now, why="dotagent was not running"))
    merged: list[Away] = []
    for each in found:
        if merged and not _planned_between(reader, merged[-1].to_at, each.from_at):
            merged[-1] = replace(merged[-1], to_at=each.to_at)
        else:
            merged.append(each)
    return [each for each in merged if each.to_at >= from_at]


def _last_sign(reader: Reader) -> int | None:
    """When the last holder ended, or, where it crashed, was last known to act."""
    row = reader.execute("SELECT * FROM holders ORDER BY epoch DESC LIMIT 1").fetchone()
    if row is None or row["ended_at"] is not None:
        return None if row is None else int(row["ended_at"])
    last = reader.execute(
        "SELECT max(coalesce((SELECT max(at) FROM events), 0),"
        " coalesce((SELECT max(claimed_at) FROM attempts), 0))"
    ).fetchone()[0]
    return max(int(row["began_at"]), int(last))


def _planned_between(reader: Reader, from_at: int, to_at: int) -> bool:
    """Whether somebody planned between two spans: who began then, or was there all the time."""
    roles = ", ".join(f"'{role}'" for role in PLANNING)
    return bool(
        reader.execute(
            f"SELECT 1 FROM holders WHERE role IN ({roles}) AND began_at <= ?2"
            " AND coalesce(ended_at, ?2) >= ?1 AND (began_at >= ?1 OR coalesce(ended_at, ?2) > ?1)"
            " LIMIT 1",
            (from_at, to_at),
        ).fetchone()
    )
