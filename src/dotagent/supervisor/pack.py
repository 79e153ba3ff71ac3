"""One child and all it brings along, from its start until nothing of it is left: a state table.

Invariants: a group is signalled only while its leader is not reaped, for so long its number cannot
belong to anybody else; the first reason to stop wins; every state but RUNNING has a timer, so the
end always comes; the leader is reaped exactly once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

from dotagent.core.model import Exited, Interrupted, Lost, Signaled, TimedOut
from dotagent.supervisor.aside import aside
from dotagent.supervisor.grip import Vigil, grip_all, kill_all, runs
from dotagent.supervisor.kernel import Kernel
from dotagent.supervisor.launch import Launched
from dotagent.supervisor.pump import Pump, Sink
from dotagent.supervisor.table import Row

LINGERS, LINGER_S = 20, 0.01
"""How often, and for how long, what has closed its output gets to end by itself: a filter does that
first, and then ends."""
SHUT_MS = 1_000
"""How long outsiders who hold the pipes get to die once the group is gone."""


class State(Enum):
    """What we wait for."""

    RUNNING = auto()
    """the leader's own end, or the timeout"""
    STOPPING = auto()
    """the group's end after TERM, for the grace"""
    DRAINING = auto()
    """the end of the output that leftovers of an ended leader hold"""
    KILLING = auto()
    """the group's end after KILL"""
    SHUTTING = auto()
    """the end of the output when the group is gone"""
    DONE = auto()


class Cue(Enum):
    """What happens."""

    EXIT = auto()
    """the leader has ended"""
    SHUT = auto()
    """all output has ended"""
    EMPTY = auto()
    """leader and group are gone"""
    TIME = auto()
    """the state's timer"""
    STOP = auto()
    """somebody wants it to end"""
    NOW = auto()
    """somebody wants it to end without grace"""


TABLE: Mapping[tuple[State, Cue], State] = MappingProxyType(
    {
        (State.RUNNING, Cue.EXIT): State.DRAINING,
        (State.RUNNING, Cue.TIME): State.STOPPING,
        (State.RUNNING, Cue.STOP): State.STOPPING,
        (State.RUNNING, Cue.NOW): State.KILLING,
        (State.STOPPING, Cue.EMPTY): State.SHUTTING,
        (State.STOPPING, Cue.TIME): State.KILLING,
        (State.STOPPING, Cue.NOW): State.KILLING,
        (State.DRAINING, Cue.SHUT): State.KILLING,
        (State.DRAINING, Cue.TIME): State.KILLING,
        (State.DRAINING, Cue.STOP): State.KILLING,
        (State.DRAINING, Cue.NOW): State.KILLING,
        (State.KILLING, Cue.EMPTY): State.SHUTTING,
        (State.KILLING, Cue.TIME): State.DONE,
        (State.SHUTTING, Cue.SHUT): State.DONE,
        (State.SHUTTING, Cue.TIME): State.DONE,
    }
)
"""What is not named here changes nothing."""

Fatal = TimedOut | Interrupted


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The spans of one child."""

    timeout_ms: int
    grace_ms: int
    drain_ms: int
    patience_ms: int
    """How long KILL may take before those that are left count as escaped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """How it ended. ``escaped``: what could not be killed. ``killed``: how many processes were
    killed that the leader left behind. ``held``: an outsider kept the pipes."""

    exit: Exited | Signaled | TimedOut | Interrupted | Lost
    escaped: tuple[int, ...] = ()
    killed: int = 0
    held: bool = False

    def left_behind(self) -> str | None:
        """What was killed, for a person."""
        if not self.killed:
            return None
        if self.killed == 1:
            return "1 process it left behind was killed"
        return f"{self.killed} processes it left behind were killed"


