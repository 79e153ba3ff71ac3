"""An agent that prints a gigabyte: what the daemon grows by, how long its loop stands still.

The real engine runs the agent while a task of the same loop looks at the time; the log, its limit
and the tail are checked each round, so that what is measured is the whole work.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import tempfile
import time
from pathlib import Path

from bench import home
from bench.dispatch import running
from bench.table import Row, row
from dotagent.engine.embedded import Engine
from dotagent.store.database import Tx

ROUNDS = 5
WARM_UP = 1
PRINTED = 1_000_000_000
LIMIT_MB = 50
LOOK_S = 0.001
TITLE = f"An agent that prints 1 GB: {ROUNDS} rounds after {WARM_UP} to warm up"
MANIFEST = """\
[agent]
name = "{name}"
[run]
command = "sh"
args = ["-c", "yes 0123456789012345678901234567890123456789 | head -c %d; echo; echo end"]
[[schedules]]
id = "s"
cron = "0 3 29 2 *"
"""


def measure() -> list[Row]:
    """Growth and stall have floors; how long it took is for the reader."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        return asyncio.run(_measure(Path(scratch) / "home"))


async def _measure(folder: Path) -> list[Row]:
    home.write(folder, ["talker"], [], manifest=MANIFEST % PRINTED)
    took: list[float] = []
    grown: list[float] = []
    stalls: list[float] = []
    async with running(folder, 1) as engine:
        gc.collect()
        before = _memory()  # of a daemon that has run nothing yet
        for number in range(-WARM_UP, ROUNDS):
            began = time.perf_counter()
            peak, stall = await _one(engine, number + WARM_UP + 1)
            if number >= 0:
                took.append((time.perf_counter() - began) * 1_000)
                grown.append((peak - before) / 1e6)
                stalls.append(stall * 1_000)
            _check(engine, folder)
    return [
        row("from start to settled", took),
        row("growth of the daemon", grown, unit="MB", floor=10, goal=10),
        row("longest stall of its loop", stalls, floor=50, goal=50),
    ]


async def _one(engine: Engine, number: int) -> tuple[int, float]:
    """Run it once; the most memory, and the longest turn of the loop meanwhile."""
    now = engine.parts.clock.now()

    def plan(tx: Tx) -> None:
        tx.run(
            "INSERT INTO windows (agent, schedule, plan_epoch, expected_at, planned_at,"
            " deadline_at, state, next_at) VALUES ('talker', 's', 0, ?1, ?1, ?2, 'waiting', ?1)",
            now,
            now + 3_600_000,
        )

    await engine.parts.store.write(plan)
    engine.poke()
    peak, stall, turn = 0, 0.0, 0
    ended = "SELECT count(*) FROM attempts WHERE ended_at IS NOT NULL"
    while turn % 50 or engine.parts.reader.execute(ended).fetchone()[0] < number:
        turn += 1
        began = time.perf_counter()
        await asyncio.sleep(LOOK_S)
        stall = max(stall, time.perf_counter() - began - LOOK_S)
        peak = max(peak, _memory()) if turn % 10 == 0 else peak
    return peak, stall


def _check(engine: Engine, folder: Path) -> None:
    """The tail ends as the output did, and no piece of the log is over its limit."""
    tail = engine.parts.reader.execute(
        "SELECT stdout_tail FROM attempts ORDER BY id DESC LIMIT 1"
    ).fetchone()[0]
    logs = list((folder / "logs" / "agents" / "talker").iterdir())
    largest = max(log.stat().st_size for log in logs)
    if not tail.endswith("\nend") or largest > LIMIT_MB * 1024 * 1024 + 1_000:
        sys.exit(f"the tail or the log is not as it should be: {largest:,} bytes, {tail[-40:]!r}")


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
