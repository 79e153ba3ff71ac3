"""``dotagent ack``: a person knows that something fails; no reminders until it succeeds again.

``--json`` prints ``agent`` and ``schedules``, those that fail and are known now.
"""

from __future__ import annotations

import click

from dotagent import app
from dotagent.cli.acting import act, environment
from dotagent.cli.deliveries import note
from dotagent.cli.looking import show_json
from dotagent.cli.names import AGENT_OR_SCHEDULE
from dotagent.cli.silence import named
from dotagent.core.fit import one_line
from dotagent.core.shell import word


@click.command()
@click.argument("name", metavar="AGENT[/SCHEDULE]", type=AGENT_OR_SCHEDULE)
@click.option("--reason", default="", metavar="TEXT", help="Stands in the record.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(name: str, reason: str, as_json: bool) -> int:
    """Say that you know: AGENT's failing is not told again and again.

    Reminders of what fails now stop until it succeeds. A new failure after that speaks again.

    \b
    Example:
      dotagent ack backup --reason "new disk on monday"
    """
    env = environment()
    args = {**named(name), "reason": one_line(reason)}
    answer = act(app.paths_of(env), env, "ack", args, role="ack", say=note).answer
    if as_json:
        return show_json(answer)
    names = ", ".join(f"{answer['agent']}/{schedule}" for schedule in answer["schedules"])
    click.echo(f"Known: {names}. No reminders until it succeeds.")
    click.echo(f"Next: dotagent why {word(answer['agent'])}")
    return 0
