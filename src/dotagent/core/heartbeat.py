"""The heartbeat file of a schedule, as tools made for dotagent 0.1.x read it (contract §4).

Invariants: the order of the keys, the two spaces, the missing newline at the end and the local time
with its offset are part of the format. Epochs in the file are whole seconds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

ISO = "%Y-%m-%dT%H:%M:%S%z"
REQUIRED = {"name": str, "slug": str, "args": list, "started_at": int, "started_at_iso": str}
"""What a reader may rely on; all else may be absent or null."""


LAST_SECOND = 253_402_300_799
"""The end of the year 9999."""


class Malformed(ValueError):
    """The file is no heartbeat. Says what is wrong, never what the file holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A run of a schedule under way (``finished_at`` is None) or done."""

    name: str
    slug: str
    args: tuple[str, ...]
    started_at: int
    finished_at: int | None = None
    exit_code: int | None = None
    last_success_at: int | None = None


def text(heartbeat: Heartbeat, zone: tzinfo) -> str:
    """The exact content of the file, with times in ``zone``."""
    started_at, finished_at = heartbeat.started_at, heartbeat.finished_at
    took_ms = None if finished_at is None else max(finished_at - started_at, 0)
    content: dict[str, Any] = {
        "name": heartbeat.name,
        "slug": heartbeat.slug,
        "args": list(heartbeat.args),
        "started_at": _seconds(started_at),
        "started_at_iso": _iso(started_at, zone),
        "finished_at": _seconds(finished_at),
        "finished_at_iso": _iso(finished_at, zone),
        "exit_code": heartbeat.exit_code,
        "duration_seconds": _seconds(took_ms),
        "last_success_at": _seconds(heartbeat.last_success_at),
        "last_success_at_iso": _iso(heartbeat.last_success_at, zone),
    }
    return json.dumps(content, ensure_ascii=False, indent=2)


def last_success(data: bytes) -> int | None:
    """``last_success_at`` (ms) of a file's content; None if there was none. Raises Malformed."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None
    if not isinstance(content, dict):
        raise Malformed("not a JSON object")
    for key, kind in REQUIRED.items():
        if not _is(content.get(key), kind):
            raise Malformed(f"{key!r} is missing or of another type")
    seconds = content.get("last_success_at")
    if seconds is None:
        return None
    if not _is(seconds, int) or not 0 <= seconds <= LAST_SECOND:
        raise Malformed("'last_success_at' is no time")
    return int(seconds) * 1000


def _is(value: object, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _seconds(ms: int | None) -> int | None:
    return None if ms is None else ms // 1000


def _iso(at: int | None, zone: tzinfo) -> str | None:
    return None if at is None else datetime.fromtimestamp(at // 1000, zone).strftime(ISO)
