"""Threads for work that may hang in the kernel: a dead network folder, a disk that fails.

asyncio's own executor has a handful of threads and waits for all of them at the end: a few that
never return would hold up all other work, and the end itself. Here no call waits for another: it
takes a daemon thread that has nothing to do, or a new one. How many there are is bounded by who
calls, and none outlives the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

IDLE = 4
"""So many threads wait for the next call; a new one costs several times as much as the call."""

Work = Callable[[], None]


class Threads(ThreadPoolExecutor):
    """An executor in which nothing queues; ``asyncio`` takes none that is not a
    ``ThreadPoolExecutor``."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[SimpleQueue[Work]] = []
        """One queue a thread that has nothing to do, the one that worked last at the end."""

    @property
    def idle(self) -> int:
        """How many threads wait for the next call."""
        return len(self._waiting)

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

        try:
            self._waiting.pop().put(work)
        except IndexError:
            self._start(work)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing is waited for."""

    def _start(self, work: Work) -> None:
        threading.Thread(
            target=self._serve, args=(work,), name="dotagent-work", daemon=True
        ).start()

    def _serve(self, work: Work) -> None:
        """Work, then wait for more, unless enough others do. One who is in the list is given work
        by whoever takes him out of it, and by nobody else."""
        queue = SimpleQueue[Work]()
        while True:
            work()
            del work  # what it holds must not live until the next call
            if len(self._waiting) >= IDLE:
                return
            self._waiting.append(queue)
            work = queue.get()
