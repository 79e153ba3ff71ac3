"""A hold on one process of the table: signals reach that process or nobody.

Where there is pidfd (Linux 5.3) the kernel keeps that promise: the process is looked at again after
its pidfd is open. Elsewhere its start time is compared right before the signal, which leaves the
few microseconds that such a system always leaves.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterable

from dotagent.supervisor.table import Row, Table

RECHECK_S = 0.02
"""How often processes are looked at where the kernel does not say that they are gone."""


def open_pidfd(pid: int) -> int | None:
    """A pidfd; None where the system has none to give. Raises ``ProcessLookupError``."""
    if sys.platform == "linux":
        try:
            return os.pidfd_open(pid)
        except ProcessLookupError:
            raise
        except OSError:  # an old kernel, a sandbox, no descriptor left
            return None
    else:
        return None


def runs(table: Table, row: Row) -> bool:
    """Whether ``row``'s process, and not another of its number, still runs."""
    now = table.row(row.pid)
    return now is not None and now.started == row.started


class Grip:
    """One process, held. Close it."""

    def __init__(self, table: Table, row: Row, pidfd: int | None) -> None:
        self.row = row
        self.pidfd = pidfd
        self._table = table

    def gone(self) -> bool:
        """Whether it runs no more."""
        return not runs(self._table, self.row)

    def send(self, number: int) -> None:
        """Signal it if it is still there and we may: what remains shows in ``gone``."""
        try:
            if self.pidfd is not None and sys.platform == "linux":
                signal.pidfd_send_signal(self.pidfd, number)
            elif not self.gone():
                os.kill(self.row.pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def close(self) -> None:
        """Let go."""
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None


def grip(table: Table, row: Row) -> Grip | None:
    """Take hold of ``row``'s process; None if it is gone."""
    try:
        held = Grip(table, row, open_pidfd(row.pid))
    except ProcessLookupError:
        return None
    if held.gone():
        held.close()
        return None
    return held


def grip_all(table: Table, rows: Iterable[Row]) -> list[Grip]:
    """Take hold of those that are still there."""
    return [held for row in rows if (held := grip(table, row)) is not None]


class Vigil:
    """Calls ``on_gone`` once when all of ``grips`` are gone; closes them then, or when closed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        grips: Iterable[Grip],
        on_gone: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._on_gone = on_gone
        self._grips = set(grips)
        self._timer: asyncio.TimerHandle | None = None
        for held in self._grips:
            if held.pidfd is not None:
                loop.add_reader(held.pidfd, self._gone, held)
        self._recheck()

    def close(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
        for held in list(self._grips):
            self._drop(held)

    def _gone(self, held: Grip) -> None:
        if held not in self._grips:
            return
        self._drop(held)
        if not self._grips:
            self.close()
            self._on_gone()

    def _drop(self, held: Grip) -> None:
        self._grips.discard(held)
        if held.pidfd is not None:
            self._loop.remove_reader(held.pidfd)
        held.close()

    def _recheck(self) -> None:
        """Look at those whose end the kernel does not tell."""
        silent = [held for held in self._grips if held.pidfd is None]
        for held in silent:
            if held.gone():
                self._loop.call_soon(self._gone, held)
        if silent:
            self._timer = self._loop.call_later(RECHECK_S, self._recheck)


async def kill_all(grips: list[Grip]) -> None:
    """Kill, and wait until all are gone."""
    if not grips:
        return
    loop = asyncio.get_running_loop()
    gone = loop.create_future()
    for held in grips:
        held.send(signal.SIGKILL)
    vigil = Vigil(loop, grips, lambda: gone.set_result(None))
    try:
        await gone
    finally:
        vigil.close()
