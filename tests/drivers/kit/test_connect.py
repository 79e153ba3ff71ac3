"""Connecting a socket for another protocol."""

from __future__ import annotations

import socket

import pytest
from aiohttp.abc import ResolveResult

from dotagent.core.model import Retry
from dotagent.drivers.kit.connect import connect
from dotagent.drivers.kit.journey import Journey, Undelivered
from dotagent.drivers.kit.resolve import look_up


def local(port: int, *hosts: str) -> list[ResolveResult]:
    return [
        ResolveResult(hostname="x", host=host, port=port, family=socket.AF_INET, proto=0, flags=0)
        for host in hosts
    ]


async def test_connected() -> None:
    """The socket is connected, does not block, and the journey says how far it got."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        journey = Journey()
        port = server.getsockname()[1]
        with await connect("localhost", port, journey, look_up) as connected:
            assert ("127.0.0.1", port) == connected.getpeername()
            assert not connected.getblocking()

    assert (f"localhost:{port}", True, False) == (
        journey.host,
        journey.reached,
        journey.connected,
    )


async def test_second_address() -> None:
    """Where one address refuses, the next is tried."""
    with socket.create_server(("127.0.0.2", 0)) as server:
        port = server.getsockname()[1]
        lookup = lambda host, port, family: local(port, "127.0.0.1", "127.0.0.2")  # noqa: E731
        with await connect("x.example", port, Journey(), lookup) as connected:
            assert "127.0.0.2" == connected.getpeername()[0]


async def test_refused() -> None:
    """Nobody listens: a retry with the system's reason."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Undelivered) as caught:
        await connect("127.0.0.1", port, Journey(), look_up)

    assert Retry(why=f"no connection to 127.0.0.1:{port} (Connection refused)") == (
        caught.value.outcome
    )


async def test_unknown_host() -> None:
    """A name that nobody knows is a retry: the name server may be away."""

    def lookup(host: str, port: int, family: int) -> list[ResolveResult]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(Undelivered) as caught:
        await connect("nope.example", 25, Journey(), lookup)

    assert Retry(
        why="the address of host nope.example cannot be found (Name or service not known)"
    ) == (caught.value.outcome)
