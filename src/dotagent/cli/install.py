"""``dotagent install``: let this machine's service manager run the daemon, from now on.

Captures the environment that agents will run in, looks whether every agent's command is there in
it, writes the service file and, where a manager answers, starts it. Invariant: running it again is
harmless, and is how a changed shell is captured anew.
"""

from __future__ import annotations

import getpass
import os
import shlex
import sys
from collections.abc import Mapping, Sequence

import click

from dotagent import app
from dotagent.cli import acting
from dotagent.cli import doctor_files as files
from dotagent.cli.doctor_agent import check_command
from dotagent.cli.doctor_plugins import World
from dotagent.cli.service_file import service_of, text_of
from dotagent.core.config import Config
from dotagent.core.errors import DotagentError, HomeError, UsageError
from dotagent.core.model import Problem
from dotagent.core.problems import explain
from dotagent.core.unit import captured
from dotagent.system import environment, lock, service
from dotagent.system.files import make_folder, write_atomic
from dotagent.system.paths import Paths
from dotagent.system.service import Manager

NO_MANAGER = "this system has neither systemd nor launchd; let its own manager run: dotagent daemon"


@click.command("install")
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, hidden=True)
@click.option("--no-start", is_flag=True, help="Write the file; start nothing.")
@click.option("--linger", is_flag=True, help="Let it run while you are not logged in (Linux).")
@click.option(
    "--env",
    "also",
    multiple=True,
    metavar="NAME",
    help="Keep this variable of your shell for agents too; may be given several times.",
)
def command(
    names: Sequence[str], everything: bool, no_start: bool, linger: bool, also: Sequence[str]
) -> int:
    """Let systemd or launchd run dotagent: now, after every login, and again if it dies.

    Agents get the PATH, language and place of the shell that you call this from, not its other
    variables. Call it again after you changed your PATH.

    \b
    Example:
      dotagent install --linger
    """
    if names or everything:
        click.echo("One daemon runs all agents: there is nothing to install for a single one.")
    env = acting.environment()
    manager = service.manager(env, sys.platform)
    if manager is None:
        raise UsageError(NO_MANAGER)
    paths = app.paths_of(env)
    kept = _captured(env, also)
    config = files.read_config(paths).config
    _write(paths, manager, kept, config)
    _rehearse(paths, env, kept)
    status = _start(paths, manager, no_start=no_start)
    _more(manager, config, linger)
    click.echo("\nHow everything is: dotagent status")
    return status


def _captured(env: Mapping[str, str], also: Sequence[str]) -> dict[str, str]:
    unset = [name for name in also if name not in env]
    if unset:
        raise UsageError(f"your shell has no variable {unset[0]}", f"export {unset[0]}=… first")
    return captured(env, also)


def _write(paths: Paths, manager: Manager, kept: Mapping[str, str], config: Config) -> None:
    path = manager.path
    try:
        environment.write(paths.environment, kept)
        make_folder(os.path.dirname(path))
        text = text_of(manager, service_of(paths, kept, config.daemon.stop_grace_ms))
        write_atomic(path, text, durable=True)
    except OSError as error:
        raise HomeError(f"{error.filename or path} cannot be written: {error.strerror}") from error
    click.echo(f"wrote {path}")
    click.echo(f"agents will run with PATH={kept.get('PATH', '')}")
    click.echo(f"  and {len(kept)} variables in all, kept in {paths.environment}")


def _rehearse(paths: Paths, env: Mapping[str, str], kept: Mapping[str, str]) -> None:
    """Whether each command would be found by night, too."""
    world = World(
        agents_env=kept, shell_env=env, secrets={}, secrets_path=paths.secrets, plugin_dirs=()
    )
    roots = app.roots_of(paths, env)
    manifests, _ = files.read_all(roots, roots)
    wrong: list[tuple[str, Problem]] = []
    agents = 0
    for file in manifests:
        if file.manifest is not None and file.manifest.agent.enabled:
            agents += 1
            found = check_command(file.manifest, os.path.dirname(file.path), world)
            wrong += [(file.path, problem) for problem in found]
    for path, problem in wrong:
        click.echo(explain(problem, path))
    if wrong:
        click.echo(f"{len(wrong)} of {agents} commands would not start: mend them, or your PATH")
    elif agents:
        click.echo(f"every command is found in it ({agents} looked for)")


# ---------------------------------------------------------------------------------------- starting


def _start(paths: Paths, manager: Manager, *, no_start: bool) -> int:
    if no_start or not manager.reachable():
        why = "" if no_start else " (no service manager answers here)"
        click.echo(f"\nNot started{why}. To start it:")
        for words in manager.starting:
            click.echo(f"  {shlex.join(words)}")
        return 0
    said = manager.ask(manager.starting)
    if said.ok:
        click.echo("started: your schedules run now, and after every login")
        return 0
    holder = lock.peek(paths.lock)
    hint = f"See: journalctl --user -u {manager.name}"
    if holder is not None and holder.pid is not None:
        hint = (
            f"Process {holder.pid} holds the home. Stop it (kill {holder.pid}), then install again"
        )
    raise DotagentError(f"it could not be started: {said.text}", hint)


def _more(manager: Manager, config: Config, linger: bool) -> None:
    """What is still between this and a machine that never stays silent."""
    if isinstance(manager, service.Systemd):
        _linger(manager, linger)
    if config.deadman is None:
        click.echo(
            "\nIf this machine itself dies, who tells you? Let a watcher outside miss its ping: in"
            '\nconfig.toml, [deadman] url = "https://…" (a check of healthchecks.io, say)'
        )


def _linger(manager: Manager, wanted: bool) -> None:
    user = getpass.getuser()
    if service.lingers(user):
        return
    words = ("loginctl", "enable-linger", user)
    said = manager.ask([words]) if wanted else None
    if said is None:
        click.echo(f"\nIt ends when you log out. If it should not: {shlex.join(words)}")
    elif not said.ok:
        click.echo(f"\nlingering could not be enabled: {said.text}", err=True)
