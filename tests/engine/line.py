"""The line in one process: the real engine on a home of the test's, over the real store, clock and
children; only who sends is the test's own. ``Play`` runs it as a task, beside the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any

from dotagent import app
from dotagent.core.model import Outcome, Sent
from dotagent.drivers.kit import registry
from dotagent.engine.embedded import Engine
from dotagent.engine.mode import Mode
from dotagent.engine.recorder import Recorder
from dotagent.engine.surroundings import Surroundings
from dotagent.ports import Clock, Parcel, Sender
from dotagent.steps.catalogue import Catalogue
from dotagent.steps.parts import Parts
from dotagent.store import holders, look
from dotagent.store.actor import Actor
from dotagent.store.database import Store, open_store
from dotagent.supervisor.spawner import RealSpawner
from dotagent.supervisor.speak import speak
from dotagent.system.clock import SystemClock
from dotagent.system.threads import Threads
from tests.support.daemon import environment, write_agent
from tests.support.wheel import Wheel

Row = dict[str, Any]
ONCE = '[[schedules]]\nid = "s"\nevery = "1h"\nrun_at_start = true\n'


class Post:
    """Takes every message, after a while, and keeps it."""

    def __init__(self, clock: Clock, takes_ms: int) -> None:
        self._clock = clock
        self._takes_ms = takes_ms
        self.parcels: list[Parcel] = []
        self.pings: list[str] = []
        self.deaf: str | None = None
        """Why pings are not heard; None where they are."""

    async def send(self, parcel: Parcel) -> Outcome:
        await self._clock.sleep_until(self._clock.now() + self._takes_ms)
        self.parcels.append(parcel)
        return Sent()

    async def ping(self, url: str, timeout_ms: int) -> str | None:
        self.pings.append(url)
        return self.deaf


@dataclass(slots=True)
class Zone:
    """The machine's zone, which a test may change."""

    now: tzinfo = UTC
    slept_ms: int = 0
    """How long the machine has slept, as the test has it."""

    def mark(self) -> object:
        return str(self.now)


@dataclass(slots=True, kw_only=True)
class Line:
    """One engine and all it was made of."""

    home: Path
    store: Store
    engine: Engine
    surroundings: Surroundings
    recorder: Recorder
    zone: Zone
    post: Post

    @property
    def parts(self) -> Parts:
        return self.engine.parts

    def rows(self, sql: str, *params: str | int) -> list[Row]:
        with closing(self.store.read()) as reader:
            return [dict(row) for row in reader.execute(sql, params)]

    def values(self, sql: str, *params: str | int) -> list[Any]:
        return [next(iter(row.values())) for row in self.rows(sql, *params)]

    async def until(self, see: Callable[[], object]) -> None:
        """Let the engine go on until the test sees what it waits for."""
        async with asyncio.timeout(40):
            while not see():
                await self.parts.clock.sleep_until(self.parts.clock.now() + 10)


@asynccontextmanager
async def line(
    home: Path,
    *,
    roots: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    patience_ms: int = 1_000,
    stop_grace_ms: int | None = 0,
    takes_ms: int = 0,
    max_running: int = 4,
    spawner: Callable[[Clock], RealSpawner] = RealSpawner,
    clock: SystemClock | Wheel | None = None,
    sender: Callable[[Clock], Sender] | None = None,
    asleep: Callable[[], int] | None = None,
) -> AsyncIterator[Line]:
    """An engine on ``home`` that does not run yet. ``sender`` makes who sends, if not ``Post``."""
    asyncio.get_running_loop().set_default_executor(Threads())
    inherited = environment(home, env)
    paths = app.paths_of(inherited)
    clock, store, zone = clock or SystemClock(), open_store(paths.database), Zone()
    post = Post(clock, takes_ms)
    try:
        begun = await store.write(
            lambda tx: holders.begin(
                tx, clock.now(), role=holders.DAEMON, pid=1, started_ticks=1, boot_id="boot"
            )
        )
        reader = store.read()
        home_id, home_key = look.home(reader)
        parts = Parts(
            paths=paths,
            clock=clock,
            store=store,
            reader=reader,
            spawner=spawner(clock),
            speak=speak,
            sender=post if sender is None else sender(clock),
            ping=post.ping,
            driver=registry.load,
            actor=Actor(epoch=begun.epoch, host="web-1", zone=UTC),
            home_id=home_id,
            home_key=home_key,
            chance=lambda: 0.5,
            environment=inherited,
            user_home=str(home),
        )
        recorder = Recorder(paths.audit, store, clock)
        recorder.check()
        store.on_audit = recorder.wake
        surroundings = Surroundings(
            env=inherited,
            roots=(paths.agents,) if roots is None else roots,
            drivers=app.drivers,
            zone=lambda: zone.now,
            zone_mark=zone.mark,
            asleep=asleep or (lambda: zone.slept_ms),
            patience_ms=patience_ms,
        )
        mode = Mode(plan=True, max_running=max_running, stop_grace_ms=stop_grace_ms)
        engine = Engine(parts, Catalogue(paths, app.drivers), mode, surroundings, recorder)
        yield Line(
            home=home,
            store=store,
            engine=engine,
            surroundings=surroundings,
            recorder=recorder,
            zone=zone,
            post=post,
        )
        recorder.close()
        reader.close()
    finally:
        store.close()
        clock.close()


@asynccontextmanager
async def running(made: Line) -> AsyncIterator[Line]:
    """While this lasts the engine runs; at its end it is stopped, if it was not told to before."""
    task = asyncio.create_task(made.engine.run())
    try:
        yield made
    finally:
        if not made.engine.stopping:
            made.engine.stop("the test is over")
        await task


__all__ = ["ONCE", "Line", "line", "running", "write_agent"]
