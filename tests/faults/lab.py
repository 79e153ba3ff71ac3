"""The fault laboratory: the real engine, drivers, store, children and sockets, under a clock that
is turned, with one channel that has a fault and one that has none.

Nothing is sent while time passes, and time passes only while nothing is under way: what the ledger
says of an honest channel is exact, and so is when the other one was tried again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dotagent.drivers.kit.sender import Kit
from dotagent.supervisor.speak import speak
from tests.core.walls import HOUR_MS, at
from tests.engine.line import Line, Row, line, running, write_agent
from tests.faults.proxy import Proxy
from tests.support.http_server import StrictServer
from tests.support.wheel import Wheel, breath

START = at("2026-06-03T08:00:00Z")
FAR = "700h"
"""No second window of an agent comes into the stories of the table."""

CONFIG = """
[summary]
enabled = false
[[notifiers]]
id = "sick"
{channel}
timeout_seconds = 1
remind = []
[[notifiers]]
id = "well"
driver = "webhook"
url = "{well}"
remind = []
"""

WEBHOOK = 'driver = "webhook"\nurl = "{url}"'
"""A program reads it: each message goes by itself."""
PUSH = 'driver = "ntfy"\nbase_url = "{url}"\ntopic = "t"'
"""A person reads it: many may go as one."""

AGENT = """
[[schedules]]
id = "s"
every = "{every}"
run_at_start = true
max_attempts = 1
"""


TASKS = ("Engine._perform", "Outgoing._send", "Upkeep._run", "tell_it_is_over", "_cry")
"""What the engine does beside its loop."""
PASSES = 20
"""So often the event loop goes round before a poke has surely reached the engine."""

ONE_EACH = {"bad": "exit 1", "good": "exit 0"}


@dataclass(slots=True, kw_only=True)
class Scene:
    """What a fault may reach, and what came of it."""

    clock: Wheel
    line: Line
    sick: StrictServer
    """The service behind the proxy; it has the fault, or the way to it has."""
    proxy: Proxy
    well: StrictServer
    on_jump: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Called whenever time has passed."""

    async def rest(self, *, hours: float = 48) -> None:
        """Let time pass until no message is left to send, or for so long."""
        await self.until(self._nothing_waits, hours=hours)

    async def until(self, see: Callable[[], object], *, hours: float = 48) -> None:
        """Let time pass until the test sees what it waits for, or for so long."""
        end = self.clock.now() + int(hours * HOUR_MS)
        async with asyncio.timeout(50):
            while True:
                next_at = await self._idles()
                # Nothing is awaited from here on: what was seen still holds as time passes.
                if next_at is not None and (see() or next_at > end):
                    return
                if next_at is not None:
                    self.clock.go(next_at)
                    for act in self.on_jump:
                        await act()

    async def see(self, what: Callable[[], object]) -> None:
        """Wait for something that needs no time to pass."""
        async with asyncio.timeout(50):
            while not what():
                await breath()

    async def _idles(self) -> int | None:
        """Until when the engine sleeps; None where something else than time makes it go on: a task
        of its own, which pokes it as it ends, or a poke that is on its way to it."""
        await breath()
        for _ in range(PASSES):
            await asyncio.sleep(0)
            if _at_work() or not self.clock.sleepers:
                return None
        next_at = self.clock.next_at
        return next_at if next_at is not None and next_at > self.clock.now() else None

    def _nothing_waits(self) -> bool:
        ran = self.line.rows("SELECT 1 FROM attempts")
        return bool(ran) and not self.rows("WHERE d.state IN ('pending', 'sending')")

    # ------------------------------------------------------------------------------- what came

    def rows(self, where: str = "") -> list[Row]:
        """Deliveries with their events."""
        return self.line.rows(
            "SELECT d.*, e.kind, e.agent, e.at, e.about FROM deliveries d"
            f" JOIN events e ON e.seq = d.event_seq {where} ORDER BY d.id"
        )

    def ends(self, notifier: str) -> dict[str, str]:
        """The end of each message about agents: by its kind, for each kind comes once."""
        rows = self.rows("WHERE e.agent != ''")
        return {row["kind"]: row["state"] for row in rows if row["notifier"] == notifier}

    def delays_ms(self, notifier: str) -> set[int]:
        """How long after its event each message was sent."""
        return {
            row["ended_at"] - row["at"]
            for row in self.rows("WHERE e.agent != ''")
            if row["notifier"] == notifier
        }

    def announced(self) -> list[str]:
        """What was said of channels, to the other one."""
        return [row["kind"] for row in self.rows("WHERE e.about IS NOT NULL AND d.state = 'sent'")]

    def arrived(self, server: StrictServer) -> list[str]:
        """The messages that a service took, by their kinds."""
        bodies = [json.loads(request.body) for request in server.accepted]
        return [body["type"].removeprefix("dotagent.") for body in bodies]

    def flags(self) -> list[tuple[int, bool, str]]:
        """The ledger of the sick channel: number of the try, whether marked as perhaps a repeat,
        outcome."""
        return [
            (row["number"], bool(row["may_repeat"]), row["outcome"])
            for row in self.line.rows(
                "SELECT s.* FROM sends s JOIN deliveries d ON d.id = s.delivery_id"
                " WHERE d.notifier = 'sick' ORDER BY s.delivery_id, s.number"
            )
        ]


def _at_work() -> bool:
    """Whether the engine has a task beside its loop: a run or a send up to the last thing that it
    brings, which comes after it counts as unfinished."""
    return any(
        getattr(task.get_coro(), "__qualname__", "") in TASKS for task in asyncio.all_tasks()
    )


@asynccontextmanager
async def scene(
    home: Path,
    *,
    every: str = FAR,
    scripts: Mapping[str, str] = ONE_EACH,
    channel: str = WEBHOOK,
) -> AsyncIterator[Scene]:
    """A home whose agents tell two channels; its engine does not run yet."""
    clock = Wheel(START)
    sick, well = StrictServer(), StrictServer()
    async with sick, well:
        proxy = Proxy(sick.port)
        await proxy.start()
        sick_one = channel.format(url=f"http://127.0.0.1:{proxy.port}/")
        _settle_in(home, CONFIG.format(channel=sick_one, well=well.url), every, scripts)
        try:
            async with (
                Kit(clock=clock, speak=speak, env={}) as kit,
                line(home, clock=clock, sender=lambda _: kit) as made,
            ):
                yield Scene(clock=clock, line=made, sick=sick, proxy=proxy, well=well)
        finally:
            await proxy.stop()


def _settle_in(home: Path, said: str, every: str, scripts: Mapping[str, str]) -> None:
    home.mkdir(exist_ok=True)
    config = home / "config.toml"
    config.write_text(said)
    config.chmod(0o600)
    for name, script in scripts.items():
        write_agent(home, name, AGENT.format(every=every), script=script)


__all__ = ["START", "Scene", "running", "scene"]
