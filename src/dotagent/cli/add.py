"""``dotagent add``: an agent around a command that is there already."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import tzinfo

import click

from dotagent import app
from dotagent.cli import acting
from dotagent.cli.new_agent import TOLD, checked, quoted, refuse_known, show, write
from dotagent.core.duration import text as span_text
from dotagent.core.errors import HomeError, UsageError
from dotagent.core.manifest import Manifest
from dotagent.core.schedule import period_ms
from dotagent.core.shell import word
from dotagent.core.span import MINUTE_MS, SECOND_MS
from dotagent.system.waiting import now
from dotagent.system.zone import machine_zone

MANIFEST = """\
# What runs, when, and who is told.
# Try it, and nobody is told:  dotagent run {shell_name}
# After a change:              dotagent doctor

[agent]
name = {name}
timeout = "30m"

[run]
command = {command}
args = [{args}]
working_dir = {folder}

[[schedules]]
id = "{id}"
{id} = {when}
{zone}max_attempts = 3
retry_backoff = {backoff}

"""
WHENS = ("every", "daily", "cron")
BACKOFF_MS = (5 * MINUTE_MS, 15 * MINUTE_MS)
"""Where the next run is far enough away."""


@click.command("add")
@click.argument("name")
@click.option("--every", metavar="15m", help="One run each 15m, 2h, 1d.")
@click.option("--daily", metavar="08:30", help="One run a day, at that time.")
@click.option("--cron", metavar="EXPRESSION", help="Five fields, as '30 8 * * 1-5', or @daily.")
@click.option("--timezone", metavar="ZONE", help="As Europe/Berlin; else the machine's.")
@click.argument("cmd", metavar="-- CMD...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    name: str,
    every: str | None,
    daily: str | None,
    cron: str | None,
    timezone: str | None,
    cmd: Sequence[str],
) -> int:
    """Write an agent around a command: it runs where you are now, as you wrote it.

    Nothing that exists is overwritten. The manifest lands in the folder agents/NAME of your home;
    change it there.

    \b
    Example:
      dotagent add sync --every 15m -- rsync -a notes/ server:notes/
      dotagent add report --cron "30 8 * * 1-5" -- sh -c "make report | mail ann"
    """
    env = acting.environment()
    given = {id: value for id, value in zip(WHENS, (every, daily, cron), strict=True) if value}
    if len(given) != 1:
        raise UsageError(
            "say when it runs: one of --every, --daily and --cron",
            f"As in: dotagent add {word(name)} --every 15m -- {' '.join(map(word, cmd))}",
        )
    ((id, when),) = given.items()
    fields = {
        "shell_name": word(name),
        "name": quoted(name),
        "command": quoted(_found(cmd, env.get("PATH"))),
        "args": ", ".join(quoted(each) for each in cmd[1:]),
        "folder": quoted(_here()),
        "id": id,
        "when": quoted(when),
        "zone": "" if timezone is None else f"timezone = {quoted(timezone)}\n",
    }
    zone = machine_zone(env)
    text, manifest = _written(fields, zone)
    paths = app.paths_of(env)
    folder = os.path.join(paths.agents, name)
    refuse_known(name, paths, env)
    write(folder, text)
    show(folder, manifest, zone, script=False)
    return 0


def _written(fields: Mapping[str, str], zone: tzinfo) -> tuple[str, Manifest]:
    """The manifest, with waits between the tries that suit how often it runs."""
    said = {f"schedules[0].{each}": f"--{each}" for each in (*WHENS, "timezone")}
    text = (MANIFEST + TOLD).format(**fields, backoff=_list(BACKOFF_MS))
    manifest = checked(text, {"agent.name": "NAME", **said})
    return (MANIFEST + TOLD).format(**fields, backoff=_list(_backoff(manifest, zone))), manifest


def _backoff(manifest: Manifest, zone: tzinfo) -> list[int]:
    """Both further tries come well before the next run: one that comes after it is never made."""
    (schedule,), at = manifest.schedules, now()
    name = f"{manifest.agent.name}/{schedule.id}"
    period = period_ms(schedule.when, at, anchor_at=at, name=name, zone=zone)
    if not period:
        return list(BACKOFF_MS)
    shares = (period // 10, period // 4)
    fitting = (min(most, share) for most, share in zip(BACKOFF_MS, shares, strict=True))
    return [max(each - each % SECOND_MS, SECOND_MS) for each in fitting]


def _list(waits: Sequence[int]) -> str:
    return f"[{', '.join(quoted(span_text(each)) for each in waits)}]"


def _found(cmd: Sequence[str], path: str | None) -> str:
    """The program, as your shell finds it: the daemon's own PATH may be another."""
    program = cmd[0]
    found = shutil.which(program, path=path)
    if found is not None:
        return os.path.abspath(found)
    if os.path.isfile(program):
        raise UsageError(f"{program} is not executable", f"Mend it: chmod +x {word(program)}")
    hint = "Is it installed, and on your PATH?"
    if any(sign in program for sign in " |;&<>$"):
        hint = f"A line for a shell is written so: -- sh -c {word(' '.join(cmd))}"
    raise UsageError(f"there is no command {program!r}", hint)


def _here() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise HomeError("the current directory no longer exists", "Go to one that does.") from None
