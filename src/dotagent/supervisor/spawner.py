"""Starts and supervises attempts: the real ``Spawner`` (see ports).

Invariants: whatever a script, its output or the disk does ends as a fact in ``Ended`` or as
``NotStarted``, never as an exception; between the start of the child and its supervision there is
no moment in which it could be lost.
"""

from __future__ import annotations

import asyncio
from subprocess import SubprocessError

from dotagent.core.model import Ended, Interrupted, NotStarted
from dotagent.ports import Child, Clock, Order
from dotagent.supervisor.kernel import Kernel
from dotagent.supervisor.launch import (
    NOT_RUNNABLE,
    Launched,
    default_signals,
    explain,
    launch,
    locate,
)
from dotagent.supervisor.logbook import Logs
from dotagent.supervisor.orphans import MARKER_NAME, LostAttempt
from dotagent.supervisor.pack import Fate, Limits, Pack
from dotagent.supervisor.record import STDERR, STDOUT, Record
from dotagent.supervisor.report import read_report

PATIENCE_MS = 5_000
"""How long KILL may take before a process counts as escaped."""
HELD = (
    "a process that had left the attempt still held its output; what it writes from now on is lost"
)

PROBE_MS = 10_000
"""How long the disk may take to say what a command is."""


class RealSpawner:
    """Spawns on the running loop. Make it on the main thread, before anything is started."""

    def __init__(
        self,
        clock: Clock,
        *,
        kernel: Kernel | None = None,
        patience_ms: int = PATIENCE_MS,
        probe_ms: int = PROBE_MS,
    ) -> None:
        self._clock = clock
        self._kernel = kernel or Kernel()
        self._patience_ms = patience_ms
        self._probe_ms = probe_ms
        self._logs = Logs(clock)
        default_signals()

    def writes_to(self, log_path: str) -> bool:
        """Whether an attempt under way may still write to this log."""
        return self._logs.is_open(log_path)

    async def start(self, order: Order) -> Child | NotStarted:
        """Start in a new session and process group; ``NotStarted`` says why it could not."""
        command = order.argv[0] if order.argv else ""
        found = await locate(command, order.cwd, order.env, self._probe_ms)
        record = Record(order, self._logs)
        if isinstance(found, NotStarted):
            return record.refuse(found)
        try:
            launched = launch(found, order.argv, order.cwd, order.env)
        except (OSError, ValueError, SubprocessError) as error:
            return record.refuse(explain(error, found, order.cwd))
        limits = Limits(
            timeout_ms=order.timeout_ms,
            grace_ms=order.grace_ms,
            drain_ms=order.drain_ms,
            patience_ms=self._patience_ms,
        )
        try:
            return RealChild(launched, order, record, limits, self._kernel, self._clock)
        except (OSError, RuntimeError) as error:
            launched.discard()
            why = f"it could not be supervised and was ended at once: {error}"
            return record.refuse(NotStarted(code=NOT_RUNNABLE, why=why))

    async def reap(self, marker: str, pid: int | None, started_ticks: int | None) -> bool:
        """Kill the processes of an attempt of a dead daemon and wait until they are gone. True if
        none is left; false if one could not be killed. ``pid`` and ``started_ticks`` must be of
        this boot of the machine."""
        lost = LostAttempt(self._kernel.table, marker, pid, started_ticks)
        return await lost.kill(self._patience_ms)


class RealChild:
    """A started attempt (see ports)."""

    def __init__(
        self,
        launched: Launched,
        order: Order,
        record: Record,
        limits: Limits,
        kernel: Kernel,
        clock: Clock,
    ) -> None:
        self.pid = launched.process.pid
        self.started_ticks = kernel.table.started(self.pid)
        self._order = order
        self._record = record
        self._clock = clock
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        bears = f"{MARKER_NAME}={order.marker}".encode()
        self._pack = Pack(launched, record.streams, limits, kernel, self._done, bears)

    async def wait(self) -> Ended:
        """Return once the leader is reaped and its group is gone or has escaped."""
        return await asyncio.shield(self._ended)

    def interrupt(self, why: str) -> None:
        """Begin TERM → grace → KILL now; ``wait`` then returns ``Interrupted(why)``, unless the
        leader has already ended or exceeded its timeout."""
        self._pack.stop(Interrupted(why=why))

    def _done(self, fate: Fate) -> None:
        left = fate.left_behind()
        if left is not None:
            self._record.note(left)
        self._record.close()
        result, problem = read_report(self._order.result_path, self._order.redactor)
        self._ended.set_result(
            Ended(
                exit=fate.exit,
                ended_at=self._clock.now(),
                stdout=self._record.tail(STDOUT),
                stderr=self._record.tail(STDERR),
                result=result,
                result_problem=problem,
                escaped=fate.escaped,
                problems=(
                    *([left] if left is not None else ()),
                    *self._record.problems(),
                    *([HELD] if fate.held else ()),
                ),
            )
        )
