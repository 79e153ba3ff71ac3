"""The lines of the daemon's log: what the record and the events say, as one line for a machine or a
person.

Decides which level and which words each has, and which lines a level lets through. Invariants: a
line is one line, whatever an agent or a service said; the JSON form is that of dotagent 0.1.x
(contract §16): ``timestamp`` in UTC, ``level``, ``fields`` with ``message``, ``target``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from dotagent.core.fit import clean, one_line
from dotagent.core.model import Kind
from dotagent.core.moment import local

LEVELS = ("trace", "debug", "info", "warn", "error", "off")
LONGEST = 2_000
"""Characters of a line's message: an agent's last words may be long."""

RECORDED = frozenset(
    {
        Kind.AUDIT_CHAIN_BROKEN,
        Kind.SECRETS_REFUSED,
        Kind.MANIFEST_DRIFT_DETECTED,
        Kind.PHANTOM_AGENT_DETECTED,
    }
)
"""Events of the home that the record has in a line of its own."""

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line, at an instant. ``event`` is a word of a fixed vocabulary."""

    at: int
    level: str
    event: str
    message: str
    fields: Fields = field(default_factory=dict)


def lets_through(level: str, line: Line) -> bool:
    """Whether a log of this level has the line."""
    return LEVELS.index(line.level) >= LEVELS.index(level)


# -------------------------------------------------------------------------------- from the record


def of_record(stored: bytes) -> Line:
    """A line of the audit record."""
    entry = json.loads(stored)
    event = dict(entry["event"])
    kind = event.pop("event_type")
    say = _WORDS.get(kind)
    said = say(event) if say is not None else kind.replace("_", " ")
    name = _name(event)
    return Line(
        at=round(datetime.fromisoformat(entry["ts"]).timestamp() * 1_000),
        level=_level(kind, entry["severity"], event),
        event=kind,
        message=f"{name}: {said}" if name else said,
        fields=event,
    )


def _name(event: Fields) -> str:
    agent, schedule = event.get("agent"), event.get("schedule")
    return f"{agent}/{schedule}" if agent and schedule else str(agent or "")


def _level(kind: str, severity: str, event: Fields) -> str:
    """An attempt that failed or a message that must be sent again is no error of the daemon; that
    somebody gave up is one for people."""
    if kind in ("agent_run", "preflight_failed"):
        return "info" if severity == "notice" else "warn"
    if kind == "plugin_invoked":
        return "info" if event.get("ok") else "warn"
    return {"critical": "error"}.get(severity, "info")


def _run(event: Fields) -> str:
    end = "timed out" if event["timed_out"] else f"exit {event['exit_code']}"
    return f"{end} after {event['duration_seconds']} s"


def _sent(event: Fields) -> str:
    if "delivery" not in event:
        return f"{event['plugin_kind']} {event['plugin']}: {'ok' if event['ok'] else 'failed'}"
    tries = f" at try {event['number']}" if event["number"] > 1 else ""
    outcome = str(event["outcome"]).replace("_", " ")
    return f"message {event['delivery']} by {event['plugin']}: {outcome}{tries}"


_WORDS: Mapping[str, Callable[[Fields], str]] = {
    "daemon_started": lambda e: f"dotagent {e['version']} runs the schedules, process {e['pid']}",
    "daemon_stopped": lambda e: f"the daemon has stopped ({e['reason']})",
    "manifest_loaded": lambda e: f"runs from {e['path']}",
    "manifest_drift_detected": lambda e: f"{e['path']} was changed; the new one runs",
    "phantom_agent_detected": lambda e: f"a new agent, {e['path']}",
    "config_reloaded": lambda e: f"another configuration is in force: {e['reason']}",
    "secrets_loaded": lambda e: f"{e['key_count']} secrets from {e['path']}",
    "secrets_refused": lambda e: f"{e['path']} is not used: {e['reason']}",
    "clock_stepped": lambda e: f"the clock was stepped by {e['milliseconds'] / 1000:g} s",
    "agent_run": _run,
    "plugin_invoked": _sent,
    "preflight_failed": lambda e: f"blocked by {e['plugin']}: {e['suggest'] or 'no reason given'}",
    "agent_given_up": lambda e: f"given up after {e['attempts']} attempts, exit {e['last_exit']}",
    "agent_recovered": lambda e: f"recovered at attempt {e['attempts']}",
}


def of_event(kind: Kind, severity: str, at: int, facts: Fields) -> Line:
    """An event about dotagent itself."""
    # What to do about a problem stands indented on a line of its own.
    detail = "; ".join(each.strip() for each in str(facts.get("detail") or "").splitlines())
    said = str(facts.get("line", kind))
    return Line(
        at=at,
        level="error" if severity == "critical" else "warn",
        event=kind,
        message=f"{said}: {detail}" if detail else said,
    )


# ------------------------------------------------------------------------------------- as written


def written(line: Line, form: str, zone: tzinfo) -> str:
    """The line with its end, as ``[logging] format`` wants it."""
    message = one_line(line.message)
    if len(message) > LONGEST:
        message = f"{message[:LONGEST]} …"
    if form == "json":
        return _json(line, message)
    then = local(line.at, zone)
    stamp = f"{then:%Y-%m-%dT%H:%M:%S}.{line.at % 1000:03d}{then:%z}"
    head = f"{stamp} {line.level.upper():<5} {line.event}: {message}\n"
    return head + "".join(f"    {each}\n" for each in _traceback(line))


def _traceback(line: Line) -> list[str]:
    """The one thing that a person cannot read on one line."""
    return clean(str(line.fields.get("traceback", ""))).splitlines()


def _json(line: Line, message: str) -> str:
    then = local(line.at, UTC)
    entry = {
        "timestamp": f"{then:%Y-%m-%dT%H:%M:%S}.{line.at % 1000:03d}Z",
        "level": line.level.upper(),
        "fields": {"message": message, "event": line.event, **line.fields},
        "target": "dotagent",
    }
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
