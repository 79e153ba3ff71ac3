"""What may change around a running engine: manifests, configuration, secrets, zone, clock, bell.

Looked at once a turn, before anything is claimed; nothing here polls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import tzinfo
from typing import TYPE_CHECKING

from dotagent.core.config import Config
from dotagent.steps.catalogue import Drivers
from dotagent.steps.configure import configure
from dotagent.steps.discover import discover
from dotagent.steps.parts import Parts
from dotagent.store import plan

if TYPE_CHECKING:
    from dotagent.engine.embedded import Engine

STEP_MS = 2_000
"""How far wall and monotonic clock may drift apart between two turns and still count as one."""


class Surroundings:
    """``zone`` and ``zone_mark`` read the machine's zone and a cheap mark of it."""

    def __init__(
        self,
        *,
        env: Mapping[str, str],
        roots: Sequence[str],
        drivers: Drivers,
        zone: Callable[[], tzinfo],
        zone_mark: Callable[[], object],
    ) -> None:
        self.config = Config()
        self._env = env
        self.roots = roots
        self.before_look: Callable[[], None] = lambda: None
        self.drivers = drivers
        self._zone = zone
        self._zone_mark = zone_mark
        self._mark = zone_mark()
        self._offset: int | None = None
        self._stale = True
        self.look_at: int | None = None
        """When to look again without being told: a file was only half there."""

    def files_changed(self) -> None:
        """Manifests, config.toml or the secrets file may differ: read them at the next turn."""
        self._stale = True

    async def renew(self, engine: Engine) -> None:
        """Bring the engine's parts up to date."""
        parts = engine.parts
        mark = self._zone_mark()
        if mark != self._mark:
            self._mark = mark
            parts = replace(parts, actor=replace(parts.actor, zone=self._zone()))
        await self._watch_clock(parts)
        due = self.look_at is not None and self.look_at <= parts.clock.now()
        if self._stale or due:
            self._stale = False
            parts, self.config = await configure(parts, self.drivers, self._env)
            self.before_look()  # so that what changes during the look is noticed
            self.look_at = await discover(parts, self.drivers, self.roots)
        engine.parts = parts

    async def _watch_clock(self, parts: Parts) -> None:
        """At start, and where the wall clock was stepped: what a wrong clock stored is due now."""
        offset = parts.clock.now() - parts.clock.monotonic()
        stepped = self._offset is None or abs(offset - self._offset) > STEP_MS
        self._offset = offset
        if stepped:
            await parts.commit(lambda tx: plan.recheck(tx, parts.clock.now()))
