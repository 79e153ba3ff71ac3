"""How costs grow: discovery and planning with the agents, the record with its lines, recovery with
what is pending. Each row has a fitted order: the slope in a log-log plot, 1 for linear."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC
from pathlib import Path
from statistics import median

from bench import home
from bench.peers import receiver
from bench.table import Row, row
from dotagent import app
from dotagent.engine.recorder import Recorder
from dotagent.store import record
from dotagent.store.actor import Actor
from dotagent.store.database import Tx, open_store
from dotagent.system import auditfile
from dotagent.system.clock import SystemClock

ROUNDS = 5
SIZES = (100, 1_000, 10_000)
LINES = (1_000, 10_000, 100_000, 1_000_000)
PENDING = 10_000
TITLE = f"Growth: {ROUNDS} rounds (one for a million lines), whole operation"

Curve = Mapping[int, Sequence[float]]
"""Milliseconds of each round, by size."""


def measure(rounds: int = ROUNDS) -> list[Row]:
    """All rows; a curve's last row names its fitted order."""
    found: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        cold, warm = asyncio.run(_discovery(Path(scratch), rounds))
        found += curve("read new manifests", cold)
        found += curve("look again, nothing changed", warm)
        appended, verified = asyncio.run(_record(Path(scratch), rounds))
        found += curve("append 1,000 lines to a record of", appended)
        found += curve("verify a record of", verified)
        found.append(row(f"first message after kill -9, {PENDING:,} pending", _recovery(scratch)))
    return found


def curve(name: str, taken: Curve) -> list[Row]:
    """One row a size, and the order of growth in the last one's name."""
    rows = []
    for size, samples in taken.items():
        said = f"{name} {size:,}"
        if size == max(taken):
            said += f" (order {order(taken):.2f})"
        rows.append(row(said, samples))
    return rows


def order(taken: Curve) -> float:
    """The exponent of growth: the least-squares slope of log(time) over log(size)."""
    points = [(math.log(size), math.log(median(samples))) for size, samples in taken.items()]
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    above = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return above / sum((x - mean_x) ** 2 for x, _ in points)


async def _discovery(scratch: Path, rounds: int) -> tuple[Curve, Curve]:
    cold: dict[int, list[float]] = {size: [] for size in SIZES}
    warm: dict[int, list[float]] = {size: [] for size in SIZES}
    for number in range(rounds):
        for size in SIZES:
            folder = scratch / f"agents-{size}-{number}"
            home.write(folder, [f"a{each}" for each in range(size)], [])
            began = time.perf_counter()
            async with home.held(folder, size) as engine:
                cold[size].append((time.perf_counter() - began) * 1_000)
                began = time.perf_counter()
                await engine.reload()
                warm[size].append((time.perf_counter() - began) * 1_000)
    return cold, warm


async def _record(scratch: Path, rounds: int) -> tuple[Curve, Curve]:
    """Appending is commit and file; verifying reads the whole file."""
    appended: dict[int, list[float]] = {size: [] for size in LINES}
    verified: dict[int, list[float]] = {size: [] for size in LINES}
    paths = app.paths_of({"HOME": str(scratch), "DOTAGENT_HOME": str(scratch / "record")})
    clock = SystemClock()
    with closing(clock), closing(open_store(paths.database)) as store:
        actor = Actor(epoch=1, host="bench", zone=UTC)
        with closing(Recorder(paths.audit, store, clock)) as recorder:
            recorder.check()
            there = 0

            async def append(count: int) -> None:
                nonlocal there
                await store.write(lambda tx: _lines(tx, actor, count))
                await recorder.flush()
                there += count

            for size in LINES:
                await append(size - there)
                for _ in range(rounds if size < LINES[-1] else 2):
                    began = time.perf_counter()
                    await append(1_000)
                    appended[size].append((time.perf_counter() - began) * 1_000)
                    began = time.perf_counter()
                    verdict = auditfile.verify_file(paths.audit)
                    verified[size].append((time.perf_counter() - began) * 1_000)
                    if verdict.broken_at is not None:
                        sys.exit(f"the record is broken: {verdict}")
    return appended, verified


def _lines(tx: Tx, actor: Actor, count: int) -> None:
    for number in range(count):
        record.append(tx, actor, 1_800_000_000_000 + number, "info", "tick_started", number=number)


def _recovery(scratch: str, rounds: int = ROUNDS) -> list[float]:
    """A daemon dies with a full outbox; how long until the next one's first message is sent."""
    samples = []
    for number in range(rounds):
        folder = Path(scratch) / f"recovery-{number}"
        with receiver() as target:
            _die_with_full_outbox(folder, target.url)
            env = {**os.environ, "DOTAGENT_HOME": str(folder), "HOME": str(folder)}
            began = time.monotonic_ns()
            argv = [sys.executable, "-m", "dotagent", "daemon"]
            with subprocess.Popen(argv, env=env, stderr=subprocess.DEVNULL) as daemon:
                samples.append((target.nth(1) - began) / 1e6)
                target.nth(PENDING)
                daemon.send_signal(signal.SIGTERM)
    return samples


def _die_with_full_outbox(folder: Path, url: str) -> None:
    """A holder commits failures and is killed before it sends one message."""
    pid = os.fork()
    if pid == 0:
        asyncio.run(_fill(folder, url))
    os.waitpid(pid, 0)


async def _fill(folder: Path, url: str) -> None:
    names = [f"a{number}" for number in range(1_000)]
    home.write(folder, names, [url])
    async with home.held(folder, len(names)) as engine:
        for _ in range(PENDING // len(names)):
            await home.fail_all(engine, names)
        os.kill(os.getpid(), signal.SIGKILL)
