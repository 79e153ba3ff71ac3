"""What may change around a running engine: manifests, configuration, secrets, zone, clock, bell.

Looked at once a turn, before anything is claimed; nothing here polls. Invariant: a disk that does
not answer holds up what is new, never what is known: the look goes on beside the turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import tzinfo
from typing import TYPE_CHECKING

from dotagent.core.config import Config
from dotagent.core.errors import StoreBusy
from dotagent.core.passage import Look, Passage, passage
from dotagent.ports import Clock
from dotagent.steps.catalogue import Drivers
from dotagent.steps.configure import configure, tell_unfetched
from dotagent.steps.discover import Progress, discover
from dotagent.steps.parts import Parts
from dotagent.store import plan, spans
from dotagent.store.actor import Actor
from dotagent.store.database import Tx

if TYPE_CHECKING:
    from dotagent.engine.embedded import Engine

PATIENCE_MS = 5_000
"""How long a turn waits for a look into the roots; thousands of new manifests take seconds."""
LONGEST_MS = 60_000
"""A look that reads nothing for so long hangs, and nobody's answer waits for it."""

MOMENT_MS = 500
"""Clocks that are read within this are read at one moment; far less than a step is."""
CLOCK_LOOKS = 5
"""So often they are read to find such a moment."""


class Surroundings:
    """``zone`` and ``zone_mark`` read the machine's zone and a cheap mark of it, ``asleep`` how
    long the machine has slept in all."""

    def __init__(
        self,
        *,
        env: Mapping[str, str],
        roots: Sequence[str],
        drivers: Drivers,
        zone: Callable[[], tzinfo],
        zone_mark: Callable[[], object],
        asleep: Callable[[], int] = lambda: 0,
        patience_ms: int = PATIENCE_MS,
    ) -> None:
        self.config = Config()
        self.env = env
        self.roots = roots
        self.before_look: Callable[[], object] = lambda: None
        self.drivers = drivers
        self._zone = zone
        self._zone_mark = zone_mark
        self._asleep = asleep
        self._patience_ms = patience_ms
        self._mark: object = None
        self._looking: asyncio.Task[int | None] | None = None
        self._progress = Progress()
        self._moved = (0, 0)
        """How much the look had read, and since when it has not read more."""
        self._seen: Look | None = None
        self.due_at: int | None = None
        """When the engine means to look again, at the latest."""
        self._stale = True
        self._believes = False
        self._has_fetched = False
        self.looks = 0
        """How many looks at the files are through."""
        self.look_at: int | None = None
        """When to look again without being told: a file was only half there."""

    def files_changed(self) -> None:
        """Manifests, config.toml or the secrets file may differ: read them at the next turn."""
        self._stale = True

    async def reread(self, engine: Engine) -> None:
        """A person asks: what they have just saved is whole, and a look that began before it does
        not count. Raises ``StoreBusy``."""
        self._stale = self._believes = True
        if self._looking is not None:
            await asyncio.wait([self._looking], timeout=self._patience_ms / 1_000)
        await self.renew(engine)

    async def renew(self, engine: Engine) -> None:
        """Bring the engine's parts up to date. Raises ``StoreBusy``; what could not be committed is
        looked at again at the next turn."""
        await self._watch_zone(engine)
        await self._watch_clocks(engine.parts)
        if self._has_fetched:
            await tell_unfetched(engine.parts)
            self._has_fetched = False
        if self._looking is not None and self._looking.done():
            await self._look_again(engine)
        due = self.look_at is not None and self.look_at <= engine.parts.clock.now()
        if self._looking is None and (self._stale or due):
            await self._begin_look(engine)
        is_reading = self.is_reading(engine.parts.clock)
        engine.chores.reads(engine, self._progress if is_reading else None)

    async def _begin_look(self, engine: Engine) -> None:
        self._stale = False
        try:
            engine.parts, self.config = await configure(
                engine.parts, self.drivers, self.env, lambda: self._fetched(engine)
            )
        except StoreBusy:
            self._stale = True
            raise
        self.look_at = None
        believe, self._believes = self._believes, False
        self._progress = progress = Progress()
        self._moved = (0, engine.parts.clock.monotonic())
        look = discover(
            engine.parts,
            self.drivers,
            self.roots,
            self.before_look,
            believe=believe,
            progress=progress,
        )
        self._looking = asyncio.create_task(look)
        self._looking.add_done_callback(lambda _: engine.poke())
        await asyncio.wait([self._looking], timeout=self._patience_ms / 1_000)
        if self._looking.done():
            await self._look_again(engine)

    def is_reading(self, clock: Clock) -> bool:
        """Whether a look is under way that brings more than is known so far, and gets on."""
        if self._progress.read != self._moved[0]:
            self._moved = (self._progress.read, clock.monotonic())
        return self._looking is not None and clock.monotonic() - self._moved[1] < LONGEST_MS

    async def _look_again(self, engine: Engine) -> None:
        """Take what the look brought: when to look again."""
        looking, self._looking = self._looking, None
        assert looking is not None
        try:
            self.look_at = await looking
            self.looks += 1
        except StoreBusy:
            self._stale = True
            raise

    def _fetched(self, engine: Engine) -> None:
        self._has_fetched = True
        engine.poke()

    async def close(self) -> None:
        """Look no longer. A thread that hangs in the kernel is left to itself."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _watch_zone(self, engine: Engine) -> None:
        """Local times come at other instants in another zone, also where it changed while nobody
        was there."""
        mark = self._zone_mark()
        if mark == self._mark:
            return
        parts = replace(engine.parts, actor=replace(engine.parts.actor, zone=self._zone()))
        await parts.store.write(lambda tx: plan.rezone(tx, repr(mark)))
        self._mark = mark
        engine.parts = parts

    async def _watch_clocks(self, parts: Parts) -> None:
        """At start, and where the wall clock was stepped: what a wrong clock stored is due now.
        What kept everything from starting is noted, for ``why``."""
        before, look = self._seen, self._read_clocks(parts.clock)
        now = look.wall_at
        if before is None:
            await parts.store.write(lambda tx: plan.recheck(tx, now))
        else:
            passed = passage(before, look, self.due_at)
            if passed.spans or passed.stepped_ms:
                await parts.store.write(lambda tx: _note(tx, parts.actor, now, passed))
        self._seen, self.due_at = look, None

    def _read_clocks(self, clock: Clock) -> Look:
        """All of them at one moment: if this process is held up between two readings, a second
        look tells that from a step."""
        look = self._look_at_clocks(clock)
        for _ in range(CLOCK_LOOKS):
            if clock.monotonic() - look.awake_ms < MOMENT_MS:
                break
            look = self._look_at_clocks(clock)
        return look

    def _look_at_clocks(self, clock: Clock) -> Look:
        awake_ms = clock.monotonic()
        always_ms = awake_ms + self._asleep()
        return Look(wall_at=clock.now(), awake_ms=awake_ms, always_ms=always_ms)


def _note(tx: Tx, actor: Actor, now: int, passed: Passage) -> None:
    plan.recheck(tx, now)
    spans.note(tx, actor, now, passed)
