"""Work that may hang holds up nothing."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from dotagent.supervisor.aside import aside


async def test_result_and_error_come_back() -> None:
    """What the work returns or raises is what the caller gets."""
    assert 7 == await aside(lambda: 7, 10_000)

    with pytest.raises(ZeroDivisionError):
        await aside(lambda: 1 // 0, 10_000)


async def test_hung_work_ends_in_a_timeout(tmp_path: Path) -> None:
    """A disk that does not answer is a timeout, and other work goes on meanwhile."""
    fifo = tmp_path / "stuck"
    os.mkfifo(fifo)
    stuck = asyncio.create_task(aside(fifo.read_bytes, 50))
    other = await aside(lambda: "quick", 10_000)

    assert "quick" == other

    with pytest.raises(TimeoutError):
        await stuck

    fifo.write_bytes(b"")  # lets the thread go


async def test_cancelled_work_is_forgotten(tmp_path: Path) -> None:
    """What comes back after the caller has gone disturbs nobody."""
    fifo = tmp_path / "stuck"
    os.mkfifo(fifo)
    stuck = asyncio.create_task(aside(fifo.read_bytes, 10_000))
    await asyncio.sleep(0)
    stuck.cancel()
    fifo.write_bytes(b"late")

    with pytest.raises(asyncio.CancelledError):
        await stuck
    assert 1 == await aside(lambda: 1, 10_000)
