"""``dotagent notify test``: does a message arrive? Sent like any other, marked as a test.

``--json`` prints one object: ``deliveries``, each as in ``deliveries --json``, with ``took_ms``
from the commit to the answer, and ``uninterested``: who does not ask for such an event.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from dotagent.cli.acting import environment
from dotagent.cli.deliveries import data_of
from dotagent.cli.layout import Page, page_for
from dotagent.cli.looking import show_json
from dotagent.cli.names import AGENT, NOTIFIER
from dotagent.cli.tried import Tried, paths_of, send_test
from dotagent.cli.usage import Group
from dotagent.core.model import Kind
from dotagent.core.shell import word
from dotagent.system.signals import Signals

EVENTS = click.Choice([kind.value for kind in Kind if kind is not Kind.TEST])


@click.group(cls=Group)
def command() -> None:
    """Try the channels on which people are told.

    \b
    Example:
      dotagent notify test
    """


@command.command()
@click.argument("agent", type=AGENT, required=False)
@click.option("--event", "event", type=EVENTS, metavar="EVENT", help="Look like this event.")
@click.option(
    "--notifier",
    "notifiers",
    type=NOTIFIER,
    multiple=True,
    metavar="ID",
    help="Only this channel, whatever events it asks for; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as one JSON object.")
def test(agent: str | None, event: str | None, notifiers: Sequence[str], as_json: bool) -> int:
    """Send a test message, marked as one, and see whether it arrives.

    To everybody who is told of AGENT; without AGENT to the notifiers of config.toml. What arrives
    also puts a channel back to work that had been given up. Quiet hours, silences and rate limits
    do not hold it. Exits with 1 if any channel failed.

    \b
    Example:
      dotagent notify test
      dotagent notify test disk-alert --event given_up
    """
    signals = Signals().listen()
    env = environment()
    paths = paths_of(env)
    asked = {"agent": agent, "event": event, "notifiers": list(notifiers)}
    tried = send_test(paths, env, asked, signals, quiet=as_json)
    failed = tried.failed
    if as_json:
        data = {"deliveries": data_of(tried.deliveries), "uninterested": list(tried.uninterested)}
        return show_json(data) or int(bool(failed))
    page = page_for(sys.stdout, env)
    for line in _after(page, tried, agent, event):
        click.echo(line)
    return 1 if failed else 0


def _after(page: Page, tried: Tried, agent: str | None, event: str | None) -> list[str]:
    """Who was left out, and the next command."""
    lines = []
    if tried.uninterested:
        names = ", ".join(tried.uninterested)
        lines += page.paragraph(f"Not asked for {event}, so not tried: {names}", "doubtful")
    again = f"dotagent notify test{f' {word(agent)}' if agent else ''}"
    if tried.failed:
        where = f"the manifest of {agent} or config.toml" if agent else "config.toml"
        lines += ["", *page.paragraph(f"Mend what failed in {where}, then: {again}")]
    else:
        following = "dotagent status" if tried.by_daemon else "dotagent install"
        lines += ["", *page.paragraph(f"Next: {following}")]
    return lines
