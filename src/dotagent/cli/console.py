"""What the daemon's console says of the home: what is not right as it starts, and what comes later.

Invariant: each trouble is said once by a daemon: what stands when it is ready, then what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dotagent.cli import status_files
from dotagent.cli.layout import plain
from dotagent.cli.status_text import View
from dotagent.core.fit import one_line
from dotagent.store.glance import Glance, look
from dotagent.store.reading import record
from dotagent.system.paths import Paths
from dotagent.system.waiting import now
from dotagent.system.wall import Wall


class Console:
    """``ready`` when the engine is about to run; ``told`` of each critical event of the home, from
    any thread. ``say`` prints a line."""

    def __init__(self, paths: Paths, say: Callable[[str], None]) -> None:
        self._paths = paths
        self._say = say
        self._ready_at: int | None = None

    def ready(self) -> None:
        """Say what stands."""
        at = self._ready_at = now()
        with record(self._paths.database) as reader:
            view = View(at, Wall(), self._paths.home, None)
            for line in _standing(view, look(reader, at)):
                self._say(f"dotagent: {one_line(line)}")

    def told(self, at: int, message: str) -> None:
        """Something new."""
        if self._ready_at is not None and at > self._ready_at:
            self._say(f"dotagent: {plain(one_line(message))}")


def _standing(view: View, glance: Glance) -> Iterator[str]:
    lists = glance.lists
    for row in lists["troubles"]:
        yield " ".join(status_files.trouble(row))
    if any(row["what"] == "config.toml" for row in lists["troubles"]):
        yield from filter(None, (status_files.alone(glance),))
    for row in lists["manifests"]:
        yield ": ".join(status_files.manifest(view, row))
    for row in lists["channels"]:
        if row["parked_at"] is not None:
            yield f"{status_files.channel(row)}: {status_files.messages(view, row)}"
