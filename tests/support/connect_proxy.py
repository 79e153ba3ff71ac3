"""A strict HTTP proxy that opens tunnels (RFC 9110 §9.3.6), for what is not HTTP.

It answers as proxies at their worst do: where the server behind it speaks first, its greeting comes
in one piece with the proxy's own answer.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

_GREETING_S = 2.0


@dataclass(slots=True)
class ConnectProxy:
    """``names``: the hosts that it can find, with their ports. ``login``: what it asks for.
    ``says``: what it answers in place of opening a tunnel; ``hangs``: it never answers."""

    names: dict[str, int] = field(default_factory=dict)
    login: str = ""
    says: bytes | None = None
    hangs: bool = False
    asked: list[str] = field(default_factory=list)
    """Each request line that came."""
    carried: int = 0
    """Bytes that went to the servers behind it."""
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://{f'{self.login}@' if self.login else ''}127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()
        await asyncio.sleep(0)  # the transports' own last turn

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._keep(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head.partition("\r\n")[0])
            if self.hangs:
                await asyncio.Event().wait()
            answer = self._judge(head) if self.says is None else self.says
            if answer:
                writer.write(answer)
                await writer.drain()
            else:
                await self._carry(reader, writer, head)
        writer.close()

    def _keep(self, task: asyncio.Task[None] | None) -> None:
        assert task is not None
        self._tasks.add(task)

    def _judge(self, head: str) -> bytes:
        """A refusal; empty for a tunnel."""
        found = re.match(r"CONNECT (([\w.-]+):\d+) HTTP/1\.1\r\nHost: (\S+)\r\n", head)
        if found is None or found[1] != found[3]:
            return b"HTTP/1.1 400 Bad Request\r\n\r\n"
        wanted = f"Proxy-Authorization: Basic {b64encode(self.login.encode()).decode()}\r\n"
        if self.login and wanted not in head:
            return b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
        if found[2] not in self.names:
            return b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
        return b""

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str
    ) -> None:
        name = head.split()[1].rpartition(":")[0]
        behind, onward = await asyncio.open_connection("127.0.0.1", self.names[name])
        self._writers.append(onward)
        greeting = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GREETING_S):
                greeting = await behind.read(65_536)
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 strict\r\n\r\n" + greeting)
        self._keep(back := asyncio.create_task(_pour(behind, writer)))
        while chunk := await reader.read(65_536):
            self.carried += len(chunk)
            onward.write(chunk)
        onward.close()
        back.cancel()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
        writer.close()
