"""The machine's clocks as a test sets them: the time of day, sleep, steps; seconds pass as ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dotagent.system.alarm import Ring
from dotagent.system.clock import SystemClock


class ToldAlarm:
    """Rings at its instant; of a step the clock tells by itself, once, as the kernel does."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Ring, now: Callable[[], int]) -> None:
        self._loop, self._ring, self._now = loop, ring, now
        self._timer: asyncio.TimerHandle | None = None

    def arm(self, at: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at is not None:
            wait_ms = max(at - self._now(), 0)
            self._timer = self._loop.call_later(wait_ms / 1000, self._ring, False)

    def close(self) -> None:
        self.arm(None)


class ShiftedClock(SystemClock):
    """A real clock whose wall shows another time. ``sleep`` and ``step`` tell who waits at once, as
    the kernel does."""

    def __init__(self, at: int) -> None:
        super().__init__(self._told_alarm)
        self._asleep_ms = 0
        self._hung_ms = 0
        self._stall_ms = 0
        self._shift_ms = at - super().now()

    def now(self) -> int:
        return super().now() + self._shift_ms

    def asleep(self) -> int:
        """How long the machine has slept in all."""
        return self._asleep_ms

    def monotonic(self) -> int:
        now_ms = super().monotonic() + self._hung_ms
        stall_ms, self._stall_ms = self._stall_ms, 0
        self.hang(stall_ms)
        return now_ms

    def stall(self, ms: int) -> None:
        """The process is stopped for so long once it has looked at the monotonic clock again."""
        self._stall_ms = ms

    def hang(self, ms: int) -> None:
        """Time passes, and whoever waits is not woken: the process is stopped, the disk hangs."""
        self._hung_ms += ms
        self._shift_ms += ms

    def sleep(self, ms: int) -> None:
        """The machine sleeps for so long."""
        self._asleep_ms += ms
        self.step(ms)

    def step(self, ms: int) -> None:
        """Somebody sets the clock."""
        self._shift_ms += ms
        self._ring(True)

    def set(self, at: int) -> None:
        """Somebody sets the clock to this time."""
        self.step(at - self.now())

    def _told_alarm(self, loop: asyncio.AbstractEventLoop, ring: Ring) -> ToldAlarm:
        return ToldAlarm(loop, ring, self.now)
