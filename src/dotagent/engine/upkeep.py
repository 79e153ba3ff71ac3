"""The daily upkeep: what is kept no longer goes, old logs are compressed, leftovers are swept, and
the record is followed from its first line to its last.

Once a day, remembered in the store, so that neither a restart nor a day asleep changes that. In
small steps beside everything else: no commit and no start waits for it, a stop ends it at once and
the next daemon goes on. Invariant: it is the only thing that wakes an idle daemon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from dotagent.core.config import Config
from dotagent.core.errors import HomeError, StoreBusy
from dotagent.core.span import DAY_MS, HOUR_MS
from dotagent.engine.recorder import Recorder
from dotagent.steps.attest import attest_held
from dotagent.steps.greet import tell_flaw
from dotagent.steps.parts import Parts
from dotagent.store import facts, look, retention
from dotagent.store.retention import Place
from dotagent.supervisor import logkeep
from dotagent.system import auditfile, goodcopy, leftovers, service

if TYPE_CHECKING:
    from dotagent.engine.embedded import Engine

FACT = "upkeep_at"
LEAP_MS = 31 * DAY_MS
"""A clock that is so far from the last upkeep may be wrong: what it calls old is believed a day
later, if it still says so."""
FOLDERS = 50
"""Agents whose logs are looked at in one step."""


class Upkeep:
    """``look`` once a turn; ``due_at`` is when it wants to be looked at again."""

    def __init__(self) -> None:
        self.due_at: int | None = None
        self._is_under_way = False

    def look(self, engine: Engine, config: Config) -> None:
        """Begin, if it is time."""
        parts = engine.parts
        now = parts.clock.now()
        if self.due_at is None:
            self.due_at = _next(look.fact(parts.reader, FACT), now)
        if self._is_under_way or now < self.due_at <= now + DAY_MS:
            return
        self._is_under_way = True
        self.due_at = now + DAY_MS
        engine.beside(self._run(engine, config))

    async def _run(self, engine: Engine, config: Config) -> None:
        parts = engine.parts
        now = parts.clock.now()

        def is_stopped() -> bool:
            return engine.stopping

        try:
            if _is_believed(look.fact(parts.reader, FACT), now):
                await _prune(parts, config, now, is_stopped)
                await _files(parts, config, now, is_stopped)
            if await engine.recorder.flush():  # else the file is behind, which is no break
                await _verify(parts, engine.recorder, is_stopped)
            if not is_stopped():
                await parts.store.write(lambda tx: facts.remember(tx, FACT, str(now)))
        except StoreBusy:
            self.due_at = now + HOUR_MS
        finally:
            self._is_under_way = False


def _next(last: str | None, now: int) -> int:
    """A day after the last one; a stamp of the future was made by a wrong clock."""
    at = int(last) if last is not None and last.isdecimal() else 0
    return at + DAY_MS if at <= now else now


def _is_believed(last: str | None, now: int) -> bool:
    """Whether what is old by this clock may go for ever."""
    return last is None or not last.isdecimal() or abs(now - int(last)) <= LEAP_MS


async def _verify(parts: Parts, recorder: Recorder, is_stopped: Callable[[], bool]) -> None:
    """Follow the whole record once: a start looks at its end alone. A file that cannot be written
    just now is behind, which is no break."""
    if is_stopped():
        return
    try:
        finding = await asyncio.to_thread(attest_held, parts.paths, parts.store, recorder.catch_up)
    except HomeError:
        return  # what cannot be read is the recorder's trouble, and shown as such
    if not finding.whole and recorder.trouble is None:
        await tell_flaw(parts, finding)


async def _prune(parts: Parts, config: Config, now: int, is_stopped: Callable[[], bool]) -> None:
    kept = config.retention
    sealed = 0
    with suppress(HomeError):
        sealed = auditfile.sealed_seq(
            parts.paths.audit, lambda digest: look.audit_seq_of(parts.reader, digest)
        )
    limits = retention.until(
        now, history_ms=kept.history_ms, messages_ms=kept.messages_ms, sealed_seq=sealed
    )
    place: Place | None = Place()
    while place is not None and not is_stopped():
        place = await parts.store.write(partial(retention.prune, limits=limits, place=place))


async def _files(parts: Parts, config: Config, now: int, is_stopped: Callable[[], bool]) -> None:
    """Logs, then what nobody refers to any more. Each step in a thread: a disk may be slow."""
    paths, kept = parts.paths, config.logging
    keep = partial(
        logkeep.keep_all,
        paths.agent_logs,
        now=now,
        keep_ms=kept.per_agent_retention_ms,
        pack_ms=kept.compress_after_ms,
    )
    names = await asyncio.to_thread(logkeep.folders, paths.agent_logs)
    for begin in range(0, len(names), FOLDERS):
        if is_stopped():
            return
        chunk = names[begin : begin + FOLDERS]
        for log in await asyncio.to_thread(keep, chunk):
            if not parts.spawner.writes_to(log):  # on the loop: nothing begins to, meanwhile
                logkeep.remove(log)
    await asyncio.to_thread(
        logkeep.keep,
        paths.daemon_logs,
        "dotagent.log",
        now,
        keep_ms=kept.retention_ms,
        pack_ms=kept.compress_after_ms,
    )
    await asyncio.to_thread(service.shorten, paths.service_log)
    agents = frozenset(look.agent_names(parts.reader))
    with suppress(OSError):
        await asyncio.to_thread(goodcopy.sweep, paths.manifests, agents, now - DAY_MS)
        history_at = now - config.retention.history_ms
        await asyncio.to_thread(leftovers.sweep, paths, agents, now - HOUR_MS, history_at)
