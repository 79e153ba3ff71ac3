"""A TCP proxy that does to connections what networks do: delay, reset, cut, trickle, go silent."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from contextlib import suppress
from enum import Enum

from tests.support.wheel import breath

_CHUNK = 65_536


class Net(Enum):
    """What happens to one connection."""

    DELAYS = "the answer comes late"
    RESETS = "the connection is reset before anything is read"
    LOSES = "the request arrives, and the connection is reset before its answer comes back"
    TRUNCATES = "the answer ends in the middle of its head"
    TRICKLES = "the answer comes byte by byte, too slowly"
    HALF_OPEN = "the connection stands, and nothing comes through it any more"


class Proxy:
    """Stands before ``port``. ``troubles`` are what the next connections meet, one each."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.troubles: deque[Net] = deque()

    @property
    def is_up(self) -> bool:
        return self._server is not None

    async def start(self) -> None:
        """Listen; on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Nobody listens; every connection ends."""
        if self._server is None:
            return
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                await self._carry(
                    reader, writer, self.troubles.popleft() if self.troubles else None
                )
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trouble: Net | None
    ) -> None:
        if trouble is Net.RESETS:
            _reset(writer)
            return
        if trouble is Net.HALF_OPEN:
            await reader.read(-1)
            return
        back, on = await asyncio.open_connection("127.0.0.1", self._target)
        forth = asyncio.create_task(_pump(reader, on))
        try:
            await _answer(back, writer, trouble)
        finally:
            forth.cancel()
            on.transport.abort()


async def _answer(
    back: asyncio.StreamReader, writer: asyncio.StreamWriter, trouble: Net | None
) -> None:
    first = await back.read(_CHUNK)
    if trouble is Net.LOSES:
        _reset(writer)
    elif trouble is Net.TRUNCATES:
        writer.write(first[:20])
        await writer.drain()
    elif trouble is Net.TRICKLES:
        for byte in first:
            writer.write(bytes([byte]))
            await writer.drain()
            for _ in range(20):
                await breath()
    else:
        for _ in range(20 if trouble is Net.DELAYS else 0):
            await breath()
        writer.write(first)
        await _pump(back, writer)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while chunk := await source.read(_CHUNK):
        sink.write(chunk)
        await sink.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
