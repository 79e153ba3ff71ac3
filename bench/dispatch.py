"""From due to running: how much later than a bare spawn of the same command an agent starts.

The real engine over a real home, asleep until the instant that is due; the child itself says when
it began. Bare: the same command by ``subprocess.Popen``, in the same rounds. Each round takes other
agents, so that what must be read for a start is read.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

from bench import home
from bench.table import Row, curve, row
from dotagent.engine.embedded import Engine
from dotagent.store.database import Tx

ROUNDS = 5
WARM_UP = 1
SIZES = (100, 1_000, 10_000)
AT_ONCE = 50
TOGETHER = 1_000
SINGLES = 5
"""Agents that are due one after the other in a round; their middle is the round's value."""
FLOOR_MS, GOAL_MS = 10, 4
AHEAD_MS = 100
COMMAND = ("date", "+%s%N")

TITLE = f"Dispatch: {ROUNDS} rounds after {WARM_UP} to warm up, later than a bare spawn"


def measure() -> list[Row]:
    """Two rows a size: one that is due alone, and fifty at once; then a thousand at once."""
    alone: dict[int, list[float]] = {}
    crowd: dict[int, list[float]] = {}
    with _own_processes() as processes:
        for size in SIZES:
            alone[size], crowd[size] = processes.submit(_of, home.prepared(size), size).result()
        together = processes.submit(_together, home.prepared(TOGETHER)).result()
    return [
        *curve("agents, one is due", alone, floor=FLOOR_MS, goal=GOAL_MS),
        *curve("agents, a tenth of them, at most 50, due, each", crowd, FLOOR_MS, GOAL_MS),
        row(f"{TOGETHER:,} agents due together, each", together, floor=FLOOR_MS, goal=GOAL_MS),
    ]


def _own_processes() -> ProcessPoolExecutor:
    """A process for each home, as a daemon is one: what another home left in memory would count."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(max_workers=1, mp_context=spawn, max_tasks_per_child=1)


def _of(folder: Path, size: int) -> tuple[list[float], list[float]]:
    return asyncio.run(_alone_and_crowd(folder, size))


def _together(folder: Path) -> list[float]:
    return asyncio.run(_all_at_once(folder))


async def _alone_and_crowd(folder: Path, size: int) -> tuple[list[float], list[float]]:
    names = home.names(size)
    alone: list[float] = []
    crowd: list[float] = []
    async with running(folder, size) as engine:
        for number in range(-WARM_UP, ROUNDS):
            one = median([await _later(engine, [_next(names)]) for _ in range(SINGLES)])
            many = await _later(engine, [_next(names) for _ in range(min(AT_ONCE, size // 10))])
            if number >= 0:
                alone.append(one)
                crowd.append(many)
    return alone, crowd


async def _all_at_once(folder: Path) -> list[float]:
    """All agents of a home at once; as many run side by side as the configuration allows."""
    async with running(folder, TOGETHER) as engine:
        taken = [await _later(engine, home.names(TOGETHER)) for _ in range(WARM_UP + ROUNDS)]
    return taken[WARM_UP:]


def _next(names: list[str]) -> str:
    """Another agent each time."""
    names.append(names.pop(0))
    return names[-1]


@asynccontextmanager
async def running(folder: Path, size: int) -> AsyncIterator[Engine]:
    """The home's engine at work, all agents adopted and planned, nothing due."""
    async with home.held(folder, size) as engine:
        task = asyncio.create_task(engine.run())
        try:
            while _count(engine, "SELECT count(*) FROM schedules WHERE planned_through IS NULL"):
                await _moment(engine)
            yield engine
        finally:
            engine.stop("the benchmark is over")
            await task


def _count(engine: Engine, sql: str, *params: int) -> int:
    return int(engine.parts.reader.execute(sql, params).fetchone()[0])


async def _moment(engine: Engine) -> None:
    await engine.parts.clock.sleep_until(engine.parts.clock.now() + 20)


async def _later(engine: Engine, names: Sequence[str]) -> float:
    """Milliseconds by which the last of them began later than bare ones, divided by how many."""
    ours = await _began(engine, names)
    bare = await asyncio.to_thread(_bare, len(names))
    return (ours - bare) / len(names)


async def _began(engine: Engine, names: Sequence[str]) -> float:
    """Milliseconds from the instant that they were due until the last of them ran."""
    at = engine.parts.clock.now() + AHEAD_MS
    before = _count(engine, "SELECT coalesce(max(id), 0) FROM attempts")

    def plan(tx: Tx) -> None:
        for name in names:
            tx.run(
                "INSERT INTO windows (agent, schedule, plan_epoch, expected_at, planned_at,"
                " deadline_at, state, next_at) VALUES (?, 's', 0, ?, ?, ?, 'waiting', ?)",
                name,
                at,
                at,
                at + 3_600_000,
                at,
            )

    await engine.parts.store.write(plan)
    engine.poke()
    ended = "SELECT count(*) FROM attempts WHERE id > ? AND ended_at IS NOT NULL"
    while _count(engine, ended, before) < len(names):
        await _moment(engine)
    rows = engine.parts.reader.execute("SELECT stdout_tail FROM attempts WHERE id > ?", (before,))
    return max(int(row["stdout_tail"]) for row in rows) / 1e6 - at


def _bare(count: int) -> float:
    """The same for children that nobody supervises."""
    began = time.time_ns()
    last = 0
    for first in range(0, count, home.RUN_AT_ONCE):
        some = range(first, min(first + home.RUN_AT_ONCE, count))
        children = [subprocess.Popen(COMMAND, stdout=subprocess.PIPE) for _ in some]
        last = max(int(child.communicate()[0]) for child in children)
    return (last - began) / 1e6
