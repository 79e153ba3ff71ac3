"""Metrics for who wants them: an address of this machine to ask, a file that is written.

Both follow config.toml while the daemon runs. Invariants: without ``[metrics]`` nothing of it is
loaded and nobody wakes for it; a page costs only when it is asked for; what stands in the way is
remembered, shown and tried again, and ends nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING

from dotagent import __version__
from dotagent.core.config import Metrics
from dotagent.core.errors import StoreBusy
from dotagent.engine import exposition
from dotagent.store import facts
from dotagent.store.database import Tx
from dotagent.store.measures import measures
from dotagent.system import files
from dotagent.system.scrape import Page

if TYPE_CHECKING:
    from dotagent.engine.embedded import Engine

FACT = "metrics_problem"
AGAIN_MS = 60_000
"""When to try again to listen where somebody else does."""
TEXT_MODE = 0o644
"""Whoever collects the file is another user."""


class Meter:
    """Follows the configuration: one task, while somebody wants metrics."""

    def __init__(self) -> None:
        self._config = Metrics()
        self._task: asyncio.Task[None] | None = None

    def look(self, engine: Engine) -> None:
        """Follow the configuration."""
        config = engine.config.metrics
        if config == self._config:
            return
        before, self._config = self._task, config
        if before is not None:
            before.cancel()
        self._task = asyncio.create_task(_serve(engine, config, before))

    async def close(self) -> None:
        """No more metrics."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


async def _serve(engine: Engine, config: Metrics, before: asyncio.Task[None] | None) -> None:
    if before is not None:
        await asyncio.gather(before, return_exceptions=True)
    await _remember(engine, "")
    work: list[Awaitable[None]] = []
    if config.listen is not None:
        work.append(_listen(engine, *config.listen))
    if config.textfile is not None:
        work.append(_write(engine, config.textfile, config.every_ms))
    await asyncio.gather(*work)


async def _listen(engine: Engine, host: str, port: int) -> None:
    clock = engine.parts.clock
    page = Page(host, port, lambda: _text(engine))
    try:
        while why := await page.begin():
            await _remember(engine, why)
            await clock.sleep_until(clock.now() + AGAIN_MS)
        await _remember(engine, "")
        await asyncio.Event().wait()
    finally:
        await page.close()


async def _write(engine: Engine, path: str, every_ms: int) -> None:
    """Whole or not at all, again and again: who reads it sees by its age whether we live."""
    clock = engine.parts.clock
    while True:
        try:
            data = await _text(engine)
            await asyncio.to_thread(files.write_atomic, path, data, durable=False, mode=TEXT_MODE)
            await _remember(engine, "")
        except OSError as error:
            await _remember(engine, f"{path} cannot be written: {error.strerror}")
        await clock.sleep_until(clock.now() + every_ms)


async def _text(engine: Engine) -> bytes:
    """Read and written in a thread: with thousands of schedules it takes a moment."""
    trouble = engine.parts.trouble
    in_trouble = bool(trouble.waiting or trouble.spent or trouble.is_refused)
    return await asyncio.to_thread(_render, engine, in_trouble)


def _render(engine: Engine, in_trouble: bool) -> bytes:
    reader = engine.parts.store.read()
    try:
        found = measures(reader)
    finally:
        reader.close()
    return exposition.text(found, version=__version__, in_trouble=in_trouble)


async def _remember(engine: Engine, why: str) -> None:
    """Written only where it is news."""

    def keep(tx: Tx) -> None:
        if why or facts.recall(tx, FACT):
            facts.remember(tx, FACT, why)

    with suppress(StoreBusy):
        await engine.parts.store.write(keep)
