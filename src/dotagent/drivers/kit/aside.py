"""Blocking work in a thread of its own, which nobody waits for once the caller has gone.

The event loop's executor has few threads, and work that hangs (a name server, a library with its
own sockets) holds one for half a minute: other work would queue behind it, and so would the end of
the process.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T], name: str = "dotagent-aside") -> T:
    """What ``work`` returns or raises. Cancelled, it goes on unheard."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(act: Callable[[], None]) -> None:
        if not answer.done():
            act()

    def run() -> None:
        try:
            told = partial(answer.set_result, work())
        except Exception as error:
            told = partial(answer.set_exception, error)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, told)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await answer
