"""Messages: from commit to wire, draining a full outbox, fan-out, and a driver against a plugin.

Ours is the daemon's own engine over its own database, with every ``fsync`` that it makes; the peers
keep nothing on disk (Apprise) or little (Alertmanager keeps alerts in memory). All send to one
receiver process, whose own ceiling is shown; ours and theirs take turns in each round.

"Commit to wire" begins when all that belongs to the message is written and its transaction is about
to be committed: its ``fsync`` counts. "Attempt's end to wire" begins when the attempt's end is
handed to the store: the settling of the attempt counts too.
"""

from __future__ import annotations

import asyncio
import http.client
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from statistics import median

from apprise import Apprise

from bench import home
from bench.peers import Alertmanager, Receiver, alertmanager, receiver
from bench.table import Row, row
from dotagent.engine.embedded import Engine
from dotagent.store.database import Tx
from dotagent.store.outbox import Claim

ROUNDS = 5
SINGLE = 200
"""Messages of a latency round, one after the other."""
AGENTS, DRAINED = 1_000, 5_000
DRAINED_BY_APPRISE = 500
FANNED = 50
FORKED = 10
"""Messages of a round by plugin: each is a process."""

TITLE = f"Messages over the loopback: {ROUNDS} rounds after one to warm up, per message"
PLUGIN = """\
#!{python}
import json, sys, urllib.request
if sys.argv[1] == "info":
    print(json.dumps({{"name": "notify-bench", "kinds": ["notify"]}}))
elif sys.argv[1] == "invoke":
    payload = json.load(sys.stdin)
    body = json.dumps({{"message": payload["message"]}}).encode()
    urllib.request.urlopen(payload["config"]["url"], body).read()
    print(json.dumps({{"ok": True}}))
else:
    print(json.dumps({{"ok": True}}))
"""
BY_PLUGIN = """\
[[notifiers]]
driver = "plugin"
name = "notify-bench"
events = ["attempt_failed"]
[notifiers.config]
url = "{url}"
"""

Measured = dict[str, list[float]]
"""Milliseconds a message, one a round, by the name of its row."""


def measure(rounds: int = ROUNDS) -> list[Row]:
    """All rows, each against its peer."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, receiver() as target:
        taken = asyncio.run(_take(Path(scratch), target, rounds))
    return rows(taken)


def rows(taken: Measured) -> list[Row]:
    """The table. Floors and goals are times: twice as many messages is half the time each."""
    found = [row(name, taken[name]) for name in taken if name not in BOUNDS]
    for name, (peer, floor, goal) in BOUNDS.items():
        ours = taken[name.split(", against")[0]]
        found.append(row(name, ours, peer=taken[peer], floor=floor, goal=goal))
    return found


WIRE, WIRE_AM = "commit to wire", "Alertmanager: post to wire"
WHOLE, PLUGGED = "attempt's end to wire", "attempt's end to wire, by a plugin"
DRAIN, DRAIN_AM, DRAIN_APPRISE = "drain", "Alertmanager: drain", "Apprise: drain"
FAN, FAN_HUNG, FAN_APPRISE = "fan-out to 50", "fan-out to 50, one hung", "Apprise: fan-out to 50"
CEILING = "bare client"

BOUNDS: dict[str, tuple[str, float | None, float | None]] = {
    f"{WIRE}, against Alertmanager": (WIRE_AM, 2.0, 1.0),
    # Nothing is asked of it; it is shown for whoever counts from there.
    f"{WHOLE}, against Alertmanager": (WIRE_AM, None, None),
    f"{DRAIN}, against Apprise": (DRAIN_APPRISE, 1 / 2, 1 / 5),
    f"{DRAIN}, against Alertmanager": (DRAIN_AM, 3.0, 1.0),
    f"{FAN}, against Apprise": (FAN_APPRISE, 1.0, 0.5),
    f"{FAN_HUNG}, against none hung": (FAN, 1.1, 1.0),
    f"{WHOLE}, against a plugin": (PLUGGED, 1 / 10, 1 / 30),
}


async def _take(scratch: Path, target: Receiver, rounds: int) -> Measured:
    folder = scratch / "home"
    with receiver(hangs=True) as hung, alertmanager(target.url, scratch) as peer:
        _write(folder, target, hung)
        async with home.held(folder, AGENTS + 3) as engine:
            bench = _Bench(engine, target, peer)
            running = asyncio.create_task(engine.run())
            taken: Measured = {name: [] for name in bench.measurements}
            for number in range(-1, rounds):
                for name, one_round in bench.measurements.items():
                    target.reset()
                    elapsed = await one_round()
                    if number >= 0:
                        taken[name].append(elapsed)
            engine.stop("measured")
            await running
    return taken


def _write(folder: Path, target: Receiver, hung: Receiver) -> None:
    home.write(folder, [f"a{number}" for number in range(AGENTS)], [target.url])
    fans = [f"{target.url}{number}" for number in range(FANNED)]
    home.write(folder, ["fan"], fans)
    home.write(folder, ["hung"], [*fans, hung.url])
    home.write(folder, ["plugged"], [])
    home.plugin(folder, "notify-bench", PLUGIN)
    with (folder / "agents" / "plugged" / "agent.toml").open("a") as manifest:
        manifest.write(BY_PLUGIN.format(url=target.url))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """Since when a message is counted, monotonic ns."""

    end: int
    """The attempt's end is handed to the store."""
    commit: int
    """All is written; the transaction is about to be committed."""


