"""Keeps ``state/audit.jsonl`` in step with the database: after commit, in order, off the loop.

The database is the truth; the file follows. Trouble with the file never holds anything up: it is
tried again, and what somebody else did to the file is kept as ``broken`` for the engine to tell.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace

from dotagent.core.errors import HomeError, StoreCorrupt
from dotagent.ports import Clock
from dotagent.store import look
from dotagent.store.database import Store
from dotagent.system import auditfile, segments
from dotagent.system.auditfile import AuditFile, Standing
from dotagent.system.segments import SEAL_BYTES

BATCH = 1_000
"""Rows written under one sync."""
RETRY_MS = 30_000
GATHER_MS = 50
"""So long more rows may join one sync: each sync also holds up the database's own commits."""


class Recorder:
    """The audit file's one writer."""

    def __init__(
        self, path: str, store: Store, clock: Clock, *, seal_bytes: int = SEAL_BYTES
    ) -> None:
        self._seal_bytes = seal_bytes
        self._clock = clock
        self._path = path
        self._store = store
        self._reader = store.read()
        self._news = asyncio.Event()
        self._file: AuditFile | None = None
        self._written = 0
        self._appending = threading.Lock()
        self.trouble: str | None = None
        self.broken: Standing | None = None
        """What somebody else did to the file since it was last told."""
        self.on_broken: Callable[[], None] = lambda: None
        self.after: Callable[[str | None], None] = lambda trouble: None
        """Called in the thread, after each look at what is new, with why the file is not."""

    def check(self) -> Standing:
        """How the file stands to the database; before anything is appended."""
        reader = self._reader
        standing = auditfile.check(
            self._path,
            lambda seq: look.audit_after(reader, seq, 1),
            look.audit_head(reader),
            lambda digest: look.audit_seq_of(reader, digest),
            synced_seq=look.audit_synced(reader),
        )
        self._written = standing.written_seq
        self._file = AuditFile(self._path, standing)
        self.trouble = standing.broken
        return standing

    def wake(self) -> None:
        """There are new rows."""
        self._news.set()

    async def run(self) -> None:
        """Append what is new, for ever; what could not be written is tried again."""
        while True:
            await self._news.wait()
            await self._clock.sleep_until(self._clock.now() + GATHER_MS)
            self._news.clear()
            done = await self.flush()
            if self.broken is not None:
                self.on_broken()
            if not done:
                await self._clock.sleep_until(self._clock.now() + RETRY_MS)
                self._news.set()

    async def flush(self) -> bool:
        """Append all that is committed and not yet written; whether that is done. Who is cancelled
        while it appends leaves that to its end: nobody else begins before it."""
        return await asyncio.to_thread(self.catch_up)

    def catch_up(self) -> bool:
        """``flush`` for a thread."""
        try:
            with self._appending:
                try:
                    return self._append_all()
                finally:
                    self.after(self.trouble)
        except StoreCorrupt:
            raise
        except HomeError as error:
            self.trouble = error.message
            return False

    def _append_all(self) -> bool:
        """Raises ``HomeError`` where the file cannot even be opened."""
        if self._file is None:
            self.check()
        self.trouble = None
        while rows := look.audit_after(self._reader, self._written, BATCH):
            assert self._file is not None
            trouble = self._file.append([line for _, line in rows])
            if trouble is None:
                self._written = rows[-1][0]
                self._seal_if_full()
                continue
            self.trouble = trouble.why
            if not trouble.broken or self.broken is not None:
                return False
            # Somebody else changed the file: what it is now is looked at as at a start.
            self._file.close()
            self._file = None
            standing = self.check()
            self.broken = replace(standing, broken=standing.broken or trouble.why)
        return True

    def _seal_if_full(self) -> None:
        """Begin another file. Where that cannot be, this one grows on; a crash in between is found
        and gone on from by ``check``."""
        if self._file is None or self._file.size < self._seal_bytes:
            return
        try:
            segments.seal(self._path)
        except OSError as error:
            self.trouble = f"{self._path} cannot be sealed: {error.strerror or error}"
            return
        self._file.close()
        self._file = None
        standing = Standing(written_seq=self._written)
        self._file = AuditFile(self._path, standing)

    @property
    def written(self) -> int:
        """The row up to which the file is complete and on disk."""
        return self._written

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._reader.close()
