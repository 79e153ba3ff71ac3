"""A clock that a test turns: hours pass in no time, and only while nothing else happens.

It wakes its sleepers as the real one does: when their instant has come, and all of them when the
wall clock is set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Wheel:
    """A ``Clock`` (see ports) at ``now``, which moves by ``go`` and ``step`` alone."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._passed = 0
        self._sleepers: dict[asyncio.Future[None], int] = {}
        self._on_step: Callable[[], None] = lambda: None

    def now(self) -> int:
        return self._now

    def monotonic(self) -> int:
        return self._passed

    async def sleep_until(self, at: int) -> None:
        if at <= self._now:
            await asyncio.sleep(0)
            return
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers[sleeper] = at
        try:
            await sleeper
        finally:
            self._sleepers.pop(sleeper, None)

    def watch(self, on_step: Callable[[], None]) -> None:
        self._on_step = on_step

    def close(self) -> None:
        self._wake(list(self._sleepers))

    # ------------------------------------------------------------------------------- by the test

    @property
    def next_at(self) -> int | None:
        """The earliest instant that somebody waits for."""
        return min(self._sleepers.values(), default=None)

    @property
    def sleepers(self) -> int:
        return len(self._sleepers)

    def go(self, to: int) -> None:
        """Time passes up to there."""
        self._passed += to - self._now
        self._now = to
        self._wake([one for one, at in self._sleepers.items() if at <= to])

    def step(self, by: int) -> None:
        """The wall clock is set; no time passes."""
        self._now += by
        self._on_step()
        self._wake(list(self._sleepers))

    def _wake(self, sleepers: list[asyncio.Future[None]]) -> None:
        for sleeper in sleepers:
            if not sleeper.done():
                sleeper.set_result(None)


async def breath() -> None:
    """Let threads and sockets do what they have to do, for a moment."""
    await asyncio.sleep(0.005)
