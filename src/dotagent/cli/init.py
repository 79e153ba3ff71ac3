"""``dotagent init``: a first agent that runs as it is, and invites to be changed.

Invariant: nothing that exists is touched, and what cannot be written whole is not left half.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from datetime import tzinfo

import click

from dotagent import app
from dotagent.cli import acting
from dotagent.core.errors import DotagentError, HomeError, UsageError
from dotagent.core.manifest import Manifest, Schedule, read_manifest
from dotagent.core.moment import local
from dotagent.core.schedule import next_after
from dotagent.system import discovery, files
from dotagent.system.paths import Paths
from dotagent.system.waiting import now
from dotagent.system.zone import machine_zone

SCRIPT = "run.sh"
SCRIPT_MODE = 0o700
RUNS_SHOWN = 3

MANIFEST = """\
# What runs, when, and who is told.
# Try it, and nobody is told:  dotagent run {shell_name}
# After a change:              dotagent doctor

[agent]
name = {name}
timeout = "10m"

[run]
command = "./run.sh"

# cron = "30 8 * * 1-5" and every = "90m" are other ways to say when.
[[schedules]]
id = "daily"
daily = "08:30"
max_attempts = 3
retry_backoff = ["1m", "10m"]

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

RUN = """\
#!/bin/sh
# An agent is any program. Exit 0 is success; anything else is tried again, and told in the end.
# What it prints is kept: dotagent why {shell_name}
set -eu

echo "hello from $AGENT_NAME, schedule $AGENT_SCHEDULE_ID"
"""


@click.command("init")
@click.argument("name", default="hello")
def command(name: str) -> int:
    """Write a first agent: a manifest and a script that runs as it is.

    They land in the folder agents/NAME of your home, which is ~/.config/dotagent unless
    DOTAGENT_HOME says otherwise. Nothing that exists is overwritten.

    \b
    Example:
      dotagent init disk-alert
    """
    env = acting.environment()
    text = MANIFEST.format(name=_quoted(name), shell_name=shlex.quote(name))
    manifest = _checked(name, text)
    paths = app.paths_of(env)
    folder = os.path.join(paths.agents, name)
    _refuse_known(name, paths, env)
    _write(folder, text, RUN.format(shell_name=shlex.quote(name)))
    _show(folder, manifest, machine_zone(env))
    return 0


def _quoted(name: str) -> str:
    """As a TOML string: JSON's escapes are TOML's too, but for DEL, which JSON leaves as it is."""
    return json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")


def _checked(name: str, text: str) -> Manifest:
    """The manifest as dotagent will read it: what it refuses is never written."""
    manifest, problems = read_manifest(text.encode(errors="surrogateescape"), app.drivers())
    if manifest is None:
        what = next((p.message for p in problems if p.path == "agent.name"), None)
        what = what or f"{name!r} cannot be an agent's name"
        raise UsageError(what, "a name is at most 200 bytes, has no / and does not begin with .")
    return manifest


def _refuse_known(name: str, paths: Paths, env: Mapping[str, str]) -> None:
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
        f"Choose another name, or change that one, then: dotagent run {shlex.quote(name)}",
    )


def _write(folder: str, manifest: str, script: str) -> None:
    """The script comes first: a daemon that runs already finds the agent whole."""
    if os.path.lexists(folder):
        raise DotagentError(
            f"{folder} exists already and is left as it is",
            f"Choose another name, or move it away: mv {shlex.quote(folder)} …",
        )
    made: list[str] = []
    try:
        made += files.make_folder(folder)
        script_path = os.path.join(folder, SCRIPT)
        files.write_atomic(script_path, script.encode(), durable=False, mode=SCRIPT_MODE)
        files.write_atomic(
            os.path.join(folder, discovery.MANIFEST), manifest.encode(), durable=True
        )
    except OSError as error:
        if made:
            files.remove_if_there(os.path.join(folder, SCRIPT))
        files.remove_folders(made)
        raise HomeError(f"{folder} could not be written: {error.strerror}") from error


def _show(folder: str, manifest: Manifest, zone: tzinfo) -> None:
    name = manifest.agent.name
    click.echo(f"{name} is ready:")
    click.echo(f"  {os.path.join(folder, discovery.MANIFEST)}  when it runs, and who is told")
    click.echo(f"  {os.path.join(folder, SCRIPT)}  what it does")
    for schedule in manifest.schedules:
        runs = ", ".join(_next_runs(name, schedule, zone))
        click.echo(f"Its next runs, while dotagent daemon runs: {runs}")
    click.echo(f"\nTry it now; nobody is told: dotagent run {shlex.quote(name)}")


def _next_runs(agent: str, schedule: Schedule, zone: tzinfo) -> list[str]:
    at: int | None = now()
    runs: list[str] = []
    anchor = at or 0
    while len(runs) < RUNS_SHOWN and at is not None:
        at = next_after(
            schedule.when, at, anchor_at=anchor, name=f"{agent}/{schedule.id}", zone=zone
        )
        if at is not None:
            runs.append(f"{local(at, zone):%a %d %b %H:%M}")
    return runs
