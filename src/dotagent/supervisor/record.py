"""Where an attempt's output goes as it comes: redaction, then the agent's log, the files of a
person who watches, and the two tails.

Invariants: nothing is written that the redactor has not passed; no file grows by more than its
limit; what a file could not take is counted and said, and never fails the attempt.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace

from dotagent.core.model import NotStarted, Tail
from dotagent.core.secret import RedactorStream
from dotagent.ports import Order
from dotagent.supervisor.tail import TailBuffer

STDOUT, STDERR = 0, 1
MARKERS = (b"--- stdout ---\n", b"--- stderr ---\n")


class OutFile:
    """A file that is only appended to, up to ``limit`` bytes of output. Never raises."""

    def __init__(self, path: str, limit: int) -> None:
        self.path = path
        self.cut = 0
        """Bytes beyond the limit."""
        self.missing = 0
        """Bytes that the system did not take."""
        self._room = limit
        self._limit = limit
        self._error: OSError | None = None
        self._line_open = False
        self._fd = self._open()

    def put(self, data: bytes) -> None:
        """Append output, as much of it as the limit allows."""
        fits = data[: self._room] if len(data) > self._room else data
        if fits:
            self._room -= len(fits)
            self.note(fits)
        if len(fits) < len(data):
            if not self.cut:
                self.line(f"--- limit of {self._limit:,} bytes reached, the rest is dropped ---")
            self.cut += len(data) - len(fits)

    def line(self, text: str) -> None:
        """Append a line of our own; it begins a new line and does not count."""
        self.note(b"\n" * self._line_open + text.encode("utf-8", "replace") + b"\n")

    def mark(self, marker: bytes) -> None:
        """Append the line that says which stream follows."""
        if self._room:
            self.note(b"\n" * self._line_open + marker)

    def note(self, data: bytes) -> None:
        """Append bytes that do not count."""
        if self._fd is None or not data:
            self.missing += len(data)
            return
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError as error:
            self._error = error
            self.missing += len(left)
        self._line_open = data[-1:] != b"\n"

    def close(self) -> None:
        """Say what was dropped, and close."""
        if self._fd is None:
            return
        if self.cut:
            self.line(f"--- {self.cut:,} bytes were dropped here ---")
        with suppress(OSError):
            os.close(self._fd)
        self._fd = None

    def problem(self) -> str | None:
        """What went wrong, for a person."""
        if self._error is None:
            return None
        why = self._error.strerror or str(self._error)
        return f"{self.path} could not be written: {why}; {self.missing:,} bytes are missing there"

    def _open(self) -> int | None:
        """Without waiting for anybody: a FIFO nobody reads is refused."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        try:
            os.makedirs(os.path.dirname(self.path) or ".", mode=0o700, exist_ok=True)
            return os.open(self.path, flags, 0o600)
        except OSError as error:
            self._error = error
            return None


class Record:
    """The output of one attempt. ``streams`` are the sinks of stdout and stderr."""

    def __init__(self, order: Order) -> None:
        self._redactor = order.redactor
        self._limit = order.log_max_bytes
        self._log = self._file(order.log_path)
        self._tees = tuple(self._file(path) for path in order.tee or (None, None))
        self._tails = tuple(TailBuffer(order.tail_lines, order.tail_bytes) for _ in MARKERS)
        self._last = STDOUT
        self.streams = (Stream(self, STDOUT), Stream(self, STDERR))
        if self._log is not None:
            self._log.note(order.log_header.encode("utf-8", "replace"))

    def stream(self) -> RedactorStream:
        """A redactor for one stream."""
        return self._redactor.stream()

    def put(self, stream: int, data: bytes) -> None:
        """Redacted output."""
        if not data:
            return
        self._tails[stream].add(data)
        if self._log is not None:
            if stream != self._last:
                self._last = stream
                self._log.mark(MARKERS[stream])
            self._log.put(data)
        tee = self._tees[stream]
        if tee is not None:
            tee.put(data)

    def refuse(self, reason: NotStarted) -> NotStarted:
        """The process could not be started: the log says so. Returns the reason, redacted."""
        why = self._redactor.text(reason.why)
        if self._log is not None:
            self._log.line(f"--- not started: {why} ---")
        self.close()
        return replace(reason, why=why)

    def close(self) -> None:
        """Close the files."""
        for file in self._files():
            file.close()

    def tail(self, stream: int) -> Tail:
        """The end of a stream."""
        return self._tails[stream].tail()

    def problems(self) -> tuple[str, ...]:
        """What the files did not take."""
        return tuple(text for file in self._files() if (text := file.problem()) is not None)

    def _file(self, path: str | None) -> OutFile | None:
        return OutFile(path, self._limit) if path else None

    def _files(self) -> list[OutFile]:
        return [file for file in (self._log, *self._tees) if file is not None]


class Stream:
    """One stream of a record, as the process writes it."""

    def __init__(self, record: Record, number: int) -> None:
        self._record = record
        self._number = number
        self._redacted = record.stream()

    def feed(self, chunk: bytes) -> None:
        """The next chunk."""
        self._record.put(self._number, self._redacted.feed(chunk))

    def end(self) -> None:
        """There will be no more."""
        self._record.put(self._number, self._redacted.flush())
