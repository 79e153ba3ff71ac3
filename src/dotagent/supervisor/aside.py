"""Work that may hang in the kernel (a dead network folder, a stuck process), kept off the loop.

Each call has a daemon thread of its own, so that one that never returns holds up neither another
call nor our end; there are never more than there are attempts being started or cleaned up.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T], patience_ms: int) -> T:
    """Return what ``work`` returns. Raises what it raises, ``TimeoutError`` after ``patience_ms``
    (the thread is then left to itself), ``RuntimeError`` if there can be no further thread."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="aside", daemon=True).start()
    async with asyncio.timeout(patience_ms / 1000):
        return await done
