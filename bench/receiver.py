"""``python -m bench.receiver``: an HTTP receiver that is never the bottleneck.

A process of its own on the loopback. It keeps connections, answers each request in one write
without Nagle's delay, and remembers when each arrived, on the machine's monotonic clock. Its first
line of output is its port; then each line of input is a question: ``wait N`` is answered with the
arrival (ns) of the N-th request since the last ``reset`` once it is there, ``reset`` with the count
so far.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from typing import cast

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
END = b"\r\n\r\n"


class Arrivals:
    """When requests arrived, and who waits for the n-th."""

    def __init__(self) -> None:
        self.at: list[int] = []
        self._wanted = 0
        self._there = asyncio.Event()

    def add(self) -> None:
        self.at.append(time.monotonic_ns())
        if len(self.at) >= self._wanted:
            self._there.set()

    async def nth(self, number: int) -> int:
        if len(self.at) < number:
            self._wanted = number
            self._there.clear()
            await self._there.wait()
        return self.at[number - 1]


class Connection(asyncio.Protocol):
    """Just enough of HTTP/1.1 for clients that name the length of what they send (RFC 9112 §6)."""

    def __init__(self, arrivals: Arrivals, hangs: bool) -> None:
        self._arrivals = arrivals
        self._hangs = hangs
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        found = transport.get_extra_info("socket")
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (head := self._buffer.find(END)) >= 0:
            whole = head + len(END) + _length(self._buffer[:head])
            if len(self._buffer) < whole:
                return
            self._buffer = self._buffer[whole:]
            self._arrivals.add()
            if not self._hangs:
                self._transport.write(ANSWER)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


async def main(hangs: bool) -> None:
    """Serve and answer questions until the input ends. ``hangs``: take all, answer nothing."""
    arrivals = Arrivals()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(arrivals, hangs), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    questions = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    while line := (await questions.readline()).split():
        if line[0] == b"reset":
            print(len(arrivals.at), flush=True)
            arrivals.at.clear()
        else:
            print(await arrivals.nth(int(line[1])), flush=True)


if __name__ == "__main__":
    asyncio.run(main("--hangs" in sys.argv))
