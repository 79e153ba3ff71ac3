"""Blocking work in a thread of its own."""

from __future__ import annotations

import asyncio
import threading

import pytest

from dotagent.drivers.kit.aside import aside


async def test_answers() -> None:
    """What the work returns comes back, from another thread."""
    assert threading.get_ident() != await aside(threading.get_ident)


async def test_errors() -> None:
    """What the work raises comes back as well."""

    def fails() -> None:
        raise KeyError("why")

    with pytest.raises(KeyError, match="why"):
        await aside(fails)


async def test_hanging_work_is_left() -> None:
    """Who gives up waits no longer, and what the work then brings is nobody's."""
    held, ended = threading.Event(), threading.Event()

    def hangs() -> None:
        held.wait(30)
        ended.set()

    task = asyncio.create_task(aside(hangs))
    done, _ = await asyncio.wait({task}, timeout=0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    held.set()

    assert (set(), True) == (done, ended.wait(30))


def test_loop_has_ended() -> None:
    """Work that ends after its event loop disturbs nobody."""
    held, ended = threading.Event(), threading.Event()

    def hangs() -> None:
        held.wait(30)
        ended.set()

    async def begin() -> None:
        task = asyncio.create_task(aside(hangs))
        await asyncio.wait({task}, timeout=0.05)
        task.cancel()

    asyncio.run(begin())
    held.set()

    assert ended.wait(30)