class _Bench:
    """One round of each measurement. A round gives the milliseconds a message took."""

    def __init__(self, engine: Engine, target: Receiver, peer: Alertmanager) -> None:
        self._engine = engine
        self._target = target
        self._peer = peer
        self._next = 0
        self.measurements: dict[str, Callable[[], Awaitable[float]]] = {
            CEILING: self._bare,
            WIRE: lambda: self._singly(SINGLE, self._agent, attrgetter("commit")),
            WIRE_AM: self._posted,
            DRAIN: self._drained,
            DRAIN_AM: self._drained_by_alertmanager,
            DRAIN_APPRISE: self._drained_by_apprise,
            FAN: lambda: self._fanned("fan"),
            FAN_HUNG: lambda: self._fanned("hung"),
            FAN_APPRISE: self._fanned_by_apprise,
            WHOLE: lambda: self._singly(SINGLE, self._agent, attrgetter("end")),
            PLUGGED: lambda: self._singly(FORKED, lambda: "plugged", attrgetter("end")),
        }

    def _agent(self) -> str:
        self._next = (self._next + 1) % AGENTS
        return f"a{self._next}"

    def _arrival(self, number: int) -> asyncio.Future[int]:
        """Ask now, so that nothing but the message itself happens while it is measured."""
        return asyncio.ensure_future(asyncio.to_thread(self._target.nth, number))

    # ---------------------------------------------------------------------------------------- ours

    async def _fail(self, name: str) -> _Begun:
        """An attempt ends badly, and its message is sent."""
        attempt_id = await home.begin(self._engine, name)
        op = home.ending(self._engine, attempt_id, home.SENDS_AT_ONCE)

        def settle(tx: Tx) -> tuple[list[Claim], int]:
            return op(tx), time.monotonic_ns()  # alone in its transaction: next is its commit

        end = time.monotonic_ns()
        claims, commit = await self._engine.parts.commit(settle)
        self._engine.outgoing.send(claims)
        return _Begun(end=end, commit=commit)

    async def _singly(
        self, count: int, agent: Callable[[], str], since: Callable[[_Begun], int]
    ) -> float:
        samples = []
        for number in range(1, count + 1):
            arrival = self._arrival(number)
            began = since(await self._fail(agent()))
            samples.append((await arrival - began) / 1e6)
            await self._settled()
        return median(samples)

    async def _settled(self) -> None:
        """Let the answer be settled too, so that the next one finds all as it was."""
        while self._engine.unfinished().sends:  # noqa: ASYNC110 (nobody is told of a settled send)
            await asyncio.sleep(0.001)

    async def _drained(self) -> float:
        """Many events, committed and unsent; then the engine is told to look."""
        engine = self._engine
        for _ in range(DRAINED // AGENTS):
            await home.fail_all(engine, [f"a{number}" for number in range(AGENTS)])
        arrival = self._arrival(DRAINED)
        began = time.monotonic_ns()
        engine.poke()
        elapsed = (await arrival - began) / 1e6 / DRAINED
        await self._settled()
        return elapsed

    async def _fanned(self, name: str) -> float:
        arrival = self._arrival(FANNED)
        began = await self._fail(name)
        return (await arrival - began.end) / 1e6

    # ------------------------------------------------------------------------------------- theirs

    async def _bare(self) -> float:
        """What a client reaches that does nothing else: the receiver's share of every number."""
        return await asyncio.to_thread(self._blast)

    def _blast(self) -> float:
        connection = http.client.HTTPConnection("127.0.0.1", self._target.port)
        samples = []
        for _ in range(SINGLE):
            began = time.monotonic_ns()
            connection.request("POST", "/", b"x")
            connection.getresponse().read()
            samples.append((time.monotonic_ns() - began) / 1e6)
        connection.close()
        return median(samples)

    async def _posted(self) -> float:
        samples = []
        for number in range(1, SINGLE + 1):
            arrival = self._arrival(number)
            began = await asyncio.to_thread(self._posting)
            samples.append((await arrival - began) / 1e6)
        return median(samples)

    def _posting(self, count: int = 1) -> int:
        """Post alerts; when that began, without the time a thread takes to start."""
        began = time.monotonic_ns()
        self._peer.post(count)
        return began

    async def _drained_by_alertmanager(self) -> float:
        arrival = self._arrival(DRAINED)
        began = await asyncio.to_thread(self._posting, DRAINED)
        return (await arrival - began) / 1e6 / DRAINED

    async def _drained_by_apprise(self) -> float:
        channel = _apprise([f"json://127.0.0.1:{self._target.port}/"])
        arrival = self._arrival(DRAINED_BY_APPRISE)
        began = await asyncio.to_thread(_notify, channel, DRAINED_BY_APPRISE)
        return (await arrival - began) / 1e6 / DRAINED_BY_APPRISE

    async def _fanned_by_apprise(self) -> float:
        urls = [f"json://127.0.0.1:{self._target.port}/{number}" for number in range(FANNED)]
        channel = _apprise(urls)
        arrival = self._arrival(FANNED)
        began = await asyncio.to_thread(_notify, channel)
        return (await arrival - began) / 1e6


def _apprise(urls: Sequence[str]) -> Apprise:
    channel = Apprise()
    for url in urls:
        channel.add(url)
    return channel


def _notify(channel: Apprise, count: int = 1) -> int:
    """Send ``count`` messages, one after the other; when that began (monotonic ns)."""
    began = time.monotonic_ns()
    for _ in range(count):
        if not channel.notify(body="exit 1 after 4.2 s", title="a1"):
            sys.exit("Apprise could not send")
    return began
