"""``dotagent resume``: end a pause, or take back a skip.

``--json`` prints ``schedules`` and ``ended``, how many pauses and skips that was.
"""

from __future__ import annotations

import click

from dotagent.cli.names import AGENT_OR_SCHEDULE
from dotagent.cli.saying import ask, listed, print_json
from dotagent.cli.silence import named
from dotagent.core.fit import one_line
from dotagent.core.shell import word


@click.command()
@click.argument("name", metavar="AGENT[/SCHEDULE]", type=AGENT_OR_SCHEDULE)
@click.option("--reason", default="", metavar="TEXT", help="Stands in the record.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(name: str, reason: str, as_json: bool) -> int:
    """Let AGENT, or one schedule of it, run again from now on.

    \b
    Example:
      dotagent resume backup
    """
    answer = ask("resume", {**named(name), "reason": one_line(reason)})
    if as_json:
        return print_json(answer)
    if answer["ended"]:
        click.echo(f"Runs again from now on: {listed(name, answer)}.")
    else:
        click.echo(f"{name} was not paused.")
    click.echo(f"Next: dotagent next {word(name)}")
    return 0
