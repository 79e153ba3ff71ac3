"""``dotagent inspect``: one agent as it is set up: what runs, when, and who is told.

What is shown is what is in force: the last good copy of the manifest, not the file that somebody
may be editing. With ``--json``, one object. Instants are ISO 8601 in local time, spans milliseconds
(``…_ms``); what is not known is null.

* ``agent``, ``description``, ``version``; ``enabled``, ``first_seen``, ``gone`` since
* ``manifest``, ``folder`` it lies in; ``sha256`` of what is in force; ``file``: the manifest as it
  lies there now (``in force``, ``changed``, ``wrong``, ``missing``), ``problems``: ``path``,
  ``message``
* ``command`` with its arguments, ``working_dir``, ``timeout_ms``: null where the good copy is gone
* ``schedules``: ``schedule``, ``when`` in words, ``slug``, ``args``, ``health`` and its ``reason``,
  ``held`` since, ``gone`` since, ``gone_why``, ``next_due``, ``last_started``, ``last_ended``,
  ``last_success``, ``last_result``, ``max_attempts``, ``backoff_ms``, ``stale_after_ms``,
  ``catch_up``, ``overlap``, ``heartbeat`` (its file)
* ``notifiers``: who is told, hooks and sinks too: ``name``, ``driver``, ``events`` (empty: all),
  ``global``, ``quiet_hours`` (null, or ``from``, ``to``, ``events``: empty for all but what is
  grave), ``remind_ms``, ``rate_limit_ms`` (0: none); ``preflight``: the plugins that may block
  an attempt
* ``log``: the file with all that it printed
"""

from __future__ import annotations

import os
from typing import Any

import click

from dotagent import app
from dotagent.cli.layout import Page, plain
from dotagent.cli.looking import Look, known, look, page, show, show_json
from dotagent.cli.names import AGENT
from dotagent.core.duration import text as span_text
from dotagent.core.errors import DotagentError, NotFound
from dotagent.core.manifest import Manifest
from dotagent.core.moment import clock, when
from dotagent.core.shell import word
from dotagent.core.span import count
from dotagent.core.when import Every, from_definition
from dotagent.steps import catalogue
from dotagent.store import history
from dotagent.store.inspection import Inspection, Scheduled, Told, inspection

SHORT = 12
"""So much of a hash tells two manifests apart."""
FILES = {
    "in force": "in force, as it lies there",
    "changed": "edited since; a daemon reads it by itself, else the next command that runs agents",
    "wrong": "not right: its last good copy is in force; see: dotagent doctor",
    "missing": "no longer there",
}


@click.command("inspect")
@click.argument("name", metavar="AGENT", type=AGENT)
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def command(name: str, as_json: bool) -> int:
    """One agent as it is set up: what runs, when, and who is told.

    \b
    Example:
      dotagent inspect disk-alert
      dotagent inspect disk-alert --json | jq -r '.schedules[].next_due'
    """
    with look() as seen:
        if seen.reader is None:
            raise NotFound(
                f"there is no agent {name!r}: dotagent has not run in this home yet",
                "Write one: dotagent init. Then let it run: dotagent daemon",
            )
        known(name, history.agents(seen.reader), "there is no agent")
        found = inspection(seen.reader, name)
        assert found is not None
        manifest = _manifest(seen, found)
        if as_json:
            return show_json(_data(seen, found, manifest))
        return show(_lines(page(), seen, found, manifest))


def _manifest(seen: Look, found: Inspection) -> Manifest | None:
    """What is in force; None where its good copy is not there any more."""
    path = seen.paths.good_manifest(found.name)
    try:
        return catalogue.parse(path, catalogue.accepted(path, found.sha256), app.drivers())
    except DotagentError:
        return None


def _file(found: Inspection) -> str:
    """How the manifest that lies there stands to what is in force."""
    if found.gone_at is not None or found.file_sha256 is None:
        return "missing"
    if found.file_sha256 == found.sha256:
        return "in force"
    return "wrong" if found.problems else "changed"


