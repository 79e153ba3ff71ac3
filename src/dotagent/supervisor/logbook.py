"""Files that are appended to: the copies for a person who watches, the agents' logs, the daemon's.

A log is shared by all attempts of its agent that are under way, and begins anew each local day and
when it is full; the older pieces stay beside it (core/pieces.py). Invariants: nothing here raises;
what the system did not take is counted; a log and its older pieces are bounded in size.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import tzinfo

from dotagent.core.pieces import TIMES, Piece, beyond, day_ends_at, day_of, next_name, parse
from dotagent.ports import Clock, Order


class Sheet:
    """A file that is only appended to. ``error`` says what went wrong last."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.error: OSError | None = None
        self.is_amid_line = False
        self._size = 0
        self._fd = self._open()

    @property
    def is_open(self) -> bool:
        return self._fd is not None

    def append(self, data: bytes) -> int:
        """Add ``data``; how many bytes of it the system did not take."""
        if self._fd is None or not data:
            return len(data)
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError as error:
            self.error = error
        self._size += len(data) - len(left)
        self.is_amid_line = data[-1:] != b"\n"
        return len(left)

    def close(self) -> None:
        """Write no more."""
        if self._fd is not None:
            with suppress(OSError):
                os.close(self._fd)
            self._fd = None

    def _open(self) -> int | None:
        """Without waiting for anybody: a FIFO nobody reads is refused."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        try:
            os.makedirs(os.path.dirname(self.path) or ".", mode=0o700, exist_ok=True)
            fd = os.open(self.path, flags, 0o600)
        except OSError as error:
            self.error = error
            return None
        self._size = os.fstat(fd).st_size
        return fd


class Log(Sheet):
    """One log, while somebody writes to it, as the attempts of its agent do. ``speaker``: whose
    output came last, and of which stream; None at the beginning of a piece."""

    def __init__(self, path: str, logs: Logs, limit: int, zone: tzinfo) -> None:
        super().__init__(path)
        self.speaker: tuple[object, int] | None = None
        self._logs = logs
        self._limit = limit
        self._zone = zone
        self._users = 1
        self._is_stuck = False
        self._begin()

    def share(self, limit: int, zone: tzinfo) -> Log:
        """The same for one attempt more."""
        self._users += 1
        self._limit, self._zone = limit, zone
        return self

    def ready(self, size: int) -> None:
        """Make room for ``size`` bytes of now: another day, or a full piece, begins a new one."""
        if self._fd is None or not self._size or self._is_stuck:
            return
        if self._size + size > self._limit or self._logs.clock.now() >= self._ends_at:
            self._turn()

    def close(self) -> None:
        self._users -= 1
        if not self._users:
            super().close()
            self._logs.forget(self)

    def _begin(self) -> None:
        """Which day is this piece's, also if another process began it."""
        at = self._logs.clock.now()
        if self._fd is not None and self._size:
            at = os.fstat(self._fd).st_mtime_ns // 1_000_000
        self._day = day_of(at, self._zone)
        self._ends_at = day_ends_at(at, self._zone)

    def _turn(self) -> None:
        """Put the piece aside and begin another. Where that cannot be, this one goes on."""
        folder, name = os.path.split(self.path)
        try:
            piece = next_name(name, self._day, pieces_in(folder, name))
            os.rename(self.path, os.path.join(folder, piece))
            for old in beyond(pieces_in(folder, name), TIMES * self._limit):
                os.unlink(os.path.join(folder, old.name))
        except OSError:
            self._is_stuck = True
            return
        super().close()
        self._fd = self._open()
        self.speaker, self.is_amid_line = None, False
        self._begin()


class Logs:
    """The logs that are written to now."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._open: dict[str, Log] = {}

    def lend(self, order: Order) -> Log | None:
        """The log of an attempt, to be closed by it; None where it has none."""
        if order.log_path is None:
            return None
        return self.open(order.log_path, order.log_max_bytes, order.log_zone)

    def open(self, path: str, limit: int, zone: tzinfo) -> Log:
        """A log by its path, to be closed by who has it: begun anew when a piece of ``limit`` bytes
        is full or that zone's day is over."""
        log = self._open.get(path)
        if log is not None:
            return log.share(limit, zone)
        log = Log(path, self, limit, zone)
        self._open[path] = log
        return log

    def forget(self, log: Log) -> None:
        """Nobody writes to it any more."""
        self._open.pop(log.path, None)

    def is_open(self, path: str) -> bool:
        return path in self._open


def pieces_in(folder: str, log: str) -> list[Piece]:
    """The older pieces of the log of this file name. Raises ``OSError``."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name == log or not entry.name.startswith(log):
                continue
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                at = status.st_mtime_ns // 1_000_000
                piece = parse(log, entry.name, size=status.st_size, written_at=at)
                if piece is not None:
                    found.append(piece)
    return found