class Pack:
    """Supervises ``launched`` on the running loop and calls ``on_done`` once. ``bears`` is the
    entry of the environment by which what left the session is found."""

    def __init__(
        self,
        launched: Launched,
        sinks: Sequence[Sink],
        limits: Limits,
        kernel: Kernel,
        on_done: Callable[[Fate], None],
        bears: bytes = b"",
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._process = launched.process
        self.pid = launched.process.pid
        self._limits = limits
        self._kernel = kernel
        self._on_done = on_done
        self._bears = bears
        self._state = State.RUNNING
        self._verdict: Fatal | None = None
        self._exited = False
        self._reaped = False
        self._lost = False
        self._vigil: Vigil | None = None
        self._hunt: asyncio.Task[None] | None = None
        self._hunted: list[Row] = []
        self._left = 0
        self._lingers = LINGERS
        self._is_told = False
        self._is_stuck = False
        self._watch = kernel.watch(self._loop, self.pid, self._told)
        self._timer = self._after(limits.timeout_ms)
        self._pumps = [
            Pump(self._loop, fd, sink, self._shut)
            for fd, sink in zip((launched.stdout, launched.stderr), sinks, strict=True)
        ]

    # ---------------------------------------------------------------------------------- requests

    def stop(self, verdict: Fatal) -> None:
        """TERM, grace, KILL. The verdict stands if the leader has not ended before."""
        self._notice()
        if self._state is State.RUNNING:
            self._verdict = verdict
        self._fire(Cue.STOP)

    def kill(self, verdict: Fatal) -> None:
        """KILL at once."""
        self._notice()
        if self._state is State.RUNNING:
            self._verdict = verdict
        self._fire(Cue.NOW)

    # -------------------------------------------------------------------------------------- cues

    def _fire(self, cue: Cue) -> None:
        state = TABLE.get((self._state, cue))
        if state is None:
            return
        self._is_stuck = (self._state, cue) == (State.KILLING, Cue.TIME)
        self._state = state
        self._timer.cancel()
        _ENTER[state](self)

    def _time(self) -> None:
        state = self._state
        self._notice()
        if self._state is not state:  # the end came first, and with it another timer
            return
        if state is State.RUNNING:
            self._verdict = TimedOut(after_ms=self._limits.timeout_ms)
        self._fire(Cue.TIME)

    def _told(self) -> None:
        self._is_told = True
        self._notice()

    def _notice(self) -> None:
        """Look whether the leader has ended."""
        if self._exited or not self._has_exited():
            return
        self._exited = True
        self._watch.close()
        self._fire(Cue.EXIT)
        self._look_soon()
        if self._state is State.DONE:  # it had escaped, and has ended after all
            self._reap()

    def _shut(self) -> None:
        if self._hunt is not None or any(pump.open for pump in self._pumps):
            return
        if self._state is State.DRAINING and self._lingers > 0 and self._brood():
            self._lingers -= 1
            self._loop.call_later(LINGER_S, self._shut)
            return
        self._fire(Cue.SHUT)

    def _brood(self) -> int:
        """How many processes the leader has left in its group that are not about to end."""
        return sum(not row.exiting for row in self._kernel.table.brood(self.pid))

    def _end_output(self) -> None:
        """Wait for what is left in the pipes, but not for outsiders that we may not end."""
        self._shut()
        if any(pump.held() for pump in self._pumps):
            self._fire(Cue.TIME)

    def _look_soon(self) -> None:
        """In the next turn: so the snapshot of the table is younger than the reason to look."""
        self._loop.call_soon(self._look)

    def _look(self) -> None:
        """Look whether, after the leader, the others are gone too; else wait for them."""
        if not self._exited or self._state not in (State.STOPPING, State.KILLING):
            return
        left = [] if self._reaped and not self._group_exists() else self._members()
        if not left:
            self._fire(Cue.EMPTY)
            return
        grips = grip_all(self._kernel.table, left)
        if self._state is State.KILLING and not self._reaped:
            for held in grips:  # it may have been born between the walk and the KILL
                held.send(signal.SIGKILL)
        self._stop_vigil()
        if grips:
            self._vigil = Vigil(self._loop, grips, self._look_soon)
        else:
            self._look_soon()

    # ------------------------------------------------------------------------------------ states

    def _enter_stopping(self) -> None:
        self._timer = self._after(self._limits.grace_ms)
        self._signal(signal.SIGTERM, signal.SIGCONT)  # what is stopped would never see the TERM

    def _enter_draining(self) -> None:
        self._timer = self._after(self._limits.drain_ms)
        self._shut()

    def _enter_killing(self) -> None:
        self._timer = self._after(self._limits.patience_ms)
        if self._verdict is None:
            self._left = self._brood()
        self._signal(signal.SIGKILL)
        if self._verdict is None:  # one KILL is enough: the group's number tells if anybody is left
            self._reap()
            if not self._group_exists():
                self._fire(Cue.EMPTY)
                return
        self._look_soon()

    def _enter_shutting(self) -> None:
        self._timer = self._after(SHUT_MS)
        self._signal(signal.SIGKILL)  # a walk through the table is no proof; this costs nothing
        pipes = frozenset(pump.inode() for pump in self._pumps if pump.held())
        if pipes and self._bears:
            self._hunt = self._loop.create_task(self._kill_holders(pipes))
        else:
            self._end_output()

    def _enter_done(self) -> None:
        self._stop_vigil()
        if self._hunt is not None:
            self._hunt.cancel()
        escaped = {row.pid for row in self._unkilled()}
        if self._exited:
            self._reap()
        held = any(pump.held() for pump in self._pumps)
        for pump in self._pumps:
            pump.close()
        killed = max(self._left + len(self._hunted) - len(escaped), 0)
        fate = Fate(exit=self._exit(), escaped=tuple(sorted(escaped)), killed=killed, held=held)
        self._on_done(fate)

    # ---------------------------------------------------------------------------- acts and facts

    def _after(self, span_ms: int) -> asyncio.TimerHandle:
        return self._loop.call_later(span_ms / 1000, self._time)

    def _signal(self, *numbers: int) -> None:
        """Signal the group, and on a stop also what left it for another group of its session."""
        if self._reaped:
            return
        strays = [row for row in self._members() if row.group != self.pid] if self._verdict else []
        grips = grip_all(self._kernel.table, strays)
        for number in numbers:
            with suppress(ProcessLookupError, PermissionError):
                self._kernel.kill_group(self.pid, number)
            for held in grips:
                held.send(number)
        for held in grips:
            held.close()

    def _members(self) -> list[Row]:
        """Who runs in the leader's group or, on a stop, in its session; not the leader."""
        return [
            row
            for row in self._kernel.snapshot()
            if (row.group == self.pid or (self._verdict and row.session == self.pid))
            and row.pid != self.pid
        ]

    def _unkilled(self) -> list[Row]:
        """Who runs although all was done."""
        leader = None if self._exited else self._kernel.table.row(self.pid)
        others = self._members() if self._is_stuck else []
        hunted = [row for row in self._hunted if runs(self._kernel.table, row)]
        return [*([leader] if leader else []), *others, *hunted]

    def _group_exists(self) -> bool:
        try:
            self._kernel.kill_group(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def _has_exited(self) -> bool:
        """Whether the leader has, without reaping it. macOS has no waitid before Python 3.13."""
        if sys.platform != "darwin":
            try:
                return os.waitid(os.P_PID, self.pid, _PEEK) is not None
            except ChildProcessError:
                self._lost = self._reaped = True
                return True
        else:
            return self._is_told

    def _reap(self) -> None:
        self._reaped = True
        self._process.wait()

    def _exit(self) -> Exited | Signaled | TimedOut | Interrupted | Lost:
        if self._verdict is not None:
            return self._verdict
        if self._lost:
            return Lost(why="somebody else took its exit status")
        code = self._process.returncode
        return Exited(code=code) if code >= 0 else Signaled(number=-code)

    def _stop_vigil(self) -> None:
        if self._vigil is not None:
            self._vigil.close()
            self._vigil = None

    async def _kill_holders(self, pipes: frozenset[int]) -> None:
        """Kill what left the session, but still bears our marker and holds our pipes."""
        table = self._kernel.table

        def find() -> list[Row]:
            return [
                row
                for row in table.rows()
                if row.pid != os.getpid()
                and table.bears(row.pid, self._bears)
                and table.holds(row.pid, pipes)
            ]

        with suppress(TimeoutError, RuntimeError):
            self._hunted = await aside(find, SHUT_MS)
            await kill_all(grip_all(table, self._hunted))
        self._hunt = None
        self._end_output()


_PEEK = 0 if sys.platform == "darwin" else os.WEXITED | os.WNOHANG | os.WNOWAIT

_ENTER: Mapping[State, Callable[[Pack], None]] = MappingProxyType(
    {
        State.STOPPING: Pack._enter_stopping,
        State.DRAINING: Pack._enter_draining,
        State.KILLING: Pack._enter_killing,
        State.SHUTTING: Pack._enter_shutting,
        State.DONE: Pack._enter_done,
    }
)
