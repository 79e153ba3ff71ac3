"""What a driver that is not plain HTTP may touch, for one send; and how far the send got."""

from __future__ import annotations

import socket
import ssl
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeVar

from dotagent.core.model import Outcome, RejectMessage, Unknown
from dotagent.drivers.kit import tunnel
from dotagent.drivers.kit.aside import aside
from dotagent.drivers.kit.connect import connect
from dotagent.drivers.kit.driver import Driver
from dotagent.drivers.kit.journey import Journey, Undelivered
from dotagent.drivers.kit.resolve import Lookup
from dotagent.drivers.kit.trust import trust
from dotagent.ports import Bus, Clock, Cocoa, Parcel, Request, Response, Speak

if TYPE_CHECKING:
    from dotagent.drivers.kit.http import Client

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the drivers of one process share of it. ``env``: where the session bus is."""

    clock: Clock
    speak: Speak
    env: Mapping[str, str]
    attempt_env: Mapping[str, str]
    platform: str
    cocoa: Cocoa
    lookup: Lookup


@dataclass(slots=True, kw_only=True)
class Trip:
    """One send: its parcel, and every request made for it."""

    http: Callable[[], Awaitable[Client]]
    parcel: Parcel
    driver: Driver
    journeys: list[Journey] = field(default_factory=list)

    @property
    def last(self) -> Journey:
        return self.journeys[-1] if self.journeys else Journey()

    @property
    def connected(self) -> bool:
        return any(journey.connected for journey in self.journeys)

    def begin(self) -> Journey:
        journey = Journey()
        self.journeys.append(journey)
        return journey

    async def perform(self, request: Request) -> Response:
        journey = self.begin()
        client = await self.http()
        return await client.perform(
            request, journey, proxy=self.parcel.proxy, ca_file=self.parcel.ca_file
        )

    def fault(self, error: Exception) -> Outcome:
        """A mistake in the driver itself. Before anything was sent another rendering may pass;
        after that nobody knows what happened."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        why = f"the {self.driver.name} driver failed: {type(error).__name__}{place}"
        if self.connected or self.driver.send is not None:
            return Unknown(why=why)
        return RejectMessage(why=why)


class KitTools:
    """``ports.Tools`` for one send."""

    def __init__(self, machine: Machine, trip: Trip) -> None:
        parcel = trip.parcel
        self.clock = machine.clock
        self.speak = machine.speak
        self.attempt_env = machine.attempt_env
        self.platform = machine.platform
        self.cocoa = machine.cocoa
        self.timeout_ms = parcel.timeout_ms
        self.plain = parcel.plain
        self.previous = parcel.previous
        self.arrived = parcel.arrived
        ways = {"proxy": parcel.proxy, "ca_file": parcel.ca_file}
        self.own_way = " and ".join(name for name, value in ways.items() if value)
        self._machine = machine
        self._trip = trip

    async def http(self, request: Request) -> Response:
        """Perform one request. A 2xx that broke off is no answer: it may lack its meaning."""
        response = await self._trip.perform(request)
        if not self._trip.last.complete and response.status < 300:
            raise Undelivered(Unknown(why=f"the answer of {self._trip.last.host} broke off"))
        return response

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connected socket, to the host itself or through the notifier's proxy."""
        through = tunnel.read(self._trip.parcel.proxy)
        return await connect(host, port, self._trip.begin(), self._machine.lookup, through)

    def trust(self) -> ssl.SSLContext:
        """As for HTTP: only the notifier's own ``ca_file`` where it names one."""
        return trust(self._trip.parcel.ca_file)

    def bus(self) -> AbstractAsyncContextManager[Bus]:
        """The session bus of this user's desktop."""
        from dotagent.drivers.kit.bus import session_bus

        return session_bus(self._machine.env, self._trip.begin())

    async def aside(self, work: Callable[[], T]) -> T:
        """In a thread of its own."""
        return await aside(work)

    def handing_over(self) -> None:
        """From here on no answer means: unknown."""
        for journey in self._trip.journeys[-1:]:
            journey.connected = True
