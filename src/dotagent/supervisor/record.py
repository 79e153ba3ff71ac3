"""Where an attempt's output goes as it comes: redaction, then the agent's log, the files of a
person who watches, and the two tails.

Invariants: nothing is written that the redactor has not passed; no file grows by more than its
limit; what a file could not take is counted and said, and never fails the attempt.
"""

from __future__ import annotations

from dataclasses import replace

from dotagent.core.model import NotStarted, Tail
from dotagent.core.secret import RedactorStream
from dotagent.ports import Order
from dotagent.supervisor.logbook import Logs, Sheet
from dotagent.supervisor.tail import TailBuffer

STDOUT, STDERR = 0, 1
NAMES = ("stdout", "stderr")


class OutFile:
    """One attempt's part of a file, up to ``limit`` bytes of output. Never raises."""

    def __init__(self, sheet: Sheet, limit: int) -> None:
        self.sheet = sheet
        self.cut = 0
        """Bytes beyond the limit."""
        self.missing = 0
        """Bytes that the system did not take."""
        self.room = limit
        self._limit = limit
        self._is_closed = False

    def put(self, data: bytes) -> None:
        """Append output, as much of it as the limit allows."""
        fits = data[: self.room] if len(data) > self.room else data
        if fits:
            self.room -= len(fits)
            self.note(fits)
        if len(fits) < len(data):
            if not self.cut:
                self.line(f"--- limit of {self._limit:,} bytes reached, the rest is dropped ---")
            self.cut += len(data) - len(fits)

    def line(self, text: str) -> None:
        """Append a line of our own; it begins a new line and does not count."""
        begin = b"\n" * self.sheet.is_amid_line
        self.note(begin + text.encode("utf-8", "replace") + b"\n")

    def note(self, data: bytes) -> None:
        """Append bytes that do not count."""
        self.missing += self.sheet.append(data)

    def close(self) -> None:
        """Say what was dropped, and close."""
        if self._is_closed:
            return
        self._is_closed = True
        if self.cut:
            self.line(f"--- {self.cut:,} bytes were dropped here ---")
        self.sheet.close()

    def problem(self) -> str | None:
        """What went wrong, for a person."""
        error = self.sheet.error
        if error is None or not self.missing:
            return None
        why = error.strerror or str(error)
        path = self.sheet.path
        return f"{path} could not be written: {why}; {self.missing:,} bytes are missing there"


class Record:
    """The output of one attempt. ``streams`` are the sinks of stdout and stderr."""

    def __init__(self, order: Order, logs: Logs) -> None:
        self._redactor = order.redactor
        self._limit = order.log_max_bytes
        self._name = order.log_name
        self._sheet = logs.lend(order)
        self._log = OutFile(self._sheet, self._limit) if self._sheet is not None else None
        out, err = order.tee or (None, None)
        self._copies = tuple(self._opened(*paths) for paths in ((out, order.output_path), (err,)))
        self._tails = tuple(TailBuffer(order.tail_lines, order.tail_bytes) for _ in NAMES)
        self.streams = (Stream(self, STDOUT), Stream(self, STDERR))
        if self._sheet is not None and self._log is not None:
            header = order.log_header.encode("utf-8", "replace")
            self._sheet.ready(len(header))
            self._log.note(header)
            self._sheet.speaker = (self, STDOUT)

    def stream(self) -> RedactorStream:
        """A redactor for one stream."""
        return self._redactor.stream()

    def put(self, stream: int, data: bytes) -> None:
        """Redacted output."""
        if not data:
            return
        self._tails[stream].add(data)
        if self._log is not None:
            self._say_who(stream, len(data))
            self._log.put(data)
        for copy in self._copies[stream]:
            copy.put(data)

    def _say_who(self, stream: int, size: int) -> None:
        """A line of its own says which stream follows; also of which attempt, where another one of
        this agent wrote in between, or a new piece begins."""
        sheet, log = self._sheet, self._log
        assert sheet is not None
        assert log is not None
        if not log.room:
            return
        sheet.ready(min(size, log.room))
        if sheet.speaker == (self, stream):
            return
        is_own = sheet.speaker is not None and sheet.speaker[0] is self
        name = "" if is_own or not self._name else f"{self._name} · "
        sheet.speaker = (self, stream)
        log.line(f"--- {name}{NAMES[stream]} ---")

    def refuse(self, reason: NotStarted) -> NotStarted:
        """The process could not be started: the log says so. Returns the reason, redacted."""
        why = self._redactor.text(reason.why)
        self.note(f"not started: {why}")
        self.close()
        return replace(reason, why=why)

    def note(self, text: str) -> None:
        """A line of ours in the log."""
        if self._log is not None:
            self._log.line(f"--- {text} ---")

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
        return OutFile(Sheet(path), self._limit) if path else None

    def _opened(self, *paths: str | None) -> tuple[OutFile, ...]:
        return tuple(file for path in paths if (file := self._file(path)) is not None)

    def _files(self) -> list[OutFile]:
        copies = [file for files in self._copies for file in files]
        return copies if self._log is None else [self._log, *copies]


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
