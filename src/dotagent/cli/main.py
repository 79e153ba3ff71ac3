"""The command line: one file a command, each loaded when it is called.

Every command returns its exit status or raises a ``DotagentError``, which is said here, once, with
what to do next, and ends the process with the error's own status (product §9).
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from dotagent import __version__
from dotagent.cli import hot
from dotagent.cli.hot import complain
from dotagent.cli.usage import Group, ours
from dotagent.core.errors import DotagentError

COMMANDS = {
    "bootstrap": "make the home: config.toml, secrets.env, agents/",
    "init": "write a first agent: manifest and script",
    "add": "write an agent around a command",
    "demo": "watch the whole line work, in a scratch home",
    "run": "try an agent; nobody is told",
    "run-now": "run an agent for real, now",
    "tick": "run what is due, once (for cron)",
    "daemon": "run schedules until stopped",
    "status": "how everything is",
    "next": "what runs next",
    "why": "why an agent ran or did not, and who was told",
    "logs": "what an agent printed; -f follows",
    "history": "what ran, over all agents",
    "inspect": "one agent as it is set up",
    "inbox": "what happened, without any channel",
    "deliveries": "messages on their way, sent and dead",
    "pause": "run nothing of an agent for a while",
    "resume": "let it run again",
    "skip": "skip the next run",
    "silence": "hold back an agent's messages for a while",
    "stop": "end what runs of an agent now",
    "ack": "stop the reminders of what is known to fail",
    "daily-summary": "tell how everything stands, now",
    "connect": "set up where messages go, and try it",
    "notify": "try the channels: notify test",
    "install": "let systemd or launchd run the daemon",
    "uninstall": "take it from them again",
    "reload": "read manifests, config.toml and secrets again",
    "doctor": "check manifests, configuration and home",
    "plugin": "list, try and check plugins",
    "completions": "let your shell complete commands and names",
    "audit": "verify the record",
}
"""Every command, in the order of ``--help``: ``cli/<name>.py`` has it as ``command``."""


HIDDEN = {"_list-agents": "list_agents"}
"""Commands for scripts, in no list: name and file."""


class Lazy(Group):
    """Loads a command's file when it is called or asked for help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS and cmd_name not in HIDDEN:
            return None
        file = HIDDEN.get(cmd_name, cmd_name.replace("-", "_"))
        module = import_module(f"dotagent.cli.{file}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview from the table above: it must not import every command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Lazy,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "-V", "--version", message="dotagent %(version)s")
@click.pass_context
def root(ctx: click.Context) -> int | None:
    """Runs scheduled scripts and tells people what happened."""
    return hot.brief() if ctx.invoked_subcommand is None else None


def run(argv: Sequence[str]) -> int:
    """Run one command line; its exit status."""
    try:
        status = root.main(args=list(argv), prog_name="dotagent", standalone_mode=False)
    except DotagentError as error:
        return complain(error)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as help_page:
        help_page.show()
        return help_page.exit_code
    except click.ClickException as error:
        return complain(ours(error))
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise  # not what we print: it should have been classified where it arose
        click.echo(f"dotagent: cannot print: {error.strerror}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, click.Abort):
        click.echo("dotagent: interrupted", err=True)
        return 130
    return status if isinstance(status, int) else 0
