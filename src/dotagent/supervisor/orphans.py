"""What an attempt of a dead daemon left behind: found by marker, pid and start time, and killed.

A process is ours if it bears the attempt's marker in the environment it started with, if it is the
leader that was recorded (pid and start time), or if it runs in the session or group of one of
these and that session is the leader's. Out of reach without cgroups: what left the session *and*
dropped the marker, or dropped it in a session in which nobody bears it and whose leader is gone.
Invariant: no other process is ever signalled, nor we ourselves or what started us.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack, suppress

from dotagent.supervisor.aside import aside
from dotagent.supervisor.grip import Grip, grip_all, kill_all
from dotagent.supervisor.table import Row, Table

MARKER_NAME = "AGENT_ATTEMPT_ID"
LOOKS = 2
"""Looks in a row that must find nobody new."""


class LostAttempt:
    """The processes of one attempt that has no supervisor any more."""

    def __init__(
        self, table: Table, marker: str, pid: int | None, started_ticks: int | None
    ) -> None:
        self._table = table
        self._entry = f"{MARKER_NAME}={marker}".encode() if marker else b""
        self._pid = pid
        self._started = started_ticks

    def survivors(self) -> list[Row]:
        """Who still runs. Reads the table: call it aside."""
        rows = list(self._table.rows())
        spared = self._ourselves(rows)
        known = [row for row in rows if self._is_known(row)]
        sessions = {row.session or row.group for row in known} & {self._pid}
        return [
            row
            for row in rows
            if row.pid not in spared
            and (row in known or row.session in sessions or row.group in sessions)
        ]

    async def kill(self, patience_ms: int) -> bool:
        """Kill them until none is left, for ``patience_ms`` at most. True if none is left."""
        with suppress(TimeoutError, RuntimeError):  # RuntimeError: there can be no further thread
            async with asyncio.timeout(patience_ms / 1000):
                while grips := await self._stopped(patience_ms):
                    await kill_all(grips)
                return True
        return False

    async def _stopped(self, patience_ms: int) -> list[Grip]:
        """Take hold of all of them, stopped. What is stopped cannot fork, and stays evidence for
        its session until all are found; only then may anything die."""
        grips: dict[tuple[int, int], Grip] = {}
        quiet = 0
        with ExitStack() as unfinished:
            while True:
                rows = await aside(self.survivors, patience_ms)
                new = [row for row in rows if (row.pid, row.started) not in grips]
                quiet = 0 if new else quiet + 1
                # Very rarely a look falls into an exec and misses its process; two in a row do not.
                if quiet == LOOKS:
                    unfinished.pop_all()
                    return list(grips.values())
                for held in grip_all(self._table, new):
                    unfinished.callback(held.close)
                    unfinished.callback(held.send, signal.SIGKILL)
                    grips[held.row.pid, held.row.started] = held
                    held.send(signal.SIGSTOP)

    def _is_known(self, row: Row) -> bool:
        if row.pid == self._pid and self._started and row.started == self._started:
            return True
        return bool(self._entry) and self._table.bears(row.pid, self._entry)

    def _ourselves(self, rows: list[Row]) -> set[int]:
        """This process and its ancestors: an agent may well start a daemon."""
        parents = {row.pid: row.parent for row in rows}
        chain = {os.getpid()}
        parent = os.getppid()
        while parent and parent not in chain:
            chain.add(parent)
            parent = parents.get(parent, 0)
        return chain
