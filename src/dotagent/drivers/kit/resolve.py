"""Looks host names up, each in a thread of its own: a name server that hangs holds up no other."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from dotagent.drivers.kit.aside import aside

Lookup = Callable[[str, int, int], list[ResolveResult]]


def look_up(host: str, port: int, family: int) -> list[ResolveResult]:
    """Ask the system, blocking. Raises OSError (``socket.gaierror``)."""
    # A machine whose only address is the loopback must still find itself.
    flags = 0 if host == "localhost" else socket.AI_ADDRCONFIG
    found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=flags)
    return [
        ResolveResult(
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


class Resolver(AbstractResolver):
    """aiohttp asks once per host at a time, so a host that hangs holds one thread."""

    def __init__(self, lookup: Lookup = look_up) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of ``host``; raises OSError."""

        def work() -> list[ResolveResult]:
            try:
                return self._lookup(host, port, family)
            except UnicodeError:
                raise socket.gaierror(socket.EAI_NONAME, "not a valid host name") from None

        return await aside(work, "dotagent-lookup")

    async def close(self) -> None:
        """Nothing is held."""
