"""``dotagent logs``: what agents printed, as it came; with ``-f`` also what they print from now on.

Invariants: a terminal gets nothing that could steer it; what is no terminal gets the log byte for
byte and nothing else; following goes on over the turn of a day.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing

import click

from dotagent.cli.looking import Look, known, look
from dotagent.cli.names import AGENT
from dotagent.cli.screen import Pane
from dotagent.core.errors import NotFound
from dotagent.core.problems import quoted
from dotagent.core.shell import word
from dotagent.store import checkup
from dotagent.supervisor.logread import LogReader
from dotagent.system.paths import Paths
from dotagent.system.waiting import pause

LINES = 50
EACH = 10
"""Lines of each agent where none is named, and how many agents are shown."""
LOOK_AGAIN_MS = 100


@click.command()
@click.argument("name", type=AGENT, required=False)
@click.option("-n", "--lines", type=click.IntRange(min=0), help="How many lines (default: 50).")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is printed from now on.")
@click.option("--schedule", metavar="ID", help="Only the runs of this schedule.")
def command(name: str | None, lines: int | None, follow: bool, schedule: str | None) -> int:
    """Show the end of the log of the agent NAME.

    Without NAME: of the ten agents that printed last, ten lines each. Older pieces of a log are
    read too, compressed or not. What stands between two runs of several schedules can be told
    apart with --schedule.

    \b
    Example:
      dotagent logs disk-alert -n 20
      dotagent logs -f
    """
    with look() as seen:
        names = _latest(seen.paths, _agents(seen)) if name is None else [_one(seen, name)]
        paths = seen.paths
    if name is not None and not follow and not _has_log(paths, name):
        raise NotFound(
            f"{quoted(name)} has not printed anything yet, or its log is older than what is kept",
            f"See how it stands: dotagent why {name}",
        )
    if not names:
        raise NotFound("no agent has printed anything yet", "See how they stand: dotagent status")
    count = lines if lines is not None else (LINES if name is not None else EACH)
    with ExitStack() as stack:
        logs: dict[str, LogReader] = {}
        for each in names:
            log = LogReader(paths.agent_log_dir(each), f"{each}.log", schedule)
            logs[each] = stack.enter_context(closing(log))
        shown = Show(titled=name is None)
        _show(shown, logs, count, follow)
        shown.say(f"\nNext: dotagent {'status' if name is None else f'why {word(name)}'}\n")
    return 0


def _show(show: Show, logs: Mapping[str, LogReader], count: int, follow: bool) -> None:
    for name, log in logs.items():
        show.chunk(name, b"".join(log.last_lines(count)))
    while logs and follow and show.is_read:
        if not any(show.chunk(name, log.more()) for name, log in logs.items()):
            pause(LOOK_AGAIN_MS)
    show.close()


def _agents(seen: Look) -> list[str]:
    """Every agent that is known or has left a log."""
    if seen.reader is None:
        return []
    there = checkup.known(seen.reader, seen.now).agents
    try:
        kept = os.listdir(seen.paths.agent_logs)
    except FileNotFoundError:
        kept = []
    return sorted({*there, *kept})


def _one(seen: Look, name: str) -> str:
    known(name, _agents(seen), "there is no agent")
    return name


def _has_log(paths: Paths, name: str) -> bool:
    return os.path.exists(paths.agent_log(name))


def _latest(paths: Paths, names: list[str]) -> list[str]:
    """Those whose logs were written last, the very last one at the end."""
    there = [name for name in names if _has_log(paths, name)]
    by_age = sorted(there, key=lambda name: os.stat(paths.agent_log(name)).st_mtime_ns)
    return by_age[-EACH:]


class Show:
    """Our standard output, with a line that says whose log follows where there are several."""

    def __init__(self, *, titled: bool) -> None:
        sys.stdout.flush()
        self._pane = Pane(sys.stdout)
        self._is_titled = titled
        self._last: str | None = None

    @property
    def is_read(self) -> bool:
        """Whether anybody still reads."""
        return self._pane.is_open

    def chunk(self, name: str, data: bytes) -> bool:
        """What an agent printed; whether that was anything."""
        if not data:
            return False
        if self._is_titled and name != self._last:
            begin = "\n" if self._last is not None or self._pane.is_amid_line else ""
            self._pane.say(f"{begin}==> {name} <==\n")
            self._last = name
        self._pane.output(data)
        return True

    def say(self, text: str) -> None:
        """A word of ours, for a person only: a program gets the log and nothing else."""
        if self._pane.is_terminal:
            self._pane.say(f"\n{text}" if self._pane.is_amid_line else text)

    def close(self) -> None:
        self._pane.output(b"", last=True)
