"""``dotagent pause``: what falls due before an end that must be named is skipped, not run.

``--json`` prints ``schedules``, those that are paused, ``until``, and ``replaced``, how many pauses
ended by it.
"""

from __future__ import annotations

import click

from dotagent.cli.acting import environment
from dotagent.cli.names import AGENT_OR_SCHEDULE
from dotagent.cli.saying import ask, listed, print_json
from dotagent.cli.silence import named, reason_of
from dotagent.core.ahead import instant
from dotagent.core.duration import parse
from dotagent.core.errors import UsageError
from dotagent.core.moment import clock, stamp
from dotagent.core.shell import word
from dotagent.system.waiting import now
from dotagent.system.zone import machine_zone


@click.command()
@click.argument("name", metavar="AGENT[/SCHEDULE]", type=AGENT_OR_SCHEDULE)
@click.option("--until", metavar="TIME", help="As 18:00, tomorrow, 'monday 08:30', 2026-12-24.")
@click.option("--for", "span", metavar="2h", help="How long from now, as 2h or 3d.")
@click.option("--reason", required=True, metavar="TEXT", help="Stands in the record.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(name: str, until: str | None, span: str | None, reason: str, as_json: bool) -> int:
    """Run nothing of AGENT, or of one schedule of it, for a while.

    What falls due meanwhile ends as skipped, with who and why; a run in progress goes on. What
    falls due at the very end runs.

    \b
    Example:
      dotagent pause backup --until "monday 08:00" --reason "new disk"
    """
    here = machine_zone(environment())
    answer = ask("pause", {**named(name), **_end(until, span), "reason": reason_of(reason)})
    if as_json:
        return print_json({**answer, "until": stamp(answer["until"], here)})
    ends = clock(answer["until"], now(), here)
    click.echo(f"Paused until {ends}: {listed(name, answer)}.")
    click.echo(f"Next: dotagent next {word(name)}; to end it: dotagent resume {word(name)}")
    return 0


def _end(until: str | None, span: str | None) -> dict[str, int]:
    if (until is None) == (span is None):
        raise UsageError("a pause needs an end: --until TIME or --for SPAN, one of them")
    try:
        if span is not None:
            return {"for_ms": parse(span)}
        return {"until_at": instant(str(until), now(), machine_zone(environment()))}
    except ValueError as error:
        raise UsageError(f"{'--until' if span is None else '--for'}: {error}") from error
