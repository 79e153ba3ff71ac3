"""Looking host names up."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
from aiohttp.abc import ResolveResult

from dotagent.drivers.kit.http import Resolver


async def test_finds_this_machine() -> None:
    """A name becomes addresses that can be connected to."""
    found = await Resolver().resolve("localhost", 80, socket.AF_INET)

    assert ("127.0.0.1", 80, "localhost") == (
        found[0]["host"],
        found[0]["port"],
        found[0]["hostname"],
    )


@pytest.mark.parametrize("host", ["x..y", "a" * 64 + ".example"])
async def test_impossible_name(host: str) -> None:
    """A name that cannot exist is an error like any other failed lookup."""
    with pytest.raises(OSError, match="host name"):
        await Resolver().resolve(host)


async def test_hanging_lookup_holds_nobody() -> None:
    """While forty names hang, another is found, and giving up on them leaves nothing behind."""
    held = threading.Event()

    def hang(host: str, port: int, family: int) -> list[ResolveResult]:
        if host.startswith("hangs"):
            held.wait(30)
        return []

    resolver = Resolver(hang)
    hanging = [asyncio.create_task(resolver.resolve(f"hangs-{n}")) for n in range(40)]

    assert [] == await resolver.resolve("answers")
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    held.set()
    await resolver.close()
