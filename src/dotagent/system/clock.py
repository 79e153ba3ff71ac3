"""The machine's clocks behind the port ``Clock``.

Any number of sleepers share one alarm, armed for the earliest of them. Invariants: no sleeper wakes
after its instant has passed unless the loop was busy; all wake when the wall clock is set, since
what they wait for may have come or gone, and who watches is told then, asleep or not; a cancelled
sleeper leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

from dotagent.system.alarm import Alarm, Ring, best_alarm


def asleep() -> int:
    """Milliseconds that the machine has slept since it started; 0 where nobody can tell. Linux
    counts them in one of two clocks (clock_gettime(2)), and so does macOS (clock_gettime(3))."""
    names = ("CLOCK_UPTIME_RAW", "CLOCK_MONOTONIC_RAW")
    if sys.platform == "linux":
        names = ("CLOCK_MONOTONIC", "CLOCK_BOOTTIME")
    if not all(hasattr(time, name) for name in names):
        return 0
    awake, all_of_it = (time.clock_gettime_ns(getattr(time, name)) for name in names)
    return max(all_of_it - awake, 0) // 1_000_000


class SystemClock:
    """The real ``Clock`` (see ports). Belongs to the loop that first sleeps by it."""

    def __init__(
        self, alarm: Callable[[asyncio.AbstractEventLoop, Ring], Alarm] = best_alarm
    ) -> None:
        self._make_alarm = alarm
        self._alarm: Alarm | None = None
        self._armed: int | None = None
        self._sleepers: dict[asyncio.Future[None], int] = {}
        self._on_step: Callable[[], None] = lambda: None

    def now(self) -> int:
        """Milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> int:
        """Milliseconds since some moment; never steps."""
        return time.monotonic_ns() // 1_000_000

    async def sleep_until(self, at: int) -> None:
        """Return when the wall clock reaches ``at`` or was set, whichever is first."""
        if at <= self.now():
            await asyncio.sleep(0)
            return
        self._have_alarm()
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers[sleeper] = at
        if self._armed is None or at < self._armed:
            self._arm(at)
        try:
            await sleeper
        except asyncio.CancelledError:
            if self._sleepers.pop(sleeper, None) == self._armed:
                self._arm_for_the_earliest()
            raise

    def watch(self, on_step: Callable[[], None]) -> None:
        """Call this when the wall clock is set, from now on, also while nobody sleeps."""
        self._on_step = on_step
        self._have_alarm()
        self._arm_for_the_earliest()

    def close(self) -> None:
        """Give the kernel's timer back. Sleepers that are left wake at once."""
        self._wake(list(self._sleepers))
        if self._alarm is not None:
            self._alarm.close()
            self._alarm = self._armed = None

    def _have_alarm(self) -> None:
        if self._alarm is None:
            self._alarm = self._make_alarm(asyncio.get_running_loop(), self._ring)

    def _ring(self, stepped: bool) -> None:
        if stepped:
            self._on_step()
        now = self.now()
        self._wake([one for one, at in self._sleepers.items() if stepped or at <= now])
        self._arm_for_the_earliest()

    def _wake(self, sleepers: list[asyncio.Future[None]]) -> None:
        for sleeper in sleepers:
            del self._sleepers[sleeper]
            if not sleeper.done():
                sleeper.set_result(None)

    def _arm_for_the_earliest(self) -> None:
        self._arm(min(self._sleepers.values(), default=None))

    def _arm(self, at: int | None) -> None:
        self._armed = at
        if self._alarm is not None:
            self._alarm.arm(at)
