"""``dotagent uninstall``: the service manager runs the daemon no more. The home stays as it is."""

from __future__ import annotations

import os
import sys

import click

from dotagent.cli import acting
from dotagent.core.errors import DotagentError, HomeError, UsageError
from dotagent.system import files, service
from dotagent.system.paths import Paths, home


@click.command("uninstall")
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, hidden=True)
def command(names: tuple[str, ...], everything: bool) -> int:
    """Stop the daemon and take it from systemd or launchd.

    Agents, their record and all messages that wait stay in the home. A run in progress may end
    within the stop grace.

    \b
    Example:
      dotagent uninstall
    """
    env = acting.environment()
    manager = service.manager(env, sys.platform)
    if manager is None:
        raise UsageError("this system has neither systemd nor launchd: nothing was installed")
    if not os.path.lexists(manager.path):
        click.echo(f"nothing to remove: there is no {manager.path}")
        return 0
    reachable = manager.reachable()
    said = manager.ask(manager.stopping) if reachable else None
    try:
        files.remove_if_there(manager.path)
        files.remove_if_there(Paths(home(env)).environment)
    except OSError as error:
        raise HomeError(f"{manager.path} cannot be removed: {error.strerror}") from error
    if reachable:
        manager.ask(manager.forgetting)
    click.echo(f"removed {manager.path}")
    if said is not None and not said.ok:
        raise DotagentError(f"it may still run: {said.text}", "See: dotagent status")
    click.echo("No schedule runs any more. To run them again: dotagent install")
    return 0
