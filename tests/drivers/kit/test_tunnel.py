"""Tunnels through an HTTP proxy."""

from __future__ import annotations

import asyncio
import socket

import pytest

from dotagent.core.model import Retry, Unsupported
from dotagent.drivers.kit.journey import Undelivered
from dotagent.drivers.kit.tunnel import Proxy, dig, read


@pytest.mark.parametrize(
    ("wanted", "proxy"),
    [
        (None, None),
        ("", None),
        ("http://p.example:3128", Proxy(host="p.example", port=3128)),
        ("p.example", Proxy(host="p.example", port=80)),
        ("http://a%40b:c%3Ad@[::1]:8/", Proxy(host="::1", port=8, login="a@b:c:d")),
        ("http://bob@p:1", Proxy(host="p", port=1, login="bob:")),
    ],
)
def test_read(wanted: str | None, proxy: Proxy | None) -> None:
    """A notifier's proxy with its login; the password shows in no record."""
    found = read(wanted)

    assert proxy == found
    assert "c:d" not in repr(found)


@pytest.mark.parametrize("wanted", ["https://p:1", "socks5://p:1", "http://", "http://p:x"])
def test_of_no_use(wanted: str) -> None:
    """What is no HTTP proxy is not gone around."""
    with pytest.raises(Undelivered) as caught:
        read(wanted)

    assert isinstance(caught.value.outcome, Unsupported)


async def dug(host: str, answer: bytes) -> tuple[bytes, bytes]:
    """What the proxy was asked, and what is left to read once the tunnel stands."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for each in (ours, theirs):
            each.setblocking(False)
        await loop.sock_sendall(theirs, answer)
        await dig(ours, Proxy(host="p", port=1), host, 587)
        return await loop.sock_recv(theirs, 4_096), await loop.sock_recv(ours, 4_096)


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("mail.example", "mail.example"),
        ("::1", "[::1]"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
async def test_asks_exactly(host: str, named: str) -> None:
    """The request is exact, and a greeting that comes with the answer is not swallowed."""
    asked, left = await dug(host, b"HTTP/1.0 200 OK\r\nX: y\r\n\r\n220 mail.example ESMTP\r\n")

    assert f"CONNECT {named}:587 HTTP/1.1\r\nHost: {named}:587\r\n\r\n".encode() == asked
    assert b"220 mail.example ESMTP\r\n" == left


@pytest.mark.parametrize("host", ["a b", "a\r\nX: y", "a" * 64, "", "a/b", "a@b"])
async def test_no_host(host: str) -> None:
    """What is no host name gets into no request."""
    with pytest.raises(Undelivered) as caught:
        await dug(host, b"HTTP/1.1 200 OK\r\n\r\n")

    assert isinstance(caught.value.outcome, Retry)
    assert "not a valid host name" in caught.value.outcome.why
