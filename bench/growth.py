"""How costs grow: discovery and planning with the agents, the record with its lines, recovery with
what is pending. Each row has a fitted order: the slope in a log-log plot, 1 for linear."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import UTC
from functools import partial
from pathlib import Path

from bench import home
from bench.peers import receiver
from bench.table import Curve, Row, curve, row
from dotagent import app
from dotagent.engine.embedded import Engine
from dotagent.engine.recorder import Recorder
from dotagent.store import plan, record
from dotagent.store.actor import Actor
from dotagent.store.database import Tx, open_store
from dotagent.system import auditfile
from dotagent.system.clock import SystemClock

ROUNDS = 5
SIZES = (100, 1_000, 10_000)
LINES = (1_000, 10_000, 100_000, 1_000_000)
PENDING = 10_000
TITLE = f"Growth: {ROUNDS} rounds, whole operation; an order of 1 is linear"


def measure(rounds: int = ROUNDS) -> list[Row]:
    """All rows; a curve's last row names its fitted order."""
    found: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        cold, warm = asyncio.run(_discovery(Path(scratch), rounds))
        found += curve("new manifests read", cold)
        found += curve("manifests looked at again", warm)
        planned, looked = asyncio.run(
            _planning({size: home.prepared(size) for size in SIZES}, rounds)
        )
        found += curve("agents planned at once", planned)
        found += curve("agents looked through, none due", looked)
        appended, verified = asyncio.run(_record(Path(scratch), rounds))
        found += curve("lines of record, 1,000 appended", appended)
        found += curve("lines of record verified", verified)
        found.append(row(f"first message after kill -9, {PENDING:,} pending", _recovery(scratch)))
    return found


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


class _NotKept(Exception):
    """Undoes a planning, so that the next one finds all as it was."""


async def _planning(homes: Mapping[int, Path], rounds: int) -> tuple[Curve, Curve]:
    planned: dict[int, list[float]] = {size: [] for size in SIZES}
    looked: dict[int, list[float]] = {size: [] for size in SIZES}
    for size, folder in homes.items():
        async with home.held(folder, size) as engine:
            now = engine.parts.clock.now()
            await engine.parts.store.write(partial(_plan_all, engine=engine, now=now))
            for number in range(-1, rounds):
                due, quiet = await _plan(engine, now, due=True), await _plan(engine, now)
                if number >= 0:
                    planned[size].append(due)
                    looked[size].append(quiet)
    return planned, looked


async def _plan(engine: Engine, now: int, *, due: bool = False) -> float:
    """Milliseconds until what is due is planned, without the commit; ``due``: all agents are."""
    taken = 0.0

    def work(tx: Tx) -> None:
        nonlocal taken
        if due:
            tx.run("UPDATE schedules SET next_due_at = ?", now)
        began = time.perf_counter()
        _plan_all(tx, engine, now)
        taken = (time.perf_counter() - began) * 1_000
        raise _NotKept

    with suppress(_NotKept):
        await engine.parts.store.write(work)
    return taken


def _plan_all(tx: Tx, engine: Engine, now: int) -> None:
    while plan.plan_due(tx, engine.parts.actor, now).more:
        pass


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
                for _ in range(rounds):
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
    """A daemon dies with a full outbox; how long until the next one's first message is sent. Each
    round begins with a copy of the dead one's home; the last one's messages all arrive."""
    samples = []
    folder, full = Path(scratch) / "recovery", Path(scratch) / "full"
    env = {**os.environ, "DOTAGENT_HOME": str(folder), "HOME": str(folder)}
    argv = [sys.executable, "-m", "dotagent", "daemon"]
    with receiver() as target:
        _die_with_full_outbox(folder, target.url)
        shutil.copytree(folder, full, ignore=shutil.ignore_patterns("*.bell", "bell"))
        for number in range(-1, rounds):
            shutil.rmtree(folder)
            shutil.copytree(full, folder)
            target.reset()
            began = time.monotonic_ns()
            with subprocess.Popen(
                argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as daemon:
                elapsed = (target.nth(1) - began) / 1e6
                if number == rounds - 1:
                    target.nth(PENDING)
                daemon.send_signal(signal.SIGKILL)
            if number >= 0:
                samples.append(elapsed)
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
