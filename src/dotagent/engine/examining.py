"""After a look at the files: ask the plugins of the manifests whether they take their settings.

Invariant: only a daemon asks, beside everything else; no start, no message, no look and no stop
waits for a plugin that is slow to say.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dotagent.core.errors import StoreBusy
from dotagent.steps.examine import Examination

if TYPE_CHECKING:
    from dotagent.engine.embedded import Engine


AGAIN_MS = 5_000
"""When to try again what the store would not take."""


class Examiner:
    """``look`` once a turn; it asks after each look at the files, one round at a time."""

    def __init__(self) -> None:
        self._examination = Examination()
        self._seen = 0
        self._latest = 0
        self._task: asyncio.Task[None] | None = None

    def look(self, engine: Engine, looks: int) -> None:
        """``looks``: how many looks at the files there have been."""
        self._latest = looks
        if looks == self._seen or self._task is not None:
            return
        self._seen = looks
        self._task = asyncio.create_task(self._run(engine))
        self._task.add_done_callback(lambda task: self._done(task, engine))

    async def _run(self, engine: Engine) -> None:
        try:
            await self._examination.run(engine.parts, engine.drivers)
        except StoreBusy:
            self._seen = 0
            await engine.parts.clock.sleep_until(engine.parts.clock.now() + AGAIN_MS)

    def _done(self, task: asyncio.Task[None], engine: Engine) -> None:
        self._task = None
        if not task.cancelled() and (fault := task.exception()) is not None:
            engine.beside(_raise(fault))
        if self._latest != self._seen:
            engine.poke()

    async def close(self) -> None:
        """Ask nothing more: what was being asked is asked by the next holder."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


async def _raise(fault: BaseException) -> None:
    """A fault of ours ends the engine visibly, as one of any task of its own."""
    raise fault
