"""A new agent in the home: written whole or not at all, never over anything; for ``init`` and
``add``.

Invariant: nothing that exists is touched, and what cannot be written whole is not left half.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import tzinfo
from itertools import pairwise

import click

from dotagent import app
from dotagent.core.errors import DotagentError, HomeError, UsageError
from dotagent.core.manifest import Manifest, Schedule, read_manifest
from dotagent.core.moment import local, zone_name
from dotagent.core.schedule import next_after
from dotagent.core.shell import word
from dotagent.core.span import MINUTE_MS
from dotagent.system import discovery, files
from dotagent.system.paths import Paths
from dotagent.system.waiting import now

SCRIPT = "run.sh"
SCRIPT_MODE = 0o700
RUNS_SHOWN = 3
TOLD = """\
# Who is told. Whatever happens, the inbox has it: dotagent inbox
# A secret stays out of this file: write SLACK_WEBHOOK=… into the file secrets.env of your home
# (chmod 600) and ${{SLACK_WEBHOOK}} here.
#
# [[notifiers]]
# driver = "slack"
# webhook_url = "${{SLACK_WEBHOOK}}"
# events = ["given_up", "missed", "recovered"]
#
# [[notifiers]]
# driver = "ntfy"
# topic = "a-topic-that-nobody-guesses"
# events = ["attempt_failed", "timed_out", "given_up", "missed", "recovered"]
"""


def quoted(name: str) -> str:
    """As a TOML string: JSON's escapes are TOML's too, but for DEL, which JSON leaves as it is."""
    return json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")


def checked(text: str, said: Mapping[str, str]) -> Manifest:
    """The manifest as dotagent will read it: what it refuses is never written. ``said``: what the
    person calls the keys that they chose, by their path. Raises ``UsageError``."""
    manifest, problems = read_manifest(text.encode(errors="surrogateescape"), app.drivers())
    if manifest is None:
        # What is no TOML at all can only be so for a name that breaks the line it stands in.
        wrong = [
            f"{said.get(each.path, each.path)}: {each.message}"
            if each.path
            else "this cannot be the name of an agent"
            for each in problems
        ]
        hints = {each.hint for each in problems if each.hint}
        if any(each.path in ("", "agent.name") for each in problems):
            hints = {"a name is at most 200 bytes, has no / and does not begin with ."}
        raise UsageError("\n".join(wrong), "; ".join(sorted(hints)) or None)
    return manifest


def refuse_known(name: str, paths: Paths, env: Mapping[str, str]) -> None:
    """Two agents of one name would be one too many, wherever the other one lies."""
    for candidate in discovery.scan(app.roots_of(paths, env)).found:
        reading = discovery.read(candidate)
        if not isinstance(reading, discovery.Reading):
            continue
        manifest, _ = read_manifest(reading.data, app.drivers())
        if manifest is not None and manifest.agent.name == name:
            raise _taken(name, candidate.path)


def _taken(name: str, place: str) -> DotagentError:
    return DotagentError(
        f"there is already an agent called {name}: {place}",
        f"Choose another name, or change that one, then: dotagent run {word(name)}",
    )


def write(folder: str, manifest: str, script: str | None = None) -> None:
    """The script comes first: a daemon that runs already finds the agent whole."""
    if os.path.lexists(folder):
        raise DotagentError(
            f"{folder} exists already and is left as it is",
            f"Choose another name, or move it away: mv {word(folder)} …",
        )
    made: list[str] = []
    try:
        made += files.make_folder(folder)
        if script is not None:
            script_path = os.path.join(folder, SCRIPT)
            files.write_atomic(script_path, script.encode(), durable=False, mode=SCRIPT_MODE)
        data = manifest.encode(errors="surrogateescape")
        files.write_atomic(os.path.join(folder, discovery.MANIFEST), data, durable=True)
    except OSError as error:
        if made:
            files.remove_if_there(os.path.join(folder, SCRIPT))
        files.remove_folders(made)
        raise HomeError(f"{folder} could not be written: {error.strerror}") from error


def show(folder: str, manifest: Manifest, zone: tzinfo, *, script: bool) -> None:
    """What there is now, its next three runs, and the next command."""
    name = manifest.agent.name
    click.echo(f"{name} is ready:")
    click.echo(f"  {os.path.join(folder, discovery.MANIFEST)}  when it runs, and who is told")
    if script:
        click.echo(f"  {os.path.join(folder, SCRIPT)}  what it does")
    for schedule in manifest.schedules:
        runs = ", ".join(_next_runs(name, schedule, zone))
        times = f"times of {zone_name(now(), zone)}"
        click.echo(f"Its next runs, while dotagent daemon runs: {runs} ({times})")
    click.echo(f"\nTry it now; nobody is told: dotagent run {word(name)}")


def _next_runs(agent: str, schedule: Schedule, zone: tzinfo) -> list[str]:
    at: int | None = now()
    runs: list[int] = []
    anchor = at or 0
    while len(runs) < RUNS_SHOWN and at is not None:
        at = next_after(
            schedule.when, at, anchor_at=anchor, name=f"{agent}/{schedule.id}", zone=zone
        )
        if at is not None:
            runs.append(at)
    is_close = any(second - first < MINUTE_MS for first, second in pairwise(runs))
    clock = "%a %d %b %H:%M:%S" if is_close else "%a %d %b %H:%M"
    return [local(at, zone).strftime(clock) for at in runs]
