"""Servers of the test in a thread of their own: for tests that drive a real daemon."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

Server = TypeVar("Server", bound=AbstractAsyncContextManager[Any, Any])

GRACE_S = 1
"""Connections that were aborted end by themselves."""


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Run ``server`` until the test is through with it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="server")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(_finish(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _finish(server: AbstractAsyncContextManager[Any, Any]) -> None:
    await server.__aexit__(None, None, None)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if not others:
        return
    _, left = await asyncio.wait(others, timeout=GRACE_S)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
