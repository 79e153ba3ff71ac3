"""The daemon's ends of a child's pipes: one reader for each output, one writer for stdin.

Invariants: at most one chunk for each pipe and turn of the loop, so that a flood delays nobody;
nothing is buffered here; ``ended`` is called exactly once, at the end of the output or at
``close``, whichever is first.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable
from typing import Protocol

CHUNK = 64 * 1024


class Sink(Protocol):
    """Who receives the output of one pipe."""

    def feed(self, chunk: bytes) -> None:
        """The next chunk."""

    def end(self) -> None:
        """There will be no more."""


class Pump:
    """Reads ``fd`` (non-blocking) into ``sink`` as it comes. Owns ``fd``."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, fd: int, sink: Sink, ended: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._fd: int | None = fd
        self._sink = sink
        self._ended = ended
        loop.add_reader(fd, self._readable)

    @property
    def open(self) -> bool:
        """Whether the output may still go on."""
        return self._fd is not None

    def inode(self) -> int:
        """What names the pipe in the process table; 0 once it is closed."""
        return 0 if self._fd is None else os.fstat(self._fd).st_ino

    def held(self) -> bool:
        """Whether some process still holds the other end. Output that is left says nothing."""
        if self._fd is None:
            return False
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return not any(event & select.POLLHUP for _, event in poll.poll(0))

    def close(self) -> None:
        """Read what is there now, a pipe's capacity at most, and no more."""
        for _ in range(MAX_LAST_CHUNKS):
            if self._fd is None:
                return
            if not self._read():
                break
        self._finish()

    def _readable(self) -> None:
        self._read()

    def _read(self) -> bool:
        """One chunk. False if there was none for now."""
        assert self._fd is not None
        try:
            chunk = os.read(self._fd, CHUNK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            chunk = b""
        if chunk:
            self._sink.feed(chunk)
        else:
            self._finish()
        return True

    def _finish(self) -> None:
        if self._fd is None:
            return
        fd, self._fd = self._fd, None
        self._loop.remove_reader(fd)
        os.close(fd)
        self._sink.end()
        self._ended()


MAX_LAST_CHUNKS = 16
"""A pipe holds 64 KiB, or up to 1 MiB where its owner asked for it (pipe(7))."""


class Feeder:
    """Writes ``data`` to ``fd`` (non-blocking) and closes it. Owns ``fd``. That nobody reads is no
    error: a program may ignore its input."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int, data: bytes) -> None:
        self._loop = loop
        self._fd: int | None = fd
        self._left = memoryview(data)
        loop.add_writer(fd, self._writable)

    def close(self) -> None:
        """Write no more."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._loop.remove_writer(fd)
            os.close(fd)

    def _writable(self) -> None:
        assert self._fd is not None
        try:
            if self._left:
                self._left = self._left[os.write(self._fd, self._left[:CHUNK]) :]
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        if not self._left:
            self.close()
