"""Reads an agent's log back: its last lines, over all pieces, and what is added from then on.

Invariants: never more in memory than the lines asked for; nothing is shown twice or left out
between the two; a reader that saw the last byte of a piece goes on with the first of the next one,
also if several have begun meanwhile.
"""

from __future__ import annotations

import gzip
import itertools
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO, cast

from dotagent.core.pieces import PACKED, in_order
from dotagent.supervisor.logbook import pieces_in

BLOCK = 64 * 1024

_HEAD = re.compile(rb"=== .* run started \xc2\xb7 schedule=(.*) \xc2\xb7 slug=.* ===\n?")
_NAMED = re.compile(rb"--- schedule=(.*) \xc2\xb7 std(?:out|err) ---\n?")


class OfSchedule:
    """Lets through what belongs to one schedule's runs; everything where none is named."""

    def __init__(self, schedule: str | None) -> None:
        self._wanted = None if schedule is None else schedule.encode()
        self._is_on = schedule is None
        self._begun = b""

    def lines(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Those of whole ``lines`` that are its own."""
        for line in lines:
            named = self._wanted and (_HEAD.fullmatch(line) or _NAMED.fullmatch(line))
            if named:
                self._is_on = named[1] == self._wanted
            if self._is_on:
                yield line

    def chunk(self, chunk: bytes) -> bytes:
        """Of the next ``chunk`` what is its own; a line that may still become another run's is held
        back until it is whole."""
        if self._wanted is None:
            return chunk
        *whole, self._begun = (self._begun + chunk).split(b"\n")
        return b"".join(self.lines(line + b"\n" for line in whole))


class LogReader:
    """The log of one agent, opened at its present end."""

    def __init__(self, folder: str, log: str, schedule: str | None = None) -> None:
        self._folder = folder
        self._log = log
        self._path = os.path.join(folder, log)
        self._only = OfSchedule(schedule)
        self._schedule = schedule
        self._file: BinaryIO | None = None
        with suppress(OSError):
            self._file = _opened(self._path)

    def last_lines(self, count: int) -> list[bytes]:
        """The last ``count`` lines up to now, oldest first. Raises ``OSError``."""
        found = self._end_of(self._file, self._only, count) if self._file is not None else []
        for path in reversed(self._older()):
            if len(found) >= count:
                break
            with suppress(FileNotFoundError), _opened(path) as file:  # packed or gone just now
                only = OfSchedule(self._schedule)
                found = self._end_of(file, only, count - len(found)) + found
        return found

    def more(self) -> bytes:
        """The next chunk; empty if there is none for now. Never waits."""
        while True:
            chunk = self._file.read(BLOCK) if self._file is not None else b""
            if chunk or not self._go_on():
                return self._only.chunk(chunk)

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _end_of(self, file: BinaryIO, only: OfSchedule, count: int) -> list[bytes]:
        if self._schedule is None and not isinstance(cast("object", file), _Packed):
            _skip_to(file, count)
        return list(deque(only.lines(iter(file.readline, b"")), maxlen=count))

    def _older(self) -> list[str]:
        """The pieces before the one that is open."""
        paths = _pieces(self._folder, self._log)
        mine = self._mine()
        for index, path in enumerate(paths):
            if mine is not None and _is(path, mine):
                return paths[:index]
        return paths

    def _mine(self) -> os.stat_result | None:
        return None if self._file is None else os.fstat(self._file.fileno())

    def _go_on(self) -> bool:
        """Turn to the piece after this one; whether there is more to read now."""
        mine = self._mine()
        with suppress(OSError):
            if mine is not None and _is(self._path, mine):
                return False
            if self._file is not None and self._file.read(1):  # written since our last look
                self._file.seek(-1, os.SEEK_CUR)
                return True
            after = _opened(self._after(mine))
            self.close()
            self._file = after
            return True
        return False

    def _after(self, mine: os.stat_result | None) -> str:
        paths = [*_pieces(self._folder, self._log), self._path]
        for path, following in itertools.pairwise(paths):
            if mine is not None and _is(path, mine):
                return following
        return self._path


def _pieces(folder: str, log: str) -> list[str]:
    """The paths of the older pieces, oldest first; none where there is no folder yet."""
    try:
        found = in_order(pieces_in(folder, log))
    except FileNotFoundError:
        return []
    return [os.path.join(folder, piece.name) for piece in found]


def _is(path: str, status: os.stat_result) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path), status)
    return False


class _Packed(gzip.GzipFile):
    """Closes the file that it unpacks, too."""

    def __init__(self, plain: BinaryIO) -> None:
        super().__init__(fileobj=plain)
        self._plain = plain

    def close(self) -> None:
        super().close()
        self._plain.close()


def _opened(path: str) -> BinaryIO:
    """Opened without following a link or waiting for a FIFO's writer."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    plain = open(fd, "rb")  # noqa: SIM115 — the reader closes it
    return cast("BinaryIO", _Packed(plain)) if path.endswith(PACKED) else plain


def _skip_to(file: BinaryIO, count: int) -> None:
    """Go to where the last ``count`` lines begin, or some lines before, reading from the end."""
    at, breaks = file.seek(0, os.SEEK_END), 0
    while at and breaks <= count:
        begin = max(0, at - BLOCK)
        file.seek(begin)
        breaks += file.read(at - begin).count(b"\n")
        at = begin
    file.seek(at)
