"""``dotagent completions``: what makes a shell complete commands, options and the home's names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from dotagent.cli.looking import show

PROGRAM = "dotagent"
VARIABLE = "_DOTAGENT_COMPLETE"
"""How click is asked (https://click.palletsprojects.com/shell-completion/)."""
SHELLS = ("bash", "zsh", "fish")


@click.command("completions")
@click.argument("shell", type=click.Choice(SHELLS), metavar="bash|zsh|fish")
def command(shell: str) -> int:
    """Print the script that makes your shell complete dotagent's commands and your agents' names.

    \b
    Example:
      bash:  echo 'eval "$(dotagent completions bash)"' >> ~/.bashrc
      zsh:   echo 'eval "$(dotagent completions zsh)"' >> ~/.zshrc
      fish:  dotagent completions fish > ~/.config/fish/completions/dotagent.fish
    """
    made = get_completion_class(shell)
    assert made is not None
    # Every completion asks the program itself, so that names and commands are those of the moment.
    root = click.Group(PROGRAM)
    return show([made(root, {}, PROGRAM, VARIABLE).source()])
