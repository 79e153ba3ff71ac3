"""``dotagent skip``: the next run of a schedule is not made.

``--json`` prints ``schedules`` and ``at``, when that run was due.
"""

from __future__ import annotations

import click

from dotagent.cli.acting import environment
from dotagent.cli.names import AGENT_OR_SCHEDULE
from dotagent.cli.saying import ask, print_json
from dotagent.cli.silence import named, reason_of
from dotagent.core.moment import clock, stamp
from dotagent.core.shell import word
from dotagent.system.waiting import now
from dotagent.system.zone import machine_zone


@click.command()
@click.argument("name", metavar="AGENT[/SCHEDULE]", type=AGENT_OR_SCHEDULE)
@click.option("--reason", required=True, metavar="TEXT", help="Stands in the record.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(name: str, reason: str, as_json: bool) -> int:
    """Skip the next run: the one that waits for its try, else the next to fall due.

    It ends as skipped, with who and why. Said again, the one after it is skipped too.

    \b
    Example:
      dotagent skip backup/nightly --reason "no disk tonight"
    """
    here = machine_zone(environment())
    answer = ask("skip", {**named(name), "reason": reason_of(reason)})
    if as_json:
        return print_json({"schedules": answer["schedules"], "at": stamp(answer["at"], here)})
    agent = name.partition("/")[0]
    of = f"{agent}/{answer['schedules'][0]}"
    verb = "is skipped" if answer["waited"] else "will be skipped"
    click.echo(f"The {clock(answer['at'], now(), here)} run of {of} {verb}.")
    click.echo(f"Next: dotagent next {word(of)}; to take it back: dotagent resume {word(of)}")
    return 0
