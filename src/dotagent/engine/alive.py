"""Tells the service manager that the loop still turns: a daemon that hangs is ended and started
again, instead of staying silent (sd_notify(3), ``WATCHDOG=1``)."""

from __future__ import annotations

from collections.abc import Callable

from dotagent.ports import Clock


async def keep_telling(clock: Clock, watchdog_ms: int, tell: Callable[[], None]) -> None:
    """Tell at once and then twice in each ``watchdog_ms``, for ever. It stops by itself where the
    loop it runs in does: that is the point."""
    while True:
        tell()
        await clock.sleep_until(clock.now() + watchdog_ms // 2)
