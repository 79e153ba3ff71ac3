"""``dotagent tick``: run what is due, once, and end. For cron, where no daemon runs.

Ends when all it started has ended and told. A tick that comes meanwhile is carried out by the one
that is under way. ``--dry-run`` decides the same on a copy in memory and writes nothing at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo

import click

from dotagent import app
from dotagent.cli.acting import act, environment
from dotagent.core.moment import stamp
from dotagent.steps.rehearse import rehearse
from dotagent.store import plan_view
from dotagent.store.reading import connect_reader
from dotagent.system import zone
from dotagent.system.paths import Paths
from dotagent.system.paths import home as home_of
from dotagent.system.signals import Signals
from dotagent.system.waiting import now


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would start; start and write nothing.")
@click.option("--verbose", is_flag=True, hidden=True)  # of 0.1.x, where it did nothing either
def command(dry_run: bool, verbose: bool) -> int:
    """Run what is due now, once, then end.

    Put it into a crontab, once a minute, where no daemon runs: runs, further tries and messages
    then go out with the next tick. While a daemon runs it has nothing to do.

    \b
    Example:
      dotagent tick --dry-run
      * * * * * dotagent tick   # a line of a crontab
    """
    env = environment()
    if dry_run:
        return _rehearse(env)
    signals = Signals().listen()
    paths = app.paths_of(env)
    done = act(paths, env, "tick", {}, role="tick", say=_note, signals=signals)
    if "dispatched" not in done.answer:
        click.echo(f"the daemon, process {done.by}, runs the schedules here; it looks again now")
        return 0
    reader = connect_reader(paths.database)
    try:
        count, next_at = plan_view.agents(reader), plan_view.next_at(reader)
    finally:
        reader.close()
    dispatched = done.answer["dispatched"]
    next_event = _when(next_at, zone.machine_zone(env))
    click.echo(f"scanned {count} agent(s); dispatched {dispatched}; next event: {next_event}")
    return 0


def _rehearse(env: Mapping[str, str]) -> int:
    paths = Paths(home_of(env))
    here = zone.machine_zone(env)
    roots = app.roots_of(paths, env)
    outlook = rehearse(paths.database, app.drivers, roots, here, now())
    for each in outlook.dispatches:
        name = f"{each.agent}/{each.schedule_id}"
        click.echo(f"would dispatch {name}  attempt {each.number}/{each.most}")
    click.echo(
        f"(dry-run) scanned {outlook.agents} agent(s); would dispatch {len(outlook.dispatches)};"
        f" next event: {_when(outlook.next_at, here)}"
    )
    return 0


def _when(at: int | None, here: tzinfo) -> str:
    return "—" if at is None else stamp(at, here)


def _note(text: str) -> None:
    click.echo(f"dotagent: {text}", err=True)
