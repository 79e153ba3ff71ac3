"""The names that a home knows, as types of arguments: a shell completes them live.

Invariant: completing never fails, never writes and never asks: a home that cannot be read has no
names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

import click
from click.shell_completion import CompletionItem
from click.types import StringParamType

from dotagent.core.errors import DotagentError
from dotagent.store import names
from dotagent.store.reading import Reader, record
from dotagent.system.paths import Paths, home

Known = Sequence[tuple[str, str]]
"""Name, and a word about it."""


class Name(StringParamType):
    """A text that a shell completes with what ``known`` finds."""

    def __init__(self, name: str, known: Callable[[Reader, click.Context], Known]) -> None:
        self.name = name
        self._known = known

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Those that begin with what is there already."""
        try:
            with record(Paths(home(os.environ)).database) as reader:
                found = [] if reader is None else self._known(reader, ctx)
        except DotagentError:
            return []
        return [*_items(found, incomplete)]


def _items(found: Known, incomplete: str) -> Iterable[CompletionItem]:
    return (CompletionItem(name, help=help) for name, help in found if name.startswith(incomplete))


def _schedules(reader: Reader, ctx: click.Context) -> Known:
    """Of the agent that stands on the line already; of all where there is none."""
    agent = ctx.params.get("name") or ctx.params.get("agent")
    return names.schedules(reader, None if agent is None else str(agent))


AGENT = Name("agent", lambda reader, ctx: names.agents(reader))
AGENT_OR_SCHEDULE = Name("agent", lambda reader, ctx: names.agents_and_schedules(reader))
SCHEDULE = Name("schedule", _schedules)
NOTIFIER = Name("notifier", lambda reader, ctx: names.notifiers(reader))