def _when(schedule: Scheduled, manifest: Manifest | None) -> str:
    """``every 15m``, ``daily 08:30``, ``cron 30 8 * * * (Europe/Berlin)``: as it was written; where
    the good copy is gone, as it is planned."""
    said = from_definition(schedule.definition)
    spread = f", spread over {span_text(said.spread_ms)}" if said.spread_ms else ""
    if isinstance(said, Every):
        return f"every {span_text(said.every_ms)}{spread}"
    zone = f" ({said.timezone})" if said.timezone else ""
    live = [] if manifest is None else manifest.schedules
    own = [each.written for each in live if each.id == schedule.id and each.when == said]
    text = next(filter(None, own), f"cron {said.expression}")
    return f"{text}{zone}{spread}"


# ------------------------------------------------------------------------------------------- text


def _lines(page: Page, seen: Look, found: Inspection, manifest: Manifest | None) -> list[str]:
    sections = [
        ("Agent", _agent(seen, found, manifest)),
        ("Schedules", [(plain(s.id), _schedule(seen, s, manifest)) for s in found.schedules]),
        ("Told", [(plain(each.name), _told(each)) for each in found.told]),
    ]
    lines = page.paragraph(_head(seen, found), "" if found.gone_at is None else "doubtful")
    for title, entries in sections:
        if entries:
            lines += ["", page.paint(title, "head"), *page.entries(entries)]
    if not found.told:
        alone = "Nobody is told of it: it has no notifier. The inbox has it all."
        lines += ["", *page.paragraph(alone, "doubtful")]
    return [*lines, "", *page.paragraph(f"Next: dotagent why {word(found.name)}")]


def _head(seen: Look, found: Inspection) -> str:
    name = plain(found.name)
    if found.gone_at is not None:
        gone = when(found.gone_at, seen.now, seen.zone)
        return f"{name} is gone since its manifest was removed {gone}; nothing of it runs."
    if not found.enabled:
        return f"{name} is disabled in its manifest: nothing of it runs on schedule."
    held = any(each.held_at is not None for each in found.schedules)
    live = sum(each.gone_at is None for each in found.schedules)
    if held:
        return f"{name} is held: the folder of its manifest is gone or unreadable."
    return f"{name} has {count(live, 'schedule')}." if live else f"{name} has no schedule."


def _agent(seen: Look, found: Inspection, manifest: Manifest | None) -> list[tuple[str, str]]:
    entries = [("manifest", plain(found.path)), ("file", FILES[_file(found)])]
    for path, said in found.problems:
        short = said.removeprefix(f"{found.path} ")
        entries.append(("problem", plain(f"{path}: {short}" if path else short)))
    entries.append(("sha256", found.sha256[:SHORT]))
    entries.append(("first seen", clock(found.first_seen_at, seen.now, seen.zone)))
    if manifest is None:
        entries.append(("command", "not known: its last good copy is missing or was changed"))
    else:
        entries.append(("command", plain(" ".join(word(each) for each in _command(manifest)))))
        entries.append(("runs in", plain(_working_dir(found, manifest))))
        entries.append(("timeout", span_text(manifest.agent.timeout_ms)))
        entries += [("preflight", plain(hook.plugin)) for hook in manifest.preflight]
    return [*entries, ("log", plain(seen.paths.agent_log(found.name)))]


def _schedule(seen: Look, schedule: Scheduled, manifest: Manifest | None) -> str:
    bits = [plain(_when(schedule, manifest))]
    if schedule.gone_at is not None:
        bits.append(f"{schedule.gone_why} since {clock(schedule.gone_at, seen.now, seen.zone)}")
        return "; ".join(bits)
    bits.append(schedule.health + (f" ({plain(schedule.reason)})" if schedule.reason else ""))
    if schedule.last_success_at is not None:
        bits.append(f"last ok {clock(schedule.last_success_at, seen.now, seen.zone)}")
    if schedule.next_due_at is not None:
        bits.append(f"next run {clock(schedule.next_due_at, seen.now, seen.zone)}")
    bits.append(_tries(schedule))
    return "; ".join(bits)


