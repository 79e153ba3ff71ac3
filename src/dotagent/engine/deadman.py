"""The dead-man ping: an address outside is asked again and again, so that our own silence is heard.

Whoever watches that address tells when it is asked no more. Invariants: no ping while the store is
in trouble, for then nothing is started; without ``[deadman]`` nobody wakes for it; a ping that
fails is remembered and shown, and ends nothing.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from dotagent.core.config import Deadman
from dotagent.core.errors import StoreBusy
from dotagent.core.secret import Unresolved, resolve
from dotagent.steps.parts import Parts
from dotagent.store import facts, look
from dotagent.store.database import Tx

if TYPE_CHECKING:
    from dotagent.engine.embedded import Engine

FACT = "deadman_problem"
TIMEOUT_MS = 10_000


class Pinger:
    """One timer of its own, while the configuration has an address."""

    def __init__(self) -> None:
        self._config: Deadman | None = None
        self._task: asyncio.Task[None] | None = None

    def look(self, engine: Engine) -> None:
        """Follow the configuration."""
        config = engine.config.deadman
        if config is None and self._config is None:
            if look.fact(engine.parts.reader, FACT):
                engine.beside(_remember(engine.parts, ""))
            return
        if config == self._config:
            return
        self._config = config
        self._cancel()
        if config is not None:
            self._task = asyncio.create_task(_ping(engine, config))

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """No more pings."""
        self._cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)


async def _ping(engine: Engine, config: Deadman) -> None:
    while True:
        parts = engine.parts
        if await _is_well(parts):
            await _remember(parts, await _ask(parts, config))
        await parts.clock.sleep_until(parts.clock.now() + config.every_ms)


async def _is_well(parts: Parts) -> bool:
    """Whether what runs could be recorded: the store takes a transaction, and has room."""
    if parts.trouble.waiting or parts.trouble.spent:
        return False
    try:
        await parts.store.write(lambda tx: facts.recall(tx, FACT))
    except StoreBusy:
        return False
    return True


async def _ask(parts: Parts, config: Deadman) -> str:
    """Why it failed; empty where it did not."""
    try:
        url = resolve(config.url, parts.lookup)
    except Unresolved as error:
        return error.message
    return await parts.ping(url, TIMEOUT_MS) or ""


async def _remember(parts: Parts, why: str) -> None:
    """Written only where it is news; what the store does not take now is found again."""
    with suppress(StoreBusy):
        await parts.store.write(lambda tx: _keep(tx, why))


def _keep(tx: Tx, why: str) -> None:
    if why or facts.recall(tx, FACT):
        facts.remember(tx, FACT, why)
