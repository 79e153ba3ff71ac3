"""Tells the service manager that the loop still turns: a daemon that hangs is ended and started
again, instead of staying silent (sd_notify(3), ``WATCHDOG=1``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from dotagent.ports import Clock
from dotagent.system import notify


@contextmanager
def watched(clock: Clock, env: Mapping[str, str], pid: int) -> Iterator[None]:
    """While this lasts, the service manager that started this process hears that the loop turns."""
    watchdog_ms = notify.watchdog_ms(env, pid)
    if watchdog_ms is None:
        yield
        return
    telling = asyncio.create_task(
        keep_telling(clock, watchdog_ms, lambda: notify.tell(env, notify.ALIVE))
    )
    try:
        yield
    finally:
        telling.cancel()


async def keep_telling(clock: Clock, watchdog_ms: int, tell: Callable[[], None]) -> None:
    """Tell at once and then twice in each ``watchdog_ms``, for ever. It stops by itself where the
    loop it runs in does: that is the point."""
    while True:
        tell()
        await clock.sleep_until(clock.now() + watchdog_ms // 2)
