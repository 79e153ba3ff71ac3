"""``dotagent daemon``: hold the home and run its schedules, in the foreground, until stopped.

Says one line when it is ready, what is not right then and what comes later, and one when it stops,
with what it still waits for. Invariant: from
its first statement on, a signal leads to an orderly end.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping

import click

from dotagent import app
from dotagent.cli.console import Console
from dotagent.cli.hot import complain
from dotagent.cli.taking_over import TakingOver
from dotagent.core.duration import human
from dotagent.core.errors import HeldError, StoreCorrupt
from dotagent.core.fit import one_line
from dotagent.core.model import AttemptKind
from dotagent.engine.mode import Unfinished
from dotagent.store.attempts import Run
from dotagent.store.holders import DAEMON
from dotagent.system import notify, service
from dotagent.system.paths import Paths
from dotagent.system.signals import INT, TERM, Signals


@click.command()
def command() -> int:
    """Run schedules until stopped.

    SIGTERM or Ctrl-C ends it: what runs may finish within the stop grace, a second signal ends
    that too. SIGHUP reads all manifests, config.toml and the secrets again. Thousands of new
    manifests take a while: what is known runs meanwhile, and the end of it is said.

    \b
    Example:
      dotagent daemon
      dotagent install   # systemd or launchd runs it
    """
    signals = Signals(stops=(TERM, INT)).listen()
    env = dict(os.environ)
    paths = app.paths_of(env)
    service.shorten(paths.service_log)  # a daemon that fails at each start has no other upkeep
    return _serve(paths, env, signals)


def _serve(paths: Paths, env: Mapping[str, str], signals: Signals) -> int:
    """Take the home as soon as no command holds it; 0 after an orderly end. A damaged database is
    set aside then, and the daemon goes on with a new one, once."""

    def ready() -> None:
        _say(f"dotagent: ready: process {os.getpid()} runs the schedules of {paths.home}")
        notify.tell(env, notify.READY)
        console.ready()

    def leaving(signal: str, unfinished: Unfinished) -> None:
        _say(f"dotagent: stopping ({signal}){_what_is_left(unfinished)}")
        notify.tell(env, notify.STOPPING)

    console = Console(paths, _say)
    purpose = app.Purpose(role=DAEMON, plan=True, failed=_failed, told=console.told)
    taking_over = TakingOver(paths, env, _say)
    is_anew = False
    while signals.stop is None:
        try:
            asyncio.run(app.hold(paths, env, purpose, ready, leaving, signals))
            _say("dotagent: stopped")
            return 0
        except HeldError as held:
            if held.role == DAEMON:
                held.hint = f"It runs the schedules already. To end it: kill {held.pid}"
                raise
            taking_over.wait(held)
        except StoreCorrupt as damaged:
            if is_anew:
                raise
            is_anew = True
            complain(damaged)
    taking_over.give_up()
    return 0


def _what_is_left(unfinished: Unfinished) -> str:
    left = []
    if unfinished.runs:
        grace = human(unfinished.grace_ms)
        left.append(f"{', '.join(unfinished.runs)} may finish within {grace}")
    if unfinished.sends:
        messages = "1 message is" if unfinished.sends == 1 else f"{unfinished.sends} messages are"
        left.append(f"{messages} on the way")
    return f": {'; '.join(left)}" if left else ""


def _failed(run: Run, words: str) -> None:
    """A line for the terminal or the journal, however the messages fare."""
    name = f"{run.agent}/{run.schedule_id}"
    attempt = f"attempt {run.number}: " if run.kind == AttemptKind.WINDOW else ""
    text = f"dotagent: {name}: {attempt}{one_line(words)}; see: dotagent why {run.agent}"
    _say(text, err=True)


def _say(text: str, *, err: bool = False) -> None:
    """Whether anybody reads it is nothing to end for."""
    try:
        click.echo(text, err=err)
    except OSError:
        stream = sys.stderr if err else sys.stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
