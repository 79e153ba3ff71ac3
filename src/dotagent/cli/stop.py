"""``dotagent stop``: end what runs of an agent now.

``--json`` prints ``stopped``: the schedules whose runs have ended by it.
"""

from __future__ import annotations

import getpass
import os

import click

from dotagent import app
from dotagent.cli.acting import act, environment
from dotagent.cli.deliveries import note
from dotagent.cli.looking import show_json
from dotagent.cli.silence import named
from dotagent.core.fit import one_line


@click.command()
@click.argument("name", metavar="AGENT[/SCHEDULE]")
@click.option("--reason", default="", metavar="TEXT", help="Stands in the record.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(name: str, reason: str, as_json: bool) -> int:
    """End the runs of AGENT that are under way.

    Its processes are asked to end, and killed after the grace. The run ends as skipped, by you:
    it is not tried again, and nobody is told. The next one comes at its time; to hold that off
    too, see: dotagent pause.

    \b
    Example:
      dotagent stop backup --reason "it hangs"
    """
    env = environment()
    args = {**named(name), "reason": one_line(reason), "by": _person()}
    answer = act(app.paths_of(env), env, "stop_runs", args, role="stop", say=note).answer
    if as_json:
        return show_json(answer)
    click.echo(f"Ended: {', '.join(answer['stopped'])}. Not tried again before its next time.")
    click.echo(f"Next: dotagent why {named(name)['agent']}")
    return 0


def _person() -> str:
    """Who says so, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name for this number
        return f"user {os.getuid()}"
