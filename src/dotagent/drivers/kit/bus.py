"""The desktop's session bus, spoken to directly: a connection for each send, a call at a time.

Nothing is kept open between two sends, so that an idle daemon is not woken by what happens on the
bus, and one that was started anew is no broken connection. Linux only: elsewhere never imported.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from dotagent.core.model import Outcome, Retry, Unsupported
from dotagent.drivers.kit.journey import Journey, Undelivered
from dotagent.ports import Reply

_CHUNK = 4096


def addresses(env: Mapping[str, str]) -> Iterator[str]:
    """Where the session bus may be: the address that is set, else where systemd puts it. A daemon
    that was started by neither desktop nor shell has only the second."""
    if named := env.get("DBUS_SESSION_BUS_ADDRESS"):
        yield named
    folder = env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    yield f"unix:path={folder}/bus"


@asynccontextmanager
async def session_bus(env: Mapping[str, str], journey: Journey) -> AsyncIterator[SessionBus]:
    """The bus, connected. Raises ``Undelivered``: unsupported where there is none."""
    journey.host = "the session bus"
    reader, writer = await _open(env)
    journey.reached = True
    try:
        bus = SessionBus(reader, writer, journey)
        await bus.begin()
        yield bus
    except (EOFError, OSError):
        raise Undelivered(journey.lost("the session bus closed the connection")) from None
    finally:
        writer.close()


async def _open(env: Mapping[str, str]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    from jeepney.bus import get_connectable_addresses

    refused = False
    for address in addresses(env):
        try:
            for path in get_connectable_addresses(address):
                return await asyncio.open_unix_connection(path)
        except (ConnectionRefusedError, BlockingIOError):
            refused = True
        except (OSError, ValueError, RuntimeError):  # not there, not an address, not a Unix socket
            continue
    raise Undelivered(_no_bus(refused))


def _no_bus(refused: bool) -> Outcome:
    if refused:
        return Retry(why="the session bus refuses connections")
    return Unsupported(
        why="there is no desktop session here: no session bus at $DBUS_SESSION_BUS_ADDRESS or"
        " $XDG_RUNTIME_DIR/bus"
    )


class SessionBus:
    """Implements ``ports.Bus`` over one connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, journey: Journey
    ) -> None:
        from jeepney.io.asyncio import DBusConnection

        self._connection = DBusConnection(reader, writer)
        self._journey = journey

    async def begin(self) -> None:
        """Say who we are (D-Bus specification, "Authentication Protocol"), and hello."""
        from jeepney.auth import BEGIN, AuthenticationError, Authenticator

        reader, writer = self._connection.reader, self._connection.writer
        authenticator = Authenticator()
        try:
            for line in authenticator:
                writer.write(line)
                await writer.drain()
                answer = await reader.read(_CHUNK)
                if not answer:
                    raise EOFError
                authenticator.feed(answer)
        except AuthenticationError:
            why = "the session bus belongs to another user"
            raise Undelivered(Unsupported(why=why)) from None
        writer.write(BEGIN)
        await self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "Hello")

    async def call(
        self, name: str, path: str, member: str, signature: str = "", *arguments: Any
    ) -> Reply:
        """Implements ``ports.Bus``. Signals that arrive meanwhile are nobody's."""
        from jeepney import DBusAddress, HeaderFields, MessageType, new_method_call

        address = DBusAddress(path, bus_name=name, interface=name)
        message = new_method_call(address, member, signature or None, arguments)
        serial = next(self._connection.outgoing_serial)
        await self._connection.send(message, serial=serial)
        while True:
            reply = await self._connection.receive()
            fields = reply.header.fields
            if fields.get(HeaderFields.reply_serial) == serial:
                break
        failed = reply.header.message_type is MessageType.error
        return Reply(
            sender=fields.get(HeaderFields.sender, ""),
            body=tuple(reply.body or ()),
            error=fields.get(HeaderFields.error_name, "unnamed") if failed else None,
        )
