"""The machine's clocks as a test sets them: the time of day, sleep, steps; seconds pass as ever."""

from __future__ import annotations

import asyncio

from dotagent.system.alarm import Alarm, RecheckAlarm, Ring
from dotagent.system.clock import SystemClock


class ShiftedClock(SystemClock):
    """A real clock whose wall shows another time. ``sleep`` and ``step`` tell who waits at once, as
    the kernel does."""

    def __init__(self, at: int) -> None:
        super().__init__(self._shifted_alarm)
        self._ring_all: Ring = lambda stepped: None
        self._asleep_ms = 0
        self._hung_ms = 0
        self._shift_ms = at - super().now()

    def now(self) -> int:
        return super().now() + self._shift_ms

    def asleep(self) -> int:
        """How long the machine has slept in all."""
        return self._asleep_ms

    def monotonic(self) -> int:
        return super().monotonic() + self._hung_ms

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
        self._ring_all(True)

    def set(self, at: int) -> None:
        """Somebody sets the clock to this time."""
        self.step(at - self.now())

    def _shifted_alarm(self, loop: asyncio.AbstractEventLoop, ring: Ring) -> Alarm:
        self._ring_all = ring
        return RecheckAlarm(loop, ring, wall=lambda: self.now() * 1_000_000)
