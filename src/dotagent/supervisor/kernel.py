"""What the supervisor needs of the system: the process table, news of exits, signals to groups.

Invariant: a snapshot of the table is never older than the turn of the loop in which it is asked
for, so that fifty children that are stopped at once cost one walk through it, not a hundred.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from dotagent.supervisor.table import Row, Table, machine_table
from dotagent.supervisor.watch import Watcher, watch_exit


class Kernel:
    """One for all children of a loop."""

    def __init__(
        self,
        table: Table | None = None,
        watch: Watcher = watch_exit,
        kill_group: Callable[[int, int], None] = os.killpg,
    ) -> None:
        self.table = table or machine_table()
        self.watch = watch
        self.kill_group = kill_group
        self._rows: list[Row] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def snapshot(self) -> list[Row]:
        """The running processes as of this turn. On the loop only."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._rows = list(self.table.rows())
            self._loop = loop
            loop.call_soon(self._forget)
        return self._rows

    def _forget(self) -> None:
        self._loop = None
        self._rows = []
