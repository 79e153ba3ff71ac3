"""Alarms ring at their instant of the wall clock, or when that clock is set."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import time
from collections.abc import Callable

import pytest

from dotagent.system.alarm import Alarm, KernelAlarm, RecheckAlarm, Timerfd, best_alarm
from tests.support.system import linux_only

KINDS = [pytest.param(KernelAlarm, marks=linux_only), RecheckAlarm, best_alarm]
Kind = Callable[[asyncio.AbstractEventLoop, Callable[[bool], None]], Alarm]


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Rings:
    """What rang, and a wait for the next."""

    def __init__(self) -> None:
        self.heard: list[tuple[bool, int]] = []
        self._any = asyncio.Event()

    def __call__(self, stepped: bool) -> None:
        """Be rung."""
        self.heard.append((stepped, now()))
        self._any.set()

    async def next(self) -> tuple[bool, int]:
        """The next ring: whether the clock was set, and when it rang."""
        await self._any.wait()
        self._any.clear()
        return self.heard[-1]


@pytest.mark.parametrize("kind", KINDS)
async def test_it_rings_once_at_its_instant(kind: Kind) -> None:
    """Never early, and a little late at most."""
    rings = Rings()
    alarm = kind(asyncio.get_running_loop(), rings)
    at = now() + 20
    alarm.arm(at)
    stepped, rang_at = await rings.next()
    alarm.close()

    assert not stepped
    assert at <= rang_at < at + 10_000
    assert 1 == len(rings.heard)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_last_word_holds(kind: Kind) -> None:
    """Armed again, it forgets what it was armed for, be it earlier or later."""
    rings = Rings()
    alarm = kind(asyncio.get_running_loop(), rings)
    alarm.arm(now() + 3_600_000)
    alarm.arm(now() + 5)
    alarm.arm(at := now() + 30)
    _, rang_at = await rings.next()
    alarm.close()

    assert at <= rang_at
    assert 1 == len(rings.heard)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", [-5, 0, 1, 1_000])
async def test_the_past_rings_at_once(kind: Kind, at: int) -> None:
    """Even where a zero would mean never to the kernel."""
    rings = Rings()
    alarm = kind(asyncio.get_running_loop(), rings)
    alarm.arm(at)
    stepped, _ = await rings.next()
    alarm.close()

    assert not stepped


@pytest.mark.parametrize("kind", KINDS)
async def test_never_is_possible(kind: Kind) -> None:
    """Disarmed, or armed beyond all calendars, it stays silent."""
    rings, other = Rings(), Rings()
    alarm = kind(asyncio.get_running_loop(), rings)
    alarm.arm(now() + 1)
    alarm.arm(None)
    alarm.arm(10**30)
    beside = kind(asyncio.get_running_loop(), other)
    beside.arm(now() + 15)
    await other.next()
    alarm.close()
    alarm.close()
    beside.close()

    assert [] == rings.heard


class SetClock(Timerfd):
    """The kernel's timer on a machine whose clock is set at every ``moment``."""

    def __init__(self, moment: str, number: int) -> None:
        super().__init__()
        self._moment = moment
        self._number = number

    def set(self, seconds: int, nanoseconds: int) -> None:
        """Set it, and learn that the clock was set before."""
        super().set(seconds, nanoseconds)
        self._fail_at("set")

    def read(self) -> None:
        """Read it, and learn that the clock was set meanwhile."""
        super().read()
        self._fail_at("read")

    def _fail_at(self, moment: str) -> None:
        if moment == self._moment:
            raise OSError(self._number, os.strerror(self._number))


@linux_only
@pytest.mark.parametrize("moment", ["read", "set"])
async def test_a_clock_that_is_set_rings_at_once(moment: str) -> None:
    """The kernel tells it while we wait (by the read) and while we did not look (by the set)."""
    rings = Rings()
    loop = asyncio.get_running_loop()
    alarm = KernelAlarm(loop, rings, lambda: SetClock(moment, errno.ECANCELED))
    alarm.arm(1 if moment == "read" else now() + 3_600_000)
    stepped, _ = await rings.next()
    alarm.close()

    assert stepped
    assert 1 == len(rings.heard)


@linux_only
async def test_what_else_goes_wrong_is_not_taken_for_a_ring() -> None:
    """A timer that cannot be set is an error, not an alarm."""
    loop = asyncio.get_running_loop()
    alarm = KernelAlarm(loop, Rings(), lambda: SetClock("set", errno.EINVAL))

    with pytest.raises(OSError, match="Invalid argument"):
        alarm.arm(1)
    alarm.close()


@linux_only
async def test_a_ring_that_was_overtaken_is_none() -> None:
    """An alarm armed anew between its ring and our reading has not rung."""
    rings = Rings()
    alarm = KernelAlarm(asyncio.get_running_loop(), rings)
    alarm.arm(1)
    time_is_up = now() + 5
    while now() < time_is_up:
        pass
    alarm.arm(at := now() + 20)
    _, rang_at = await rings.next()
    alarm.close()

    assert at <= rang_at
    assert 1 == len(rings.heard)


async def test_without_the_kernel_s_help_the_clock_is_looked_at() -> None:
    """A wall clock that moved against the monotonic one rings at the next look."""
    wall = [time.time_ns()]
    rings = Rings()
    alarm = RecheckAlarm(asyncio.get_running_loop(), rings, lambda: wall[0], recheck_ms=5)
    alarm.arm(wall[0] // 1_000_000 + 3_600_000)
    wall[0] -= 2 * 3_600_000_000_000
    stepped, _ = await rings.next()
    alarm.close()

    assert stepped


async def test_a_clock_that_was_set_while_nobody_waited() -> None:
    """Who is armed after it does not wait for a time that the clock has left: it rings at once, as
    the kernel's does, and only once."""
    set_by = [0]
    rings = Rings()
    loop = asyncio.get_running_loop()
    alarm = RecheckAlarm(loop, rings, lambda: time.time_ns() + set_by[0])
    alarm.arm(at := now() + 3_600_000)
    alarm.arm(None)
    set_by[0] = -2 * 3_600_000_000_000
    alarm.arm(at)
    stepped, _ = await rings.next()
    alarm.arm(at)
    await asyncio.sleep(0)
    alarm.close()

    assert stepped
    assert 1 == len(rings.heard)


async def test_looking_at_the_clock_is_no_ring() -> None:
    """The looks in between pass unnoticed, and the instant is still met."""
    rings = Rings()
    alarm = RecheckAlarm(asyncio.get_running_loop(), rings, recheck_ms=5)
    alarm.arm(at := now() + 30)
    stepped, rang_at = await rings.next()
    alarm.close()

    assert not stepped
    assert at <= rang_at
    assert 1 == len(rings.heard)


@linux_only
async def test_a_kernel_without_timers_to_give_is_no_obstacle() -> None:
    """Out of descriptors, the clock is looked at instead."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(used, limits[0]) // 2, limits[1]))
    try:
        alarm = best_alarm(asyncio.get_running_loop(), lambda stepped: None)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert isinstance(alarm, RecheckAlarm)
    alarm.close()
