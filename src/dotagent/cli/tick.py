"""``dotagent tick``: run what is due, once, and end. For cron, where no daemon runs.

Ends when all it started has ended and told. A tick that comes meanwhile is carried out by the one
that is under way. ``--dry-run`` decides the same on a copy in memory and writes nothing at all.

``--json`` prints ``agents``, ``dispatched`` (null where a daemon runs the schedules), ``next``, and
``would``: what ``--dry-run`` would start: ``agent``, ``schedule``, ``attempt``, ``max_attempts``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo

import click

from dotagent import app
from dotagent.cli.acting import act, environment
from dotagent.cli.looking import show_json
from dotagent.cli.progress import doing
from dotagent.core.moment import stamp
from dotagent.steps.rehearse import Dispatch, rehearse
from dotagent.store import plan_view
from dotagent.store.reading import connect_reader
from dotagent.system import zone
from dotagent.system.paths import Paths
from dotagent.system.paths import home as home_of
from dotagent.system.signals import Signals
from dotagent.system.waiting import now


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would start; start and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--verbose", is_flag=True, hidden=True)  # of 0.1.x, where it did nothing either
def command(dry_run: bool, as_json: bool, verbose: bool) -> int:
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
        return _rehearse(env, as_json=as_json)
    signals = Signals().listen()
    paths = app.paths_of(env)
    with doing("reading the manifests, and running what is due"):
        done = act(paths, env, "tick", {}, role="tick", say=_note, signals=signals)
    dispatched = done.answer.get("dispatched")
    if dispatched is None and not as_json:
        click.echo(f"the daemon, process {done.by}, runs the schedules here; it looks again now")
        return 0
    reader = connect_reader(paths.database)
    try:
        count, next_at = plan_view.agents(reader), plan_view.next_at(reader)
    finally:
        reader.close()
    if as_json:
        return _json(env, agents=count, dispatched=dispatched, next_at=next_at)
    next_event = _when(next_at, zone.machine_zone(env))
    click.echo(f"scanned {count} agent(s); dispatched {dispatched}; next event: {next_event}")
    return 0


def _json(
    env: Mapping[str, str],
    *,
    agents: int,
    dispatched: int | None,
    next_at: int | None,
    would: Sequence[Dispatch] = (),
) -> int:
    at = None if next_at is None else stamp(next_at, zone.machine_zone(env))
    rows = [
        {
            "agent": each.agent,
            "schedule": each.schedule_id,
            "attempt": each.number,
            "max_attempts": each.most,
        }
        for each in would
    ]
    return show_json({"agents": agents, "dispatched": dispatched, "next": at, "would": rows})


def _rehearse(env: Mapping[str, str], *, as_json: bool) -> int:
    paths = Paths(home_of(env))
    here = zone.machine_zone(env)
    roots = app.roots_of(paths, env)
    outlook = rehearse(paths.database, app.drivers, roots, here, now())
    if as_json:
        return _json(
            env,
            agents=outlook.agents,
            dispatched=0,
            next_at=outlook.next_at,
            would=outlook.dispatches,
        )
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
