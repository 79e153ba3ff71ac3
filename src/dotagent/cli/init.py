"""``dotagent init``: a first agent that runs as it is, and invites to be changed."""

from __future__ import annotations

import os

import click

from dotagent import app
from dotagent.cli import acting
from dotagent.cli.new_agent import TOLD, checked, quoted, refuse_known, show, write
from dotagent.core.shell import word
from dotagent.system.zone import machine_zone

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
    text = (MANIFEST + TOLD).format(name=quoted(name), shell_name=word(name))
    manifest = checked(text, {"agent.name": "NAME"})
    paths = app.paths_of(env)
    folder = os.path.join(paths.agents, name)
    refuse_known(name, paths, env)
    write(folder, text, RUN.format(shell_name=word(name)))
    show(folder, manifest, machine_zone(env), script=True)
    return 0