def _tries(schedule: Scheduled) -> str:
    tries = count(schedule.max_attempts, "attempt")
    if schedule.max_attempts > 1 and schedule.backoff_ms:
        waits = schedule.backoff_ms[: schedule.max_attempts - 1]
        tries += f", {', '.join(span_text(wait) for wait in waits)} apart"
    return tries


def _told(told: Told) -> str:
    events = ", ".join(told.events) if told.events else "everything"
    bits = [f"{told.driver}: {events}{' (config.toml)' if told.is_global else ''}"]
    if told.quiet is not None:
        first, last, waits = told.quiet
        what = f" for {', '.join(waits)}" if waits else " but for what is grave"
        bits.append(f"quiet {_minute(first)}–{_minute(last)}{what}")
    if told.remind_ms:
        bits.append(f"reminds after {', '.join(span_text(each) for each in told.remind_ms)}")
    if told.rate_limit_ms:
        bits.append(f"at most one in {span_text(told.rate_limit_ms)}")
    return "; ".join(bits)


def _minute(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


# ------------------------------------------------------------------------------------------- data


def _data(seen: Look, found: Inspection, manifest: Manifest | None) -> dict[str, Any]:
    return {
        "agent": found.name,
        "description": None if manifest is None else manifest.agent.description,
        "version": None if manifest is None else manifest.agent.version,
        "enabled": found.enabled,
        "first_seen": seen.iso(found.first_seen_at),
        "gone": seen.iso(found.gone_at),
        "manifest": found.path,
        "folder": os.path.dirname(found.path),
        "sha256": found.sha256,
        "file": _file(found),
        "problems": [{"path": path, "message": said} for path, said in found.problems],
        "command": None if manifest is None else _command(manifest),
        "working_dir": None if manifest is None else _working_dir(found, manifest),
        "timeout_ms": None if manifest is None else manifest.agent.timeout_ms,
        "schedules": [_schedule_data(seen, found, s, manifest) for s in found.schedules],
        "notifiers": [_told_data(told) for told in found.told],
        "preflight": [] if manifest is None else [each.plugin for each in manifest.preflight],
        "log": seen.paths.agent_log(found.name),
    }


def _told_data(told: Told) -> dict[str, Any]:
    hours = None
    if told.quiet is not None:
        first, last, waits = told.quiet
        hours = {"from": _minute(first), "to": _minute(last), "events": list(waits)}
    return {
        "name": told.name,
        "driver": told.driver,
        "events": list(told.events),
        "global": told.is_global,
        "quiet_hours": hours,
        "remind_ms": list(told.remind_ms),
        "rate_limit_ms": told.rate_limit_ms,
    }


def _schedule_data(
    seen: Look, found: Inspection, schedule: Scheduled, manifest: Manifest | None
) -> dict[str, Any]:
    live = [] if manifest is None else manifest.schedules
    args = next((each.args for each in live if each.id == schedule.id), None)
    return {
        "schedule": schedule.id,
        "when": plain(_when(schedule, manifest)),
        "slug": schedule.slug,
        "args": None if args is None else list(args),
        "health": schedule.health,
        "reason": plain(schedule.reason),
        "held": seen.iso(schedule.held_at),
        "gone": seen.iso(schedule.gone_at),
        "gone_why": schedule.gone_why,
        "next_due": seen.iso(schedule.next_due_at),
        "last_started": seen.iso(schedule.last_started_at),
        "last_ended": seen.iso(schedule.last_ended_at),
        "last_success": seen.iso(schedule.last_success_at),
        "last_result": None if schedule.last_result is None else plain(schedule.last_result),
        "max_attempts": schedule.max_attempts,
        "backoff_ms": list(schedule.backoff_ms),
        "stale_after_ms": schedule.stale_after_ms,
        "catch_up": schedule.catch_up,
        "overlap": schedule.overlap,
        "heartbeat": seen.paths.heartbeat(found.name, schedule.slug),
    }


# ----------------------------------------------------------------------------------------- pieces


def _command(manifest: Manifest) -> list[str]:
    return [manifest.run.command, *manifest.run.args]


def _working_dir(found: Inspection, manifest: Manifest) -> str:
    return os.path.normpath(
        os.path.join(os.path.dirname(found.path), manifest.run.working_dir or "")
    )
