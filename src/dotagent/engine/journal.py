"""The daemon's log: follows the record, so that nothing is said that a crash could take back.

Whenever audit rows or events of the home have been committed, the new ones are written as lines;
what the store itself cannot hold (that it is in trouble) is said beside it. Invariants: it writes
in the recorder's thread, and no turn of the loop waits for it; what the log's disk does not take
is lost to the log alone; the log and its older pieces are bounded (supervisor/logbook.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import tzinfo
from typing import TYPE_CHECKING

from dotagent.core.journal import RECORDED, Line, lets_through, of_event, of_record, written
from dotagent.core.model import Kind
from dotagent.core.secret import Redactor
from dotagent.steps.parts import Parts
from dotagent.steps.secrecy import secret_values
from dotagent.store import look
from dotagent.supervisor.logbook import Log, Logs

if TYPE_CHECKING:
    from dotagent.engine.embedded import Engine

PIECE_BYTES = 10 * 1024 * 1024
"""When the log begins anew before the day is over; ten older pieces are kept at most."""
BATCH = 500
ELSEWHERE = {*RECORDED, Kind.DAILY_SUMMARY}


def keep_fault(engine: Engine, version: str, trace: str) -> bool:
    """The last line of a process that a fault of dotagent itself has ended, daemon or not; whether
    it could be written. Raises nothing: it is called on the way down."""
    parts = engine.parts
    line = Line(
        at=parts.clock.now(),
        level="error",
        event="fault",
        message=f"a fault of dotagent {version} itself: {trace.strip().splitlines()[-1]}",
        fields={"traceback": trace},
    )
    text = written(line, engine.config.logging.format, parts.actor.zone)
    data = text.encode("utf-8", "backslashreplace")
    log = Logs(parts.clock).open(parts.paths.daemon_log, PIECE_BYTES, parts.actor.zone)
    log.ready(len(data))
    missing = log.append(data)
    log.close()
    return missing == 0


class Journal:
    """The log's one writer. ``follow`` is the recorder's thread's, all else the loop's."""

    def __init__(self, engine: Engine) -> None:
        parts = engine.parts
        self._engine = engine
        self._path = parts.paths.daemon_log
        self._reader = parts.store.read()
        self._clock = parts.clock
        self._logs = Logs(parts.clock)
        self._log: Log | None = None
        self._rows, self._events = look.audit_head(self._reader), look.last_event(self._reader)
        self._said: deque[Line] = deque()
        self._known: tuple[Parts, list[str]] | None = None
        self._redactor = Redactor(())
        self._trouble = ""
        self._record_trouble: str | None = None
        self.wake: Callable[[], None] = lambda: None

    def since(self, row: int) -> None:
        """Begin after this row of the record: what a dead daemon committed and did not write."""
        self._rows = min(self._rows, row)

    def say(self, level: str, event: str, message: str) -> None:
        """A line about what no commit can hold."""
        self._said.append(self._line(level, event, message))
        self.wake()

    def look(self) -> None:
        """Once a turn: say what troubles the store, when it begins and when it is over."""
        trouble = self._engine.parts.trouble
        why = trouble.why if trouble.waiting or trouble.spent or trouble.is_refused else ""
        if why and not self._trouble:
            self.say("error", "store_trouble", f"nothing new is started: {why}")
        elif self._trouble and not why:
            self.say("info", "store_well", "the database takes what is written again")
        self._trouble = why

    # ------------------------------------------------------------------------------ in the thread

    def follow(self, record_trouble: str | None) -> None:
        """Write what is new; ``record_trouble``: why the audit file is not."""
        while rows := look.audit_after(self._reader, self._rows, BATCH):
            self._rows = rows[-1][0]
            self._write([of_record(stored) for _, stored in rows])
        last = look.last_event(self._reader)
        found = look.home_events(self._reader, self._events, last)
        self._events = last
        self._write([of_event(*each) for each in found if each[0] not in ELSEWHERE])
        for line in (of_event(*each) for each in found):
            if line.level == "error":
                self._engine.mode.told(line.at, self._masked(line.message))
        if record_trouble is not None and record_trouble != self._record_trouble:
            self._said.append(self._line("error", "record_trouble", record_trouble))
        self._record_trouble = record_trouble
        self._write([self._said.popleft() for _ in range(len(self._said))])

    def _line(self, level: str, event: str, message: str) -> Line:
        return Line(at=self._clock.now(), level=level, event=event, message=message)

    def _write(self, lines: list[Line]) -> None:
        logging, zone = self._engine.config.logging, self._engine.parts.actor.zone
        texts = [
            written(line, logging.format, zone)
            for line in lines
            if lets_through(logging.level, line)
        ]
        if texts:
            self._append("".join(texts), zone)

    def _append(self, text: str, zone: tzinfo) -> None:
        data = self._masked(text).encode("utf-8", "backslashreplace")
        if self._log is not None and not self._log.is_open:
            self._log.close()  # the disk was full, or somebody took the folder: try again
            self._log = None
        if self._log is None:
            self._log = self._logs.open(self._path, PIECE_BYTES, zone)
        self._log.ready(len(data))
        self._log.append(data)

    def _masked(self, text: str) -> str:
        """By the secrets of now: they come and change while the daemon runs."""
        parts = self._engine.parts
        known = parts, list(parts.secrets.values())
        if self._known is None or self._known[0] is not parts or self._known[1] != known[1]:
            self._known, self._redactor = known, Redactor(secret_values(parts))
        return self._redactor.text(text)

    def close(self) -> None:
        """Nothing more is written."""
        if self._log is not None:
            self._log.close()
        self._reader.close()
