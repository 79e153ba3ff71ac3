"""A tunnel through an HTTP proxy (RFC 9110 §9.3.6, CONNECT), for what is not HTTP itself.

Invariants: not a byte beyond the proxy's answer is read, for in many protocols the server speaks
first and its greeting may follow at once; what the proxy answers is bounded and never repeated.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from dataclasses import dataclass, field
from socket import socket
from urllib.parse import unquote, urlsplit

from dotagent.core.model import Outcome, Retry, Unsupported
from dotagent.drivers.kit import proxy as proxies
from dotagent.drivers.kit.journey import Undelivered
from dotagent.drivers.kit.wire import url_problem

_MOST = 16 * 1024
"""Bytes of an answer's head; those of real proxies have a few hundred."""
_HTTP_PORT = 80
_STATUS = re.compile(rb"HTTP/1\.[0-9] ([0-9]{3})\b")
_HOST = re.compile(r"[0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """Whom to ask for a tunnel. ``login`` is ``user:password``, empty for none."""

    host: str
    port: int
    login: str = field(default="", repr=False)


def read(wanted: str | None) -> Proxy | None:
    """The notifier's ``proxy``; None for none. Raises ``Undelivered`` for one of no use here."""
    address = proxies.choose("", wanted, {})
    if address is None:
        return None
    if (problem := url_problem(address)) is not None:
        raise Undelivered(Unsupported(why=f"the proxy that is set {problem}"))
    parts = urlsplit(address)
    if parts.scheme != "http":
        why = "the proxy that is set must start with http:// to carry anything but HTTP"
        raise Undelivered(Unsupported(why=why))
    login = ""
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(host=parts.hostname or "", port=parts.port or _HTTP_PORT, login=login)


async def dig(connected: socket, proxy: Proxy, host: str, port: int) -> None:
    """Have the proxy at the other end of ``connected`` connect on to ``host``, whose name it looks
    up itself. Raises ``Undelivered``."""
    place = f"{host}:{port}"
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendall(connected, _request(_named(host), port, proxy.login))
        answer = await _head(loop, connected)
    except OSError:
        answer = b""
    if not answer.endswith(b"\r\n\r\n"):
        raise Undelivered(Retry(why=f"the proxy for {place} closed the connection"))
    if (refusal := _judge(answer, place)) is not None:
        raise Undelivered(refusal)


def _named(host: str) -> str:
    """The host as a request line has it."""
    try:
        name = f"[{host}]" if ":" in host else host.encode("idna").decode()
    except UnicodeError:
        name = ""
    if _HOST.fullmatch(name) is None:
        why = f"the address of host {host} cannot be found (not a valid host name)"
        raise Undelivered(Retry(why=why))
    return name


def _request(host: str, port: int, login: str) -> bytes:
    lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
    if login:
        lines.append(f"Proxy-Authorization: Basic {b64encode(login.encode()).decode()}")
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


async def _head(loop: asyncio.AbstractEventLoop, connected: socket) -> bytes:
    head = bytearray()
    while not head.endswith(b"\r\n\r\n") and len(head) < _MOST:
        byte = await loop.sock_recv(connected, 1)
        if not byte:
            break
        head += byte
    return bytes(head)


def _judge(answer: bytes, place: str) -> Outcome | None:
    """None for a tunnel: any 2xx, whatever else its head says."""
    found = _STATUS.match(answer)
    if found is None:
        return Retry(why=f"what the proxy for {place} answered is not HTTP")
    status = int(found[1])
    if 200 <= status < 300:
        return None
    return Retry(why=f"the proxy refused a connection to {place} (status {status})")
