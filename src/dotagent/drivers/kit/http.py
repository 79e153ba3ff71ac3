"""The one HTTP client of all drivers: pooled, without redirects, cookies or netrc.

Invariants: the body read and the body unpacked are bounded; no exception's own text, which may hold
the address, gets into an outcome. Nothing imports this but when a message needs it: the library
takes memory and time that homes without such a channel spare.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from yarl import URL

from dotagent.core.model import (
    Outcome,
    RejectDestination,
    RejectMessage,
    Retry,
    Unsupported,
)
from dotagent.drivers.kit import proxy as proxies
from dotagent.drivers.kit.journey import BODY_CAP, Journey, Undelivered, unreachable
from dotagent.drivers.kit.resolve import Lookup, look_up, resolve
from dotagent.drivers.kit.trust import stamp, trust
from dotagent.drivers.kit.wire import url_problem
from dotagent.ports import Request, Response

_HEADS = ("User-Agent", "Content-Type", "Accept-Encoding")
"""What aiohttp would add by itself; a driver sends exactly the headers it names."""

_NO_ADDRESS = "the address is not a valid http:// or https:// address"
_KEEP_ALIVE_S = 15
_MOST_WAYS = 1_000
_UNBOUNDED = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
"""The deadline is the kit's, around everything, not the library's."""


_JOURNEY: ContextVar[Journey] = ContextVar("journey")
"""Whose request it is that this task makes."""


class _Connector(aiohttp.TCPConnector):
    """Notes when a request has its connection: whatever goes wrong later, it may have arrived."""

    async def connect(self, *args: Any, **more: Any) -> Connection:
        connection = await super().connect(*args, **more)
        _JOURNEY.get().connected = True
        return connection


class Resolver(AbstractResolver):
    """aiohttp asks once per host at a time, so a host that hangs holds one thread."""

    def __init__(self, lookup: Lookup = look_up) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of ``host``; raises OSError."""
        return [ResolveResult(**each) for each in await resolve(self._lookup, host, port, family)]

    async def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How an address is reached, each part as it is read once."""

    url: URL
    host: str
    through: str | None


class Client:
    """Performs requests. One pool of connections per proxy and private CA."""

    def __init__(self, env: Mapping[str, str], lookup: Lookup = look_up) -> None:
        """``env`` is read for proxies only; ``lookup`` finds the addresses of a host."""
        self._env = env
        self._lookup = lookup
        self._sessions: dict[tuple[str | None, str | None, int], aiohttp.ClientSession] = {}
        self._ways: dict[tuple[str, str | None], _Way] = {}

    async def close(self) -> None:
        """Close every connection."""
        sessions = list(self._sessions.values())
        self._sessions.clear()
        for session in sessions:
            await session.close()

    async def perform(
        self, request: Request, journey: Journey, *, proxy: str | None, ca_file: str | None
    ) -> Response:
        """Send ``request`` and return its answer, noting in ``journey`` how far it got. Raises
        Undelivered. The caller sets the deadline, and may take a partial answer from ``journey``.
        """
        way = self._way(request.url, proxy)
        journey.host = way.host
        headers = _headers(request)
        session = self._session(way.through, ca_file)
        _JOURNEY.set(journey)
        try:
            async with session.request(
                request.method,
                way.url,
                data=request.body or None,
                headers=headers,
                proxy=way.through,
                allow_redirects=False,
            ) as answer:
                journey.status = answer.status
                journey.headers.update({k.lower(): v for k, v in answer.headers.items()})
                await _drink(answer, journey)
        except (aiohttp.ClientError, OSError) as error:
            if (partial := journey.response()) is not None:
                return partial
            raise Undelivered(explain(error, journey)) from None
        response = journey.response()
        assert response is not None
        return response

    def _way(self, address: str, proxy: str | None) -> _Way:
        """Raises Undelivered."""
        key = (address, proxy)
        known = self._ways.get(key)
        if known is None:
            url = _url(address)
            host = url.host_port_subcomponent or "the service"
            known = _Way(url=url, host=host, through=_proxy(address, proxy, self._env))
            if len(self._ways) >= _MOST_WAYS:
                self._ways.clear()
            self._ways[key] = known
        return known

    def _session(self, through: str | None, ca_file: str | None) -> aiohttp.ClientSession:
        key = (through, ca_file, stamp(ca_file))
        session = self._sessions.get(key)
        if session is None:
            session = self._sessions[key] = aiohttp.ClientSession(
                connector=_Connector(
                    limit=0,
                    ssl=trust(ca_file) if ca_file else True,
                    resolver=Resolver(self._lookup),
                    keepalive_timeout=_KEEP_ALIVE_S,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=_UNBOUNDED,
                trust_env=False,  # netrc would come with it
                auto_decompress=False,
                skip_auto_headers=_HEADS,
            )
        return session


async def _drink(answer: aiohttp.ClientResponse, journey: Journey) -> None:
    while len(journey.body) < BODY_CAP:
        chunk = await answer.content.readany()
        if not chunk:
            journey.complete = True
            return
        journey.body += chunk
    # The rest is not worth reading; aiohttp then gives the connection up.
    del journey.body[BODY_CAP:]
    journey.complete = True


# ----------------------------------------------------------------------------- before the request


def _url(text: str) -> URL:
    """The address exactly as written where that is plain ASCII, else encoded."""
    try:
        url = URL(text, encoded=text.isascii()) if url_problem(text) is None else None
    except ValueError:
        url = None
    if url is None or not url.host:
        raise Undelivered(RejectDestination(why=_NO_ADDRESS))
    return url.with_fragment(None)


def _headers(request: Request) -> dict[str, str]:
    for name, value in request.headers:
        if not (f"{name}{value}".isascii() and f"{name}{value}".isprintable()):
            why = f"the header {name!r} holds a character that no header may hold"
            raise Undelivered(RejectMessage(why=why))
    return dict(request.headers)


def _proxy(url: str, wanted: str | None, env: Mapping[str, str]) -> str | None:
    through = proxies.choose(url, wanted, env)
    if through is None or (problem := url_problem(through)) is None:
        return through
    raise Undelivered(Unsupported(why=f"the proxy that is set {problem}"))


# ------------------------------------------------------------------------------ what went wrong


def explain(error: Exception, journey: Journey) -> Outcome:
    """What a failed exchange means. Only the class and the error number of ``error`` are used."""
    host = journey.host
    match error:
        case aiohttp.ClientConnectorDNSError():
            return Retry(why=f"the address of host {host} cannot be found ({_reason(error)})")
        case aiohttp.ClientProxyConnectionError():
            return Retry(why=f"the proxy for {host} cannot be reached ({_reason(error)})")
        case aiohttp.ClientHttpProxyError():
            return Retry(why=f"the proxy refused a connection to {host} (status {error.status})")
        case aiohttp.ClientConnectorCertificateError():
            hint = "; set ca_file if it is your own"
            return Retry(why=f"the certificate of {host} is not trusted ({_reason(error)}){hint}")
        case aiohttp.ClientSSLError() | ssl.SSLError() if not journey.connected:
            return Retry(why=f"no secure connection with {host} ({_reason(error)})")
        case aiohttp.ClientConnectorError():
            return Retry(why=f"no connection to {host} ({_reason(error)})")
        case aiohttp.ClientResponseError():
            return journey.lost(f"what {host} answered is not HTTP")
    return journey.lost(f"{host} closed the connection before it answered")


def _reason(error: Exception) -> str:
    """The system's words for an error number, or the kind of TLS error."""
    cause: BaseException = error
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    if isinstance(cause, ssl.SSLError):
        return (cause.reason or "TLS error").replace("_", " ").lower()
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return getattr(cause, "strerror", None) or "no answer"
    return unreachable(cause)
