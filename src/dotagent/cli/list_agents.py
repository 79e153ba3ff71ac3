"""``dotagent _list-agents``: the names of all agents, one a line, for scripts made for 0.1.x.

Not shown in the help. Like the completions it names what the home knows: it never fails for a home
that has nothing to say.
"""

from __future__ import annotations

import click

from dotagent.cli.looking import look, show
from dotagent.store import names


@click.command("_list-agents", hidden=True)
def command() -> int:
    """Print the names of all agents, in order.

    \b
    Example:
      dotagent _list-agents
    """
    with look() as seen:
        found = [] if seen.reader is None else names.agents(seen.reader)
        return show([name for name, _ in found])
