"""``dotagent run``: try an agent. Everything is real but that nobody is told (product §7).

The output comes live on our own stdout and stderr; the exit status is the agent's.
"""

from __future__ import annotations

import click

from dotagent import app
from dotagent.cli import live
from dotagent.cli.acting import act, environment
from dotagent.cli.find_agent import find
from dotagent.cli.live import Live
from dotagent.cli.names import AGENT, SCHEDULE
from dotagent.cli.screen import Screen
from dotagent.core.model import AttemptKind
from dotagent.core.shell import word
from dotagent.system.signals import Signals


@click.command()
@click.argument("name", type=AGENT)
@click.option(
    "--schedule", metavar="ID", type=SCHEDULE, help="Run as this schedule (default: the first)."
)
@click.option("--dry-run", is_flag=True, help="AGENT_DRY_RUN=true; no heartbeat, no agent log.")
@click.option("--shell-env", is_flag=True, help="Give it this shell's environment instead.")
def command(name: str, schedule: str | None, dry_run: bool, shell_env: bool) -> int:
    """Try the agent NAME and watch it.

    Nobody is told, no schedule and no outage changes. It runs in the daemon's environment, as it
    will at night. Exits with the agent's own code: 0 also for its success and warn codes, 124
    after a timeout, 128+n after signal n, 75 if preflight blocked it or it said "not now".

    \b
    Example:
      dotagent run disk-alert
      dotagent run disk-alert --schedule daily --dry-run
    """
    signals = Signals().listen()
    env = environment()
    paths = app.paths_of(env)
    app.prepare_store(paths)
    found = find(paths, env, name, last_good=False)
    live.sweep(paths)
    screen = Screen()
    asked: dict[str, object] = {}
    try:
        for remark in found.remarks:
            screen.note(remark)
        asked = {
            **found.args,
            "schedule": schedule,
            "kind": AttemptKind.TRIAL,
            "dry_run": dry_run,
            "tee": True,
            "shell_env": live.lend(paths, env) if shell_env else None,
        }
        watch = Live(paths, screen, tee=True).watch
        done = act(
            paths, env, "run", asked, role="run", watch=watch, say=screen.note, signals=signals
        )
        attempt = live.ended(paths, done)
        screen.note(f"{name}/{attempt.schedule_id}: {live.sentence(attempt)}; nobody was told")
        advice = live.advice(paths, env, attempt, by_us=done.by is None)
        if advice is not None:
            screen.note(advice)
        elif live.status(attempt) != 0:
            again = "" if schedule is None else f" --schedule {word(schedule)}"
            screen.note(f"next: mend it, then: dotagent run {word(name)}{again}")
        elif "path" not in found.args:
            screen.note(f"next: {live.following(paths, name)}")
        return live.status(attempt)
    finally:
        live.take_back(paths, asked)
        asked_already = signals.stops
        screen.close(lambda: signals.stops > asked_already)
