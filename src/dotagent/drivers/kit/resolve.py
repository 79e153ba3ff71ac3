"""Looks host names up, each in a thread of its own: a name server that hangs holds up no other."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, TypedDict

from dotagent.drivers.kit.aside import aside


class Address(TypedDict):
    """One address of a host, with what connecting to it takes: the shape that aiohttp asks for."""

    hostname: str
    host: str
    port: int
    family: int
    proto: int
    flags: int


Lookup = Callable[[str, int, int], list[Address]]


def look_up(host: str, port: int, family: int) -> list[Address]:
    """Ask the system, blocking. Raises OSError (``socket.gaierror``)."""
    # A machine whose only address is the loopback must still find itself.
    flags = 0 if host == "localhost" else socket.AI_ADDRCONFIG
    found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=flags)
    return [
        Address(
            hostname=host,
            host=_numeric(address),
            port=int(address[1]),
            family=kind,
            proto=proto,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, proto, _, address in found
    ]


def _numeric(address: tuple[Any, ...]) -> str:
    scope = address[3] if len(address) == 4 else 0  # link-local IPv6 only
    return f"{address[0]}%{scope}" if scope else str(address[0])


async def resolve(lookup: Lookup, host: str, port: int, family: int = 0) -> list[Address]:
    """The addresses of ``host``; raises OSError."""

    def work() -> list[Address]:
        try:
            return lookup(host, port, family)
        except UnicodeError:
            raise socket.gaierror(socket.EAI_NONAME, "not a valid host name") from None

    return await aside(work, "dotagent-lookup")
