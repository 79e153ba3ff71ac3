"""A strict HTTP server on the loopback: the base of one fake per service, scripted where needed.

It reads real requests from real sockets and writes each answer in one piece, so that it costs no
delayed acknowledgement. ``judge`` is the service: it refuses what the service refuses. Queued
``answers`` come first, which is how a test makes it fail in every way a network can.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Self

from dotagent.ports import Request

_DRIP_S = 0.005
"""Between two bytes of an answer that never ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it came over the wire. Header names keep their case; values are bytes."""

    method: str
    target: str
    headers: tuple[tuple[str, bytes], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The value of the header, decoded as UTF-8, or None."""
        for each, value in self.headers:
            if each.lower() == name.lower():
                return value.decode("utf-8", "replace")
        return None


def received(request: Request) -> Received:
    """What a server would get, without a socket."""
    target = "/" + request.url.partition("://")[2].partition("/")[2]
    headers = tuple((name, value.encode()) for name, value in request.headers)
    return Received(method=request.method, target=target, headers=headers, body=request.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. A body that is not None replaces what the service would say."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Fault(Enum):
    """What a network or a broken server does instead of answering."""

    EARLY = "close the connection before reading the request"
    SILENT = "read the request and never answer"
    RESET = "reset the connection after the request"
    TAKEN = "accept the message, then reset the connection"
    CLOSE = "close the connection after the request"
    DRIP = "send a header byte by byte, for ever"
    TRICKLE = "send status and headers, then the body byte by byte, for ever"
    CUT = "close the connection inside the body"
    GARBAGE = "answer what is not HTTP"
    ECHO = "answer 500 with everything that was sent"


Script = Answer | Fault


@dataclass(slots=True)
class StrictServer:
    """Start it with ``async with``, or with ``serving`` from a test that has no event loop."""

    secret: str = "s3cr3t-0123456789abcdef"
    """The one credential it accepts."""
    answers: deque[Script] = field(default_factory=deque)
    requests: list[Received] = field(default_factory=list)
    """Everything that arrived."""
    accepted: list[Received] = field(default_factory=list)
    """What the service took."""
    connections: int = 0
    tls: ssl.SSLContext | None = None
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    def judge(self, request: Received) -> Answer:
        """What the service says to ``request``; a 2xx accepts it."""
        return Answer(body=b"ok")

    def mood(self, request: Received) -> Script | None:
        """What it does to this request instead of judging it, where nothing is queued."""
        return None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def script(self, *answers: Script) -> None:
        """Queue what the next requests get, whatever they say."""
        self.answers.extend(answers)

    def wait_for(self, accepted: int, patience: float = 30.0) -> list[Received]:
        """Block a test without an event loop until so many messages were accepted."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.accepted) >= accepted, patience):
                raise AssertionError(f"{len(self.accepted)} of {accepted} messages arrived")
            return list(self.accepted)

    # ------------------------------------------------------------------------------ life

    async def start(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self.tls, limit=1024 * 1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the door and every connection; starting again uses the same port."""
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # -------------------------------------------------------------------------- requests

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            if self.answers and self.answers[0] is Fault.EARLY:
                self.answers.popleft()
                return
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                scripted = self.answers.popleft() if self.answers else self.mood(request)
                if scripted is Fault.TAKEN:
                    self._take(request)
                if isinstance(scripted, Fault) and scripted is not Fault.ECHO:
                    await _misbehave(scripted, reader, writer)
                    return
                answer = self._answer(request, scripted)
                writer.write(_bytes(answer))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    def _answer(self, request: Received, scripted: Script | None) -> Answer:
        if scripted is Fault.ECHO:
            return Answer(status=500, body=_echo(request))
        answer = scripted if isinstance(scripted, Answer) else self.judge(request)
        if 200 <= answer.status < 300:
            self._take(request)
        return answer

    def _take(self, request: Received) -> None:
        with self._arrived:
            self.accepted.append(request)
            self._arrived.notify_all()


async def _read(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head[:-4].split(b"\r\n")
    method, target, _ = first.decode("latin-1").split(" ")
    headers = []
    for line in lines:
        name, _, value = line.partition(b":")
        headers.append((name.decode("latin-1"), value.strip()))
    sizes = [int(value) for name, value in headers if name.lower() == "content-length"]
    body = await reader.readexactly(sizes[0]) if sizes else b""
    return Received(method=method, target=target, headers=tuple(headers), body=body)


def _bytes(answer: Answer) -> bytes:
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {answer.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    if answer.status not in (204, 304):
        lines.append(f"Content-Length: {len(answer.body)}")
    head = "\r\n".join([*lines, "", ""]).encode("utf-8")
    return head + (answer.body if answer.status not in (204, 304) else b"")


def _echo(request: Received) -> bytes:
    headers = b"\n".join(name.encode() + b": " + value for name, value in request.headers)
    return b"\n".join([request.target.encode(), headers, request.body])


async def _misbehave(
    fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n"
    if fault in (Fault.RESET, Fault.TAKEN):
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
    elif fault is Fault.CUT:
        writer.write(head + b"\r\nbeginning")
    elif fault is Fault.GARBAGE:
        writer.write(b"220 mail.example ESMTP at your service\r\n\r\n")
    elif fault in (Fault.SILENT, Fault.DRIP, Fault.TRICKLE):
        if fault is not Fault.SILENT:
            writer.write(head + (b"X-Endless: " if fault is Fault.DRIP else b"\r\n"))
            _drip(writer)
        await reader.read()  # until the other side has had enough


def _drip(writer: asyncio.StreamWriter) -> None:
    if not writer.transport.is_closing():
        writer.write(b".")
        asyncio.get_running_loop().call_later(_DRIP_S, _drip, writer)
