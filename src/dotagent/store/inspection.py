"""All that the record holds of one agent as it is set up: for ``dotagent inspect``.

Look-ups on a reading connection; nothing here writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dotagent.store.due import NEXT_RUN_AT
from dotagent.store.reading import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """A schedule: when it wants to run, how it stands. ``definition``: of ``core/when.py``;
    ``next_due_at``: None where nobody has planned it yet, or a person wants it not to run then."""

    id: str
    slug: str
    definition: str
    catch_up: str
    overlap: str
    stale_after_ms: int
    max_attempts: int
    backoff_ms: tuple[int, ...]
    health: str
    reason: str
    held_at: int | None
    gone_at: int | None
    gone_why: str | None
    next_due_at: int | None
    last_started_at: int | None
    last_ended_at: int | None
    last_success_at: int | None
    last_result: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A notifier that is told of the agent; ``is_global``: it stands in config.toml; ``quiet``: its
    quiet hours, first and last minute of the day and what waits (empty: all but what is grave)."""

    name: str
    driver: str
    events: tuple[str, ...]
    is_global: bool
    quiet: tuple[int, int, tuple[str, ...]] | None = None
    remind_ms: tuple[int, ...] = ()
    rate_limit_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """See the module. ``problems``: those of its file as it lies there now, each with its key path
    and message; ``sha256`` of what runs, ``file_sha256`` of the file, None where there is none."""

    name: str
    path: str
    sha256: str
    file_sha256: str | None
    problems: tuple[tuple[str, str], ...]
    enabled: bool
    inherits: bool
    first_seen_at: int
    gone_at: int | None
    schedules: Sequence[Scheduled]
    told: Sequence[Told]


def inspection(reader: Reader, agent: str) -> Inspection | None:
    """What is known of the agent; None if it was never seen."""
    row = reader.execute(
        "SELECT g.*, m.sha256 AS file_sha256, m.problems FROM agents g"
        " LEFT JOIN manifests m ON m.path = g.path WHERE g.name = ?",
        (agent,),
    ).fetchone()
    if row is None:
        return None
    problems = json.loads(row["problems"] or "[]")
    return Inspection(
        name=row["name"],
        path=row["path"],
        sha256=row["sha256"],
        file_sha256=row["file_sha256"],
        problems=tuple((each["path"], each["message"]) for each in problems),
        enabled=bool(row["enabled"]),
        inherits=bool(row["inherits"]),
        first_seen_at=row["first_seen_at"],
        gone_at=row["gone_at"],
        schedules=_schedules(reader, agent),
        told=_told(reader, agent, inherits=bool(row["inherits"])),
    )


def _schedules(reader: Reader, agent: str) -> list[Scheduled]:
    rows = reader.execute(
        "SELECT s.id, slug, definition, catch_up, overlap, stale_after_ms, max_attempts, backoff,"
        " health, reason, held_at, gone_at, gone_why, last_started_at, last_ended_at,"
        " last_success_at, last_result,"
        f" {NEXT_RUN_AT} AS next_due_at"
        " FROM schedules s WHERE agent = ? ORDER BY gone_at, id",
        (agent,),
    ).fetchall()
    found = []
    for row in rows:
        values = dict(row)
        backoff = json.loads(values.pop("backoff"))
        found.append(Scheduled(**values, backoff_ms=tuple(backoff)))
    return found


def _told(reader: Reader, agent: str, *, inherits: bool) -> list[Told]:
    scopes = (agent, "") if inherits else (agent, agent)
    rows = reader.execute(
        "SELECT scope, name, driver, events, quiet_hours, remind, rate_limit_ms FROM routing"
        " WHERE scope IN (?, ?) ORDER BY scope DESC, position",
        scopes,
    )
    return [
        Told(
            name=row["name"],
            driver=row["driver"],
            events=tuple(json.loads(row["events"])),
            is_global=not row["scope"],
            quiet=_quiet(json.loads(row["quiet_hours"])),
            remind_ms=tuple(json.loads(row["remind"])),
            rate_limit_ms=row["rate_limit_ms"],
        )
        for row in rows
    ]


def _quiet(hours: Mapping[str, Any] | None) -> tuple[int, int, tuple[str, ...]] | None:
    if hours is None:
        return None
    return hours["from_minute"], hours["to_minute"], tuple(hours["events"])
