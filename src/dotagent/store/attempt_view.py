"""Attempts as people ask for them, and what is left open of them. Nothing here writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dotagent.core import exits
from dotagent.core.decide import Verdict
from dotagent.core.model import Exit, Tail
from dotagent.store.reading import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An attempt that has ended: how, in words too, and the ends of its output."""

    id: int
    agent: str
    schedule_id: str
    manifest_sha256: str
    verdict: Verdict
    exit: Exit
    words: str
    started_at: int
    ended_at: int
    lasted_ms: int
    stdout: Tail
    stderr: Tail
    result: Mapping[str, Any]


def ended(reader: Reader, attempt_id: int) -> Ended:
    """The attempt ``attempt_id``, which has ended."""
    row = reader.execute("SELECT * FROM attempts WHERE id = ?", (attempt_id,)).fetchone()
    out, err = json.loads(row["dropped"])
    return Ended(
        id=row["id"],
        agent=row["agent"],
        schedule_id=row["schedule"],
        manifest_sha256=row["manifest_sha256"],
        verdict=Verdict(row["verdict"]),
        exit=exits.from_data(json.loads(row["exit"])),
        words=row["words"],
        started_at=row["spawned_at"] or row["claimed_at"],
        ended_at=row["ended_at"],
        lasted_ms=row["lasted_ms"],
        stdout=Tail(text=row["stdout_tail"], dropped=out),
        stderr=Tail(text=row["stderr_tail"], dropped=err),
        result=json.loads(row["result"]),
    )
