"""What the engine does beside its line, when its time comes: the daily upkeep, the dead-man
ping, metrics, a word about a store in trouble, questions to plugins; and a look whether the
database is still there.

Invariants: no start, no message and no stop waits for any of it; nothing is started whose record
would be in no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotagent.core.errors import StoreBusy, StoreError
from dotagent.core.span import count
from dotagent.engine.deadman import Pinger
from dotagent.engine.distress import Distress
from dotagent.engine.examining import Examiner
from dotagent.engine.meter import Meter
from dotagent.engine.upkeep import Upkeep
from dotagent.steps.discover import Progress
from dotagent.system import files

if TYPE_CHECKING:
    from dotagent.engine.embedded import Engine

NEW = "new or changed manifest"


class Chores:
    """``look`` once a turn; ``due_at`` is when they want to be looked at again."""

    def __init__(self, distress: Distress | None = None) -> None:
        self._upkeep = Upkeep()
        self._pinger = Pinger()
        self._meter = Meter()
        self._examiner = Examiner()
        self._distress = distress or Distress()
        self._files: dict[str, tuple[int, int] | None] = {}
        """Which files are open, by their paths, as they were at the first look."""
        self.reading: Progress | None = None
        """The look under way that takes longer than a turn waits."""

    @property
    def due_at(self) -> int | None:
        known = [at for at in (self._upkeep.due_at, self._distress.due_at) if at is not None]
        return min(known, default=None)

    def look(self, engine: Engine, looks: int) -> None:
        """Begin what is due; ``looks``: how many looks at the files there have been. They are a
        daemon's: a command has other things to do. Raises ``StoreError`` where the database is not
        the one any more that is open."""
        if not engine.mode.plan or engine.mode.until is not None:
            return
        paths = engine.parts.paths
        lost = "What it wrote since is lost; started again, it goes on with what lies there now."
        self._see("database", paths.database, lost)
        self._see("lock", paths.lock, "Another could act beside it: see that none does, start one.")
        self._pinger.look(engine)
        self._meter.look(engine)
        self._distress.look(engine)
        if not engine.parts.trouble.waiting:
            self._upkeep.look(engine, engine.config)
            self._examiner.look(engine, looks)

    def _see(self, what: str, path: str, then: str) -> None:
        """Whoever removes or replaces a file that is open takes nothing from us: we would write on
        into a database that nobody finds any more, or act beside another who holds a new lock."""
        try:
            found = files.identity(path)
        except OSError:
            return  # a disk that does not answer now is the store's trouble
        if found != self._files.setdefault(path, found):
            message = f"the {what} {path} was removed or replaced while it was in use"
            raise StoreError(message, f"The daemon ends. {then}")

    def reads(self, engine: Engine, progress: Progress | None) -> None:
        """A look at the files takes long (``progress``), or none does any more: whoever watches a
        daemon hears both, once."""
        before, self.reading = self.reading, progress
        if not engine.mode.plan or (before is None) == (progress is None):
            return
        now = engine.parts.clock.now()
        if progress is not None:
            many = count(progress.total, NEW) if progress.total else "the manifests"
            engine.mode.told(now, f"reading {many}; what is known runs meanwhile")
        elif before is not None:
            engine.mode.told(now, f"{count(before.read, NEW)} read")

    def refused(self, engine: Engine, error: StoreBusy) -> None:
        """The store would not take a turn."""
        engine.parts.trouble.why, engine.parts.trouble.is_refused = error.message, True
        if engine.mode.plan and engine.mode.until is None:
            self._distress.refused(engine, error)

    async def close(self) -> None:
        """Nothing more."""
        await self._pinger.close()
        await self._meter.close()
        await self._examiner.close()
