"""Messages from the store to the wire and back: the real outbox, steps and kit, over a clock that
only the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dotagent import app
from dotagent.core.model import Kind, Outcome
from dotagent.core.targets import Target
from dotagent.drivers.kit import registry
from dotagent.drivers.kit.sender import Kit
from dotagent.engine.recorder import Recorder
from dotagent.ports import Sender
from dotagent.steps.address import address_of
from dotagent.steps.catalogue import Catalogue
from dotagent.steps.deliver import deliver
from dotagent.steps.parts import Parts
from dotagent.steps.secrecy import resolved
from dotagent.store import look
from dotagent.store.outbox import Claim
from dotagent.store.routing import RouteRow
from dotagent.supervisor.spawner import RealSpawner
from dotagent.system.paths import Paths
from tests.drivers.harness import NOW, no_helper
from tests.store.builder import Home


@dataclass(slots=True, kw_only=True)
class Watch:
    """Shows the home's time."""

    home: Home

    def now(self) -> int:
        return self.home.now

    def monotonic(self) -> int:
        return self.home.now

    async def sleep_until(self, at: int) -> None:
        raise AssertionError("nobody waits here")

    def watch(self, on_step: Callable[[], None]) -> None:
        """It is never set."""


def notifier(driver: str, settings: Mapping[str, Any], **more: Any) -> Target:
    """A global notifier that wants every event."""
    return Target(key=f"{driver}-1", name=driver, driver=driver, settings=settings, **more)


@dataclass(slots=True, kw_only=True)
class Office:
    """One home with some global notifiers."""

    home: Home
    parts: Parts
    catalogue: Catalogue
    folder: Path
    outcomes: list[tuple[str, Outcome]] = field(default_factory=list)
    """What each send brought, by notifier."""

    async def tell(self, line: str = "the disk is full", detail: str = "") -> None:
        """News for every notifier."""
        facts = {"line": line, "detail": detail}
        await self.home.tell(Kind.STORE_ERROR, "", "", facts=facts)

    async def send(self) -> list[str]:
        """Send what may go now, all at once; who was sent something."""
        claims = await self.home.claim()
        await asyncio.gather(*(self.deliver(claim) for claim in claims))
        return sorted(claim.notifier for claim in claims)

    async def deliver(self, claim: Claim) -> None:
        done = await deliver(self.parts, self.catalogue, claim, room=lambda: 0)
        self.outcomes.append((claim.notifier, done.outcome))

    async def wake(self) -> int | None:
        """How long from now something may go."""
        at = (await self.home.wakes())["outbox"]
        return None if at is None else at - self.home.now

    def of(self, key: str) -> list[Outcome]:
        return [outcome for who, outcome in self.outcomes if who == key]

    def parked(self) -> list[str]:
        rows = self.home.rows("SELECT name FROM destinations WHERE parked_at IS NOT NULL")
        return [row["name"] for row in rows]

    async def written(self) -> str:
        """Every byte that this home keeps, its record brought up to date."""
        recorder = Recorder(self.parts.paths.audit, self.home.store, self.parts.clock)
        recorder.check()
        await recorder.flush()
        recorder.close()
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        assert Path(self.parts.paths.audit) in files
        return "".join(path.read_bytes().decode("latin-1") for path in files)


@asynccontextmanager
async def office(
    folder: Path,
    *targets: Target,
    secrets: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    sender: Sender | None = None,
) -> AsyncIterator[Office]:
    """A home with these notifiers, and the daemon's own sender where no other is given."""
    paths = Paths(str(folder))
    Path(paths.database).parent.mkdir(parents=True)
    home = await Home.open(paths.database, NOW)
    reader = home.store.read()
    home_id, home_key = look.home(reader)
    watch = Watch(home=home)
    async with Kit(clock=watch, speak=no_helper, env=env or {}) as kit:
        parts = Parts(
            paths=paths,
            clock=watch,
            store=home.store,
            reader=reader,
            spawner=RealSpawner(watch),
            speak=no_helper,
            sender=sender or kit,
            ping=kit.ping,
            driver=registry.load,
            actor=home.actor,
            home_id=home_id,
            home_key=home_key,
            chance=lambda: 0.5,
            environment=env or {},
            user_home=str(folder),
            secrets=secrets or {},
            routes=targets,
        )
        await home.notify(*(_route(parts, target) for target in targets))
        made = Catalogue(paths, app.drivers)
        yield Office(home=home, parts=parts, catalogue=made, folder=folder)
    reader.close()
    home.close()


def _route(parts: Parts, target: Target) -> RouteRow:
    settings, _ = resolved(parts, target.settings)
    return RouteRow(
        notifier=target.key,
        name=target.name,
        driver=target.driver,
        events=(),
        remind=(),
        fingerprint=address_of(parts, target, settings),
        pace=parts.pace(target.driver),
    )
