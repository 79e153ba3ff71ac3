"""``dotagent bootstrap``: a home with all that people write, ready to be filled in.

Invariant: what is there already stays as it is, so that it may be called again at any time.
"""

from __future__ import annotations

import os

import click

from dotagent import app
from dotagent.cli import acting
from dotagent.cli.looking import show
from dotagent.core.errors import HomeError
from dotagent.system import files
from dotagent.system.paths import Paths

CONFIG = """\
# What holds for all agents. Every line may stay as it is: all of it has a default.
# A change is noticed when you save; dotagent reload shows what was wrong with it.

# A channel for all agents, and for what concerns dotagent itself.
# [[notifiers]]
# id = "phone"
# driver = "ntfy"
# topic = "a-topic-that-nobody-guesses"
# remind = ["1h", "6h", "24h"]

# An address to ask every few minutes, so that a watcher outside hears when this machine dies.
# [deadman]
# url = "${DEADMAN_URL}"
# every = "5m"

# [daemon]
# max_running = 16         # attempts at once; by default four for each processor, at least 16
# stop_grace = "30s"       # how long what runs may take to finish when the daemon is stopped

# [summary]                # how everything stands, once a day
# at = "22:45"
# grace = "12h"            # how late it may still come, after sleep
# enabled = true
# notifiers = ["phone"]    # by default all global ones that ask for daily_summary

# [retention]
# history = "365d"         # runs
# messages = "90d"

# [storm]
# waiting = 20             # more messages for one channel become one

# [logging]                # logs/daemon/dotagent.log, and the agents' logs
# level = "info"           # trace, debug, info, warn, error, off
# format = "json"          # or "text"
# retention_days = 30
# per_agent_retention_days = 14
# compress_after_days = 1

# [metrics]                # for Prometheus
# listen = "127.0.0.1:9464"
# textfile = "/var/lib/prometheus/node-exporter/dotagent.prom"
# every = "1m"             # how often the file is written

# [secrets]
# file = ""                # an absolute path; by default secrets.env beside this file
"""

SECRETS = """\
# Secrets, one NAME=value a line. Manifests and config.toml name them as ${NAME}; an agent gets one
# only if its manifest says so: [env] from_secrets = ["NAME"]. For your eyes only: chmod 600.
# SLACK_WEBHOOK=https://hooks.slack.com/services/…
"""


@click.command()
def command() -> int:
    """Make the home: a commented config.toml, secrets.env and the folder for agents.

    What is there already is left as it is.

    \b
    Example:
      dotagent bootstrap
    """
    paths = app.paths_of(acting.environment())
    lines = [f"The home is {paths.home}"]
    for path, text, what in _files(paths):
        made = _write(path, text)
        lines.append(f"  {'made ' if made else 'there'}  {os.path.basename(path):<12}  {what}")
    lines.append(f"  there  {'agents/':<12}  a folder for each agent")
    return show([*lines, "Next, a first agent: dotagent init"])


def _files(paths: Paths) -> tuple[tuple[str, str, str], ...]:
    return (
        (paths.config, CONFIG, "what holds for all agents; everything in it is commented out"),
        (paths.secrets, SECRETS, "tokens and addresses that no other file should hold"),
    )


def _write(path: str, text: str) -> bool:
    """Whether it was made now. Raises ``HomeError``."""
    if os.path.lexists(path):
        return False
    try:
        files.write_atomic(path, text.encode(), durable=True)
    except OSError as error:
        raise HomeError(f"{path} cannot be written: {error.strerror}") from error
    return True
