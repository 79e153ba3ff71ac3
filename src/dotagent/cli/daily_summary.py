"""``dotagent daily-summary``: tell how everything stands, now.

The day's own summary is the daemon's (``[summary]`` in config.toml) and still comes at its time.
``--json`` prints what became of each message, as ``deliveries --json`` does; with ``--dry-run`` the
message itself: ``line`` and ``tail``.
"""

from __future__ import annotations

import click

from dotagent import app
from dotagent.cli.acting import act, environment
from dotagent.cli.deliveries import FINE, note, report
from dotagent.cli.looking import look, show, show_json
from dotagent.core.moment import local
from dotagent.store import summary


@click.command()
@click.option("--dry-run", is_flag=True, help="Print it; tell nobody.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of each message.")
def command(dry_run: bool, as_json: bool) -> int:
    """Tell how everything stands: the global channels that ask for it, and the inbox.

    Exits with 0 if every message arrived.

    \b
    Example:
      dotagent daily-summary --dry-run
    """
    if dry_run:
        return _preview(as_json=as_json)
    env = environment()
    done = act(app.paths_of(env), env, "summary", {}, role="daily-summary", say=note)
    found = report(done.answer["deliveries"], as_json=as_json)
    if not found and not as_json:
        click.echo("No channel asks for the daily summary; it is in the inbox: dotagent inbox")
    return 0 if all(each.state in FINE for each in found) else 1


def _preview(*, as_json: bool) -> int:
    with look() as seen:
        if seen.reader is None:
            nothing = "There is nothing to sum up yet."
            return show_json({"line": nothing, "tail": ""}) if as_json else show([nothing])
        day = local(seen.now, seen.zone).date().isoformat()
        line, below = summary.preview(seen.reader, day)
    if as_json:
        return show_json({"line": line, "tail": below})
    return show([line, *below.splitlines()])
