"""How the end of our own child is noticed without reaping it: its pid stays taken until we reap.

pidfd on Linux, kqueue on macOS, a waiting thread elsewhere. Invariant: ``on_exit`` is
called at most once, on the loop, never from inside ``watch_exit``, and not after ``close``.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from dotagent.supervisor.grip import open_pidfd


class Watch(Protocol):
    """A child being watched."""

    def close(self) -> None:
        """Watch no longer."""


Watcher = Callable[[asyncio.AbstractEventLoop, int, Callable[[], None]], Watch]
"""``watcher(loop, pid, on_exit)`` for a child of ours that is not reaped yet."""


def watch_exit(loop: asyncio.AbstractEventLoop, pid: int, on_exit: Callable[[], None]) -> Watch:
    """Watch by the best means there is."""
    with suppress(ProcessLookupError):
        pidfd = open_pidfd(pid)
        if pidfd is not None:
            return _ReadableWatch(loop, pidfd, os.close, on_exit)
    if sys.platform == "darwin":
        return _watch_by_kqueue(loop, pid, on_exit)
    return watch_by_thread(loop, pid, on_exit)


class _ReadableWatch:
    """A descriptor that becomes readable when the child has ended."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        fd: int,
        release: Callable[[int], None],
        on_exit: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._fd: int | None = fd
        self._release = release
        self._on_exit = on_exit
        loop.add_reader(fd, self._readable)

    def _readable(self) -> None:
        self.close()
        self._on_exit()

    def close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._loop.remove_reader(fd)
            self._release(fd)


class _PostedWatch:
    """A child whose end is posted to the loop from elsewhere."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_exit: Callable[[], None]) -> None:
        self._loop = loop
        self._on_exit: Callable[[], None] | None = on_exit

    def post(self) -> None:
        """Any thread: the child has ended."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._exited)

    def _exited(self) -> None:
        if self._on_exit is not None:
            on_exit, self._on_exit = self._on_exit, None
            on_exit()

    def close(self) -> None:
        self._on_exit = None


def watch_by_thread(
    loop: asyncio.AbstractEventLoop, pid: int, on_exit: Callable[[], None]
) -> Watch:
    """A thread waits for the end and leaves the child unreaped (waitid(2), ``WNOWAIT``)."""
    watch = _PostedWatch(loop, on_exit)

    def wait() -> None:
        if sys.platform != "darwin":
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        watch.post()

    threading.Thread(target=wait, name=f"watch-{pid}", daemon=True).start()
    return watch


if sys.platform == "darwin":

    def _watch_by_kqueue(
        loop: asyncio.AbstractEventLoop, pid: int, on_exit: Callable[[], None]
    ) -> Watch:
        """kqueue(2), ``EVFILT_PROC`` with ``NOTE_EXIT``; a child that has ended is refused."""
        queue = select.kqueue()
        event = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
        try:
            queue.control([event], 0)
        except ProcessLookupError:
            queue.close()
            ended = _PostedWatch(loop, on_exit)
            ended.post()
            return ended
        return _ReadableWatch(loop, queue.fileno(), lambda _: queue.close(), on_exit)
