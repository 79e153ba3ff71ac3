"""Sleepers wake at their instant, together when the clock is set, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable

import pytest

from dotagent.ports import Clock
from dotagent.system.alarm import Ring
from dotagent.system.clock import SystemClock, asleep
from tests.support.system import linux_only


class Scripted:
    """An alarm that rings when the test says so."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Ring) -> None:
        self.ring = ring
        self.armed: list[int | None] = []

    def arm(self, at: int | None) -> None:
        """Note for when."""
        self.armed.append(at)

    def close(self) -> None:
        """Note the end."""
        self.armed.append(None)


class Stage:
    """A clock over a scripted alarm."""

    def __init__(self) -> None:
        self.alarms: list[Scripted] = []
        self.clock = SystemClock(self._make)

    @property
    def alarm(self) -> Scripted:
        """The one alarm."""
        (alarm,) = self.alarms
        return alarm

    def sleep(self, at: int) -> asyncio.Task[None]:
        """A sleeper until ``at``."""
        return asyncio.create_task(self.clock.sleep_until(at))

    def _make(self, loop: asyncio.AbstractEventLoop, ring: Ring) -> Scripted:
        self.alarms.append(Scripted(loop, ring))
        return self.alarms[-1]


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.fixture
async def clock() -> AsyncIterator[SystemClock]:
    """The real thing."""
    clock = SystemClock()
    yield clock
    clock.close()


def test_it_is_a_clock() -> None:
    """It stands behind the port, and tells the machine's time in milliseconds."""
    clock: Clock = SystemClock()

    assert abs(clock.now() - time.time() * 1000) < 1000
    assert abs(clock.monotonic() - time.monotonic() * 1000) < 1000


async def test_a_sleeper_wakes_at_its_instant(clock: SystemClock) -> None:
    """Not before, whatever the rounding; not long after."""
    at = clock.now() + 20
    await clock.sleep_until(at)

    assert at <= clock.now() < at + 10_000


async def test_sleepers_wake_in_their_order(clock: SystemClock) -> None:
    """Many share one timer, and it is set for the earliest of them each time."""
    woken: list[int] = []

    async def sleeper(ms: int) -> None:
        await clock.sleep_until(start + ms)
        woken.append(ms)

    start = clock.now()
    await asyncio.gather(*(sleeper(ms) for ms in (30, 10, 40, 20)))

    assert [10, 20, 30, 40] == woken


async def test_the_past_is_no_sleep_but_lets_others_run(clock: SystemClock) -> None:
    """A loop of overdue sleeps cannot starve the rest of the program."""
    others: list[int] = []
    asyncio.get_running_loop().call_soon(others.append, 1)
    await clock.sleep_until(0)

    assert [1] == others


async def test_all_wake_when_the_clock_is_set() -> None:
    """What anybody waits for may have come or gone: each looks anew."""
    stage = Stage()
    far = stage.clock.now() + 3_600_000
    sleepers = [stage.sleep(far), stage.sleep(far + 1)]
    await settle()
    stage.alarm.ring(True)
    await asyncio.gather(*sleepers)

    assert [far, None] == stage.alarm.armed


async def test_who_watches_is_told_asleep_or_not() -> None:
    """Of each step, from the first moment on, also while nobody sleeps; of no other ring."""
    stage, told = Stage(), list[int]()
    stage.clock.watch(lambda: told.append(len(told)))
    watched = list(stage.alarm.armed)
    stage.alarm.ring(True)
    sleeper = stage.sleep(stage.clock.now() + 3_600_000)
    await settle()
    stage.alarm.ring(False)
    stage.alarm.ring(True)
    await sleeper

    assert [None] == watched
    assert [0, 1] == told


async def test_a_ring_before_the_time_wakes_nobody() -> None:
    """An alarm that rings for no reason is set again for the same instant."""
    stage = Stage()
    far = stage.clock.now() + 3_600_000
    sleeper = stage.sleep(far)
    await settle()
    stage.alarm.ring(False)
    await settle()

    assert not sleeper.done()
    assert [far, far] == stage.alarm.armed
    sleeper.cancel()


async def test_a_cancelled_sleeper_leaves_nothing_behind() -> None:
    """The alarm goes back to the next one, and to silence after the last."""
    stage = Stage()
    far = stage.clock.now() + 3_600_000
    near, later = stage.sleep(far), stage.sleep(far + 5)
    await settle()
    for sleeper in (near, later):
        sleeper.cancel()
        await settle()

    assert [far, far + 5, None] == stage.alarm.armed


async def test_a_later_sleeper_does_not_touch_the_alarm() -> None:
    """Only an earlier instant than all others costs a system call."""
    stage = Stage()
    far = stage.clock.now() + 3_600_000
    sleepers = [stage.sleep(far + delay) for delay in (5, 7, 5, 6)]
    await settle()
    sleepers.append(stage.sleep(far))
    await settle()

    assert [far + 5, far] == stage.alarm.armed
    for sleeper in sleepers:
        sleeper.cancel()


async def test_a_sleeper_cancelled_as_it_wakes_is_cancelled() -> None:
    """The ring and the cancellation may meet; the sleeper's owner has the last word."""
    stage = Stage()
    sleeper = stage.sleep(stage.clock.now() + 3_600_000)
    await settle()
    sleeper.cancel()
    stage.alarm.ring(True)

    with pytest.raises(asyncio.CancelledError):
        await sleeper


@linux_only
async def test_closing_wakes_the_rest_and_gives_the_timer_back() -> None:
    """After ``close`` no descriptor is left, and nobody sleeps for ever."""

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    clock = SystemClock()
    sleeper = asyncio.create_task(clock.sleep_until(clock.now() + 3_600_000))
    await settle()
    meanwhile = descriptors()
    clock.close()
    clock.close()
    await sleeper

    assert [before + 1, before] == [meanwhile, descriptors()]


def test_a_closed_clock_serves_another_loop() -> None:
    """One clock may be used by one loop after another."""
    clock = SystemClock()

    async def nap() -> None:
        await clock.sleep_until(clock.now() + 2)
        clock.close()

    naps: list[Callable[[], object]] = [lambda: asyncio.run(nap()), lambda: asyncio.run(nap())]
    assert [None, None] == [one() for one in naps]


def test_sleep_is_never_negative() -> None:
    """How long the machine has slept only grows."""
    first, second = asleep(), asleep()

    assert 0 <= first <= second + 1
