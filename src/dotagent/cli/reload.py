"""``dotagent reload``: the daemon reads all manifests, config.toml and the secrets again, now.

It does so by itself whenever a file changes, and on SIGHUP; this command waits until it is done and
says what was refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from dotagent import app
from dotagent.cli.acting import act, environment
from dotagent.cli.deliveries import note
from dotagent.cli.layout import plain
from dotagent.cli.looking import show, show_json
from dotagent.core.errors import DotagentError, UsageError
from dotagent.core.model import Problem
from dotagent.core.problems import explain
from dotagent.store.glance import Glance, look
from dotagent.store.reading import record
from dotagent.system import lock
from dotagent.system.paths import Paths
from dotagent.system.waiting import now


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(as_json: bool) -> int:
    """Have the daemon read manifests, config.toml and secrets again, and see what it found.

    A saved file is noticed without this. What is wrong is named, and changes nothing until it is
    mended: the last good manifest and configuration go on. Exits with 2 if anything is refused.

    \b
    Example:
      dotagent reload
    """
    env = environment()
    paths = app.paths_of(env)
    if lock.peek(paths.lock) is None:
        raise DotagentError(
            "no daemon runs here, so there is nothing to reload",
            "All files are read when one starts: dotagent install, or dotagent daemon",
        )
    act(paths, env, "reload", {}, role="reload", say=note)
    found = _found(paths)
    problems = found["problems"]
    if as_json:
        return show_json(found) or (UsageError.exit_code if problems else 0)
    count = found["agents"]
    lines = [f"Read again: {count} agent{'' if count == 1 else 's'}, config.toml and the secrets."]
    for each in problems:
        first, *rest = each["why"].splitlines()
        lines += [f"refused: {plain(first)}", *(f"    {plain(line.strip())}" for line in rest)]
    lines.append("Mend it, then see: dotagent doctor" if problems else "See: dotagent status")
    return show(lines) or (UsageError.exit_code if problems else 0)


def _found(paths: Paths) -> dict[str, Any]:
    with record(paths.database) as reader:
        glance = look(reader, now())
    return {"agents": glance.counts["agents"], "problems": list(_problems(glance))}


def _problems(glance: Glance) -> Iterator[dict[str, str]]:
    for row in glance.lists["troubles"]:
        if row["what"] in ("config.toml", "secrets"):
            yield {"what": row["what"], "why": row["why"]}
    for row in glance.lists["manifests"]:
        problems = [Problem(**each) for each in json.loads(row["problems"])]
        if problems:
            why = "\n".join(explain(each, row["path"]) for each in problems)
            yield {"what": row["path"], "why": why}
        elif row["shadowed_by"] is not None:
            why = f"{row['path']}: its agent runs from {row['shadowed_by']}"
            yield {"what": row["path"], "why": why}
