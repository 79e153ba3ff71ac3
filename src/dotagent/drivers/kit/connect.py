"""Connects a socket for a driver that speaks another protocol than HTTP.

All addresses of a host are tried, each a little after the one before it (RFC 8305), so that a
broken IPv6 does not eat the deadline.
"""

from __future__ import annotations

import socket

from aiohappyeyeballs import start_connection

from dotagent.core.model import Retry
from dotagent.drivers.kit import tunnel
from dotagent.drivers.kit.journey import Journey, Undelivered, unreachable
from dotagent.drivers.kit.resolve import Lookup, resolve
from dotagent.drivers.kit.tunnel import Proxy

_DELAY_S = 0.25
"""RFC 8305 §5: the recommended delay between two attempts."""


async def connect(
    host: str, port: int, journey: Journey, lookup: Lookup, through: Proxy | None = None
) -> socket.socket:
    """A connected socket that does not block; ``through`` a proxy where there is one. Raises
    ``Undelivered``."""
    journey.host = f"{host}:{port}"
    if through is None:
        connected = await _open(host, port, lookup)
        journey.reached = True
        return connected
    connected = await _open(through.host, through.port, lookup, behind=journey.host)
    try:
        await tunnel.dig(connected, through, host, port)
    except BaseException:
        connected.close()
        raise
    journey.reached = True
    return connected


async def _open(host: str, port: int, lookup: Lookup, behind: str = "") -> socket.socket:
    """``behind``: what lies behind this host, if it is a proxy."""
    away = f"the proxy for {behind} cannot be reached"
    try:
        found = await resolve(lookup, host, port)
    except OSError as error:
        why = away if behind else f"the address of host {host} cannot be found"
        raise Undelivered(Retry(why=f"{why} ({error.strerror or 'no answer'})")) from None
    infos = [
        (each["family"], socket.SOCK_STREAM, each["proto"], "", (each["host"], each["port"]))
        for each in found
    ]
    try:
        return await start_connection(infos, happy_eyeballs_delay=_DELAY_S, interleave=1)
    except OSError as error:
        why = away if behind else f"no connection to {host}:{port}"
        raise Undelivered(Retry(why=f"{why} ({unreachable(error)})")) from None
