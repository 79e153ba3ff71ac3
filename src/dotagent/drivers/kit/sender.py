"""Sends one parcel by its driver: configure, build, perform, classify, keep secrets back.

Invariants: ``send`` never raises but for its own cancellation, never takes longer than the parcel
allows, and nothing it returns holds a secret. A driver's fault is an outcome like any other.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dotagent.core.errors import UsageError
from dotagent.core.model import (
    Outcome,
    RejectDestination,
    RejectMessage,
    Retry,
    Sent,
    Unknown,
    Unsupported,
)
from dotagent.core.structure import structure
from dotagent.drivers.kit import cocoa, registry
from dotagent.drivers.kit.aside import aside
from dotagent.drivers.kit.driver import Driver
from dotagent.drivers.kit.journey import Journey, Undelivered
from dotagent.drivers.kit.redact import seal
from dotagent.drivers.kit.resolve import look_up
from dotagent.drivers.kit.tools import KitTools, Machine, Trip
from dotagent.drivers.kit.wire import by_status, with_wait
from dotagent.ports import Clock, Cocoa, Parcel, Request, Response, Speak

if TYPE_CHECKING:
    from dotagent.drivers.kit.http import Client

_CLIENT = "dotagent.drivers.kit.http"
_MOST_CONFIGS = 1_000

Load = Callable[[str], Driver | None]


class Kit:
    """The ``Sender`` of all drivers. Lives in one event loop; ``close`` it at its end."""

    def __init__(
        self,
        *,
        clock: Clock,
        speak: Speak,
        env: Mapping[str, str],
        attempt_env: Mapping[str, str] | None = None,
        load: Load = registry.load,
        platform: str = sys.platform,
        cocoa: Cocoa = cocoa.send,
    ) -> None:
        """``env`` is read for proxies and the session bus; ``attempt_env`` is what helper programs
        get. ``platform`` and ``cocoa`` are macOS's, if this is it."""
        self._clock = clock
        self._machine = Machine(
            clock=clock,
            speak=speak,
            env=env,
            attempt_env=attempt_env if attempt_env is not None else env,
            platform=platform,
            cocoa=cocoa,
            lookup=look_up,
        )
        self._load = load
        self._env = env
        self._client: Client | None = None
        self._loading = asyncio.Lock()
        self._configs: dict[tuple[str, str], Any] = {}

    async def __aenter__(self) -> Kit:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection. Nothing may be sent after this."""
        if self._client is not None:
            await self._client.close()

    async def ping(self, url: str, timeout_ms: int) -> str | None:
        """Ask an address and look only whether it says yes; why not, without the address."""
        journey = Journey()
        try:
            async with asyncio.timeout(timeout_ms / 1_000):
                request = Request(url=url, method="GET")
                client = await self._http()
                response = await client.perform(request, journey, proxy=None, ca_file=None)
        except Undelivered as error:
            return str(getattr(error.outcome, "why", "it was not heard"))
        except TimeoutError:
            return f"no answer from {journey.host} within {timeout_ms / 1_000:g} s"
        if 200 <= response.status < 300:
            return None
        return f"{journey.host} answered with status {response.status}"

    async def send(self, parcel: Parcel) -> Outcome:
        """One try, inside the parcel's total deadline."""
        try:
            driver = self._load(parcel.driver)
        except UsageError as error:
            return seal(Unsupported(why=error.message), (*parcel.secrets, *parcel.hidden()))
        if driver is None:
            return Unsupported(why=f"this version cannot send by {parcel.driver}")
        config = self._configured(driver, parcel.settings)
        if isinstance(config, RejectDestination):
            return seal(config, _unsaid(driver, parcel))
        trip = Trip(http=self._http, parcel=parcel, driver=driver)
        return seal(await self._by_deadline(trip, config), _unsaid(driver, parcel))

    async def _http(self) -> Client:
        """The client, loaded by the first message that needs it; in a thread, for that takes longer
        than a turn of the loop may."""
        if self._client is not None:
            return self._client
        async with self._loading:
            if _CLIENT not in sys.modules:
                await aside(lambda: import_module(_CLIENT))
            return self._made()

    def _made(self) -> Client:
        from dotagent.drivers.kit.http import Client

        if self._client is None:
            self._client = Client(self._env)
        return self._client

    def _configured(self, driver: Driver, settings: Mapping[str, Any]) -> Any:
        """The driver's record, or why there is none; the same settings are read once."""
        key = (driver.name, repr(settings))
        if (known := self._configs.get(key)) is not None:
            return known
        config, problems = structure(settings, driver.config)
        if config is None:
            wrong = "; ".join(f"{p.path} {p.message}" for p in problems if p.fatal)
            return RejectDestination(why=f"the {driver.name} settings cannot be used: {wrong}")
        if len(self._configs) >= _MOST_CONFIGS:
            self._configs.clear()
        self._configs[key] = config
        return config

    async def _by_deadline(self, trip: Trip, config: Any) -> Outcome:
        deadline = asyncio.timeout(trip.parcel.timeout_ms / 1_000)
        try:
            async with deadline:
                return await self._deliver(trip, config)
        except Undelivered as error:
            return error.outcome
        except Exception as error:
            if deadline.expired():
                return self._late(trip)
            return trip.fault(error)

    async def _deliver(self, trip: Trip, config: Any) -> Outcome:
        driver, parcel = trip.driver, trip.parcel
        message = replace(parcel.message, tried_at=self._clock.now())
        if driver.send is not None:
            return await driver.send(KitTools(self._machine, trip), config, message)
        assert driver.request is not None
        request = driver.request(config, message, parcel.plain)
        response = await trip.perform(request)
        if driver.again is not None and (other := driver.again(request, response)) is not None:
            response = await trip.perform(other)
        outcome = self._judge(trip, response)
        if isinstance(outcome, RejectMessage) and not parcel.plain:
            return replace(outcome, final=driver.request(config, message, True) == request)
        return outcome

    def _judge(self, trip: Trip, response: Response) -> Outcome:
        return judge(trip.driver, response, complete=trip.last.complete, now=self._clock.now())

    def _late(self, trip: Trip) -> Outcome:
        """The deadline has passed; an answer that had begun still counts."""
        within = f"within {trip.parcel.timeout_ms / 1_000:g} s"
        response = trip.last.response()
        if response is not None and trip.driver.classify is not None:
            try:
                return self._judge(trip, response)
            except Exception as error:
                return trip.fault(error)
        if not trip.journeys:
            return Unknown(why=f"{trip.driver.name} did not finish {within}")
        if trip.last.reached and not trip.connected:
            return Retry(why=f"{trip.last.host} did not take the message {within}")
        what = "no answer from" if trip.last.connected else "no connection to"
        why = f"{what} {trip.last.host} {within}"
        return Unknown(why=why) if trip.connected else Retry(why=why)


def judge(driver: Driver, response: Response, *, complete: bool, now: int) -> Outcome:
    """What an answer means: the driver's reading, and ``Retry-After``.

    ``complete`` is false where the connection ended inside the body: a refusal is one all the same,
    but a success counts only if the driver found it in what came."""
    assert driver.classify is not None
    outcome = driver.classify(response)
    if isinstance(outcome, Sent) and not 200 <= response.status < 300:
        return by_status(driver.name, response)
    if not complete and response.status < 300 and not isinstance(outcome, Sent):
        return Unknown(why=f"the answer of {driver.name} broke off")
    return with_wait(outcome, response, now)


def _unsaid(driver: Driver, parcel: Parcel) -> Iterator[str]:
    """All that must not be said; found only when it is asked for."""
    yield from parcel.secrets
    yield from parcel.hidden()
    yield from _settings(driver, parcel)
    yield parcel.proxy or ""


def _settings(driver: Driver, parcel: Parcel) -> list[str]:
    """The values of the settings that the driver calls secret, whatever their shape."""
    found: list[str] = []
    waiting = [parcel.settings.get(name) for name in driver.secrets]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
        elif value is not None:
            found.append(str(value))
    return found
