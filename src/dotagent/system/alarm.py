"""Alarms: one wake-up at an instant of the WALL clock, or as soon as that clock may have been set,
also where that was while nobody waited: then it rings as it is armed.

``KernelAlarm`` is told by Linux (timerfd_create(2)): no wake-up but the right one, suspended time
counts. ``RecheckAlarm`` serves elsewhere: a timer that looks at the clock every 30 s at the latest.
Both call ``ring(stepped)`` on the loop; an alarm is armed again by whoever was rung.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

Ring = Callable[[bool], None]
"""``ring(stepped)``: the instant has come (false) or the wall clock was set (true)."""

LAST_AT = 253_402_300_799_000
"""The end of the year 9999: later instants are as good as never, and fit every ``time_t``."""


class Alarm(Protocol):
    """What the clock needs of an alarm."""

    def arm(self, at: int | None) -> None:
        """Ring once at ``at``, in place of what was armed before; None: never."""

    def close(self) -> None:
        """Never ring again."""


def best_alarm(loop: asyncio.AbstractEventLoop, ring: Ring) -> Alarm:
    """The best alarm that this machine has: a kernel may be without timerfd, or out of them."""
    if sys.platform == "linux" and ctypes.sizeof(ctypes.c_long) == 8:
        with suppress(OSError):
            return KernelAlarm(loop, ring)
    return RecheckAlarm(loop, ring)


# --------------------------------------------------------------------------------- Linux, 64 bit


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


CLOCK_REALTIME = 0
TFD_NONBLOCK = os.O_NONBLOCK
TFD_CLOEXEC = os.O_CLOEXEC
TFD_TIMER_ABSTIME = 1
TFD_TIMER_CANCEL_ON_SET = 2


class Timerfd:
    """The kernel's timer file, call by call. Every call raises OSError."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._checked(
            self._libc.timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC)
        )

    def fileno(self) -> int:
        """Readable once the time has come or the clock was set."""
        return self._fd

    def set(self, seconds: int, nanoseconds: int) -> None:
        """Expire at this time of the wall clock; at 0, 0 never. ECANCELED: the clock was set while
        an earlier time stood; the new one stands all the same (timerfd_create(2), NOTES)."""
        spec = _Itimerspec(_Timespec(), _Timespec(seconds, nanoseconds))
        flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET
        self._checked(self._libc.timerfd_settime(self._fd, flags, ctypes.byref(spec), None))

    def read(self) -> None:
        """Take the expiry back. EAGAIN: there was none; ECANCELED: the clock was set."""
        os.read(self._fd, 8)

    def close(self) -> None:
        """Give it back, once."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result


class KernelAlarm:
    """A timerfd on CLOCK_REALTIME that is cancelled, and so rings, when the clock is set."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ring: Ring,
        make: Callable[[], Timerfd] = Timerfd,
    ) -> None:
        """``make`` is the seam for the one thing that a test must not do: set the machine's clock.

        OSError if the kernel has no timer to give.
        """
        self._loop = loop
        self._ring = ring
        self._timer = make()
        self._fd = self._timer.fileno()
        loop.add_reader(self._fd, self._readable)

    def arm(self, at: int | None) -> None:
        """See ``Alarm``. Zero would disarm, so what lies before 1970 rings at its first
        millisecond."""
        seconds, ms = divmod(0 if at is None else min(max(at, 1), LAST_AT), 1000)
        try:
            self._timer.set(seconds, ms * 1_000_000)
        except OSError as error:
            if error.errno != errno.ECANCELED:
                raise
            self._loop.call_soon(self._ring, True)

    def close(self) -> None:
        """See ``Alarm``."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._timer.close()
            self._fd = -1

    def _readable(self) -> None:
        try:
            self._timer.read()
        except BlockingIOError:
            return  # armed anew since it became readable
        except OSError as error:
            if error.errno != errno.ECANCELED:
                raise
            self._ring(True)
        else:
            self._ring(False)


# -------------------------------------------------------------------------------------- elsewhere

RECHECK_MS = 30_000
STEP_MS = 1_000
"""Wall and monotonic clock may drift this far apart from one look at them to the next before it
counts as a step."""


class RecheckAlarm:
    """A loop timer that never waits longer than 30 s without looking at the wall clock."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ring: Ring,
        wall: Callable[[], int] = time.time_ns,
        recheck_ms: int = RECHECK_MS,
    ) -> None:
        """``wall``: nanoseconds since the epoch."""
        self._loop = loop
        self._ring = ring
        self._wall = wall
        self._recheck_ms = recheck_ms
        self._timer: asyncio.TimerHandle | None = None
        _, self._offset_ms = self._clocks()

    def arm(self, at: int | None) -> None:
        """See ``Alarm``."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at is None:
            return
        wall_ms, stepped = self._look()
        if stepped:
            self._loop.call_soon(self._ring, True)
        wait_ms = min(max(at - wall_ms, 0), self._recheck_ms)
        self._timer = self._loop.call_later(wait_ms / 1000, self._wake, at)

    def close(self) -> None:
        """See ``Alarm``."""
        self.arm(None)

    def _wake(self, at: int) -> None:
        wall_ms, stepped = self._look()
        if stepped or wall_ms >= at:
            self._timer = None
            self._ring(stepped)
        else:
            self.arm(at)

    def _look(self) -> tuple[int, bool]:
        """What the wall shows, and whether it was set since the last look."""
        before_ms = self._offset_ms
        wall_ms, self._offset_ms = self._clocks()
        return wall_ms, abs(self._offset_ms - before_ms) > STEP_MS

    def _clocks(self) -> tuple[int, int]:
        """The wall clock, and how far it is from the monotonic one."""
        wall_ms = self._wall() // 1_000_000
        return wall_ms, wall_ms - time.monotonic_ns() // 1_000_000
