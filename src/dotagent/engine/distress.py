"""A store in trouble: people are told directly while it lasts, in the usual way once it is over.

A full disk is told at once. A database that somebody holds, or a disk that fails, is given a minute
to come back. Invariant: one outcry, and one event, for each time of trouble.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotagent.core.errors import StoreBusy, StoreFull
from dotagent.steps.outcry import cry_out, tell_it_is_over

if TYPE_CHECKING:
    from dotagent.engine.embedded import Engine

PATIENCE_MS = 60_000
AGAIN_MS = 1_000


class Distress:
    """``refused`` when the store would not take a turn; ``look`` once a turn; ``due_at`` is when it
    wants to be looked at again."""

    def __init__(self, patience_ms: int = PATIENCE_MS) -> None:
        self.due_at: int | None = None
        self._patience_ms = patience_ms
        self._since: int | None = None
        self._why = ""
        self._is_refused = self._is_full = self._is_told = False

    def refused(self, engine: Engine, error: StoreBusy) -> None:
        """A turn could not be written."""
        self._is_refused = True
        self._is_full |= isinstance(error, StoreFull)
        self._in_trouble(engine)

    def look(self, engine: Engine) -> None:
        """Before each turn. It is over once a whole turn was written."""
        trouble = engine.parts.trouble
        if trouble.waiting or trouble.spent or self._is_refused:
            self._is_refused = False
            self._in_trouble(engine)
        else:
            self._over(engine)

    def _in_trouble(self, engine: Engine) -> None:
        trouble, now = engine.parts.trouble, engine.parts.clock.now()
        self._since = now if self._since is None else self._since
        self._why = trouble.why
        self.due_at = now + AGAIN_MS
        is_long = now - self._since >= self._patience_ms
        if not self._is_told and (is_long or trouble.spent or self._is_full):
            self._is_told = True
            engine.beside(_cry(engine, self._why))

    def _over(self, engine: Engine) -> None:
        if self._since is not None and self._is_told:
            engine.beside(tell_it_is_over(engine.parts, self._since, self._why))
        self._since = self.due_at = None
        self._is_full = self._is_told = False


async def _cry(engine: Engine, why: str) -> None:
    await cry_out(engine.parts, why)
