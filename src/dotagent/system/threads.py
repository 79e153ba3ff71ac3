"""Threads for work that may hang in the kernel: a dead network folder, a disk that fails.

asyncio's own executor has a handful of threads and waits for all of them at the end: a few that
never return would hold up all other work, and the end itself. Here each call has a daemon thread of
its own; how many there are is bounded by who calls, and none outlives the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads(ThreadPoolExecutor):
    """An executor without a pool; ``asyncio`` takes none that is not a ``ThreadPoolExecutor``."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin at once. Raises ``RuntimeError`` where there can be no further thread."""
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=work, name="dotagent-work", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing is waited for."""
