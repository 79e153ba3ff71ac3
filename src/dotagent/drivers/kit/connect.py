"""Connects a socket for a driver that speaks another protocol than HTTP.

All addresses of a host are tried, each a little after the one before it (RFC 8305), so that a
broken IPv6 does not eat the deadline.
"""

from __future__ import annotations

import socket

from aiohappyeyeballs import start_connection

from dotagent.core.model import Retry
from dotagent.drivers.kit.http import Journey, Undelivered, unreachable
from dotagent.drivers.kit.resolve import Lookup, Resolver

_DELAY_S = 0.25
"""RFC 8305 §5: the recommended delay between two attempts."""


async def connect(host: str, port: int, journey: Journey, lookup: Lookup) -> socket.socket:
    """A connected socket that does not block. Raises ``Undelivered``."""
    journey.host = f"{host}:{port}"
    try:
        found = await Resolver(lookup).resolve(host, port)
    except OSError as error:
        why = f"the address of host {host} cannot be found ({error.strerror or 'no answer'})"
        raise Undelivered(Retry(why=why)) from None
    infos = [
        (each["family"], socket.SOCK_STREAM, each["proto"], "", (each["host"], each["port"]))
        for each in found
    ]
    try:
        connected = await start_connection(infos, happy_eyeballs_delay=_DELAY_S, interleave=1)
    except OSError as error:
        why = f"no connection to {journey.host} ({unreachable(error)})"
        raise Undelivered(Retry(why=why)) from None
    journey.reached = True
    return connected
