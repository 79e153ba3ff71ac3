"""Keeps ``state/audit.jsonl`` in step with the database: after commit, in order, off the loop.

The database is the truth; the file follows. Trouble with the file never holds anything up: it is
kept as ``trouble`` for ``doctor`` and a break is told once as ``audit_chain_broken``.
"""

from __future__ import annotations

import asyncio

from dotagent.store import look
from dotagent.store.database import Store
from dotagent.system import auditfile
from dotagent.system.auditfile import AuditFile, Standing

BATCH = 1_000
"""Rows written under one sync."""


class Recorder:
    """The audit file's one writer."""

    def __init__(self, path: str, store: Store) -> None:
        self._path = path
        self._store = store
        self._reader = store.read()
        self._news = asyncio.Event()
        self._file: AuditFile | None = None
        self._written = 0
        self.trouble: str | None = None

    def check(self) -> Standing:
        """How the file stands to the database; called once, before anything is appended."""
        reader = self._reader
        standing = auditfile.check(
            self._path,
            lambda seq: look.audit_after(reader, seq, 1),
            look.audit_head(reader),
            lambda digest: look.audit_seq_of(reader, digest),
        )
        self._written = standing.written_seq
        self._file = AuditFile(self._path, standing)
        self.trouble = standing.broken
        return standing

    def wake(self) -> None:
        """There are new rows."""
        self._news.set()

    async def run(self) -> None:
        """Append what is new, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self.flush()

    async def flush(self) -> None:
        """Append all that is committed and not yet written."""
        while rows := look.audit_after(self._reader, self._written, BATCH):
            file = self._file
            assert file is not None
            lines = [line for _, line in rows]
            trouble = await asyncio.to_thread(file.append, lines)
            if trouble is not None:
                self.trouble = trouble.why
                if trouble.broken:
                    file.close()
                    self.check()
                return
            self._written = rows[-1][0]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._reader.close()
