"""How long the commands take that people and prompts run all day, against a bare interpreter.

Whole processes, wall clock, the same interpreter, a scratch home without agents. One round runs
each command once, beginning with another one each time, so that no command has the better place.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.table import Row, row

ROUNDS = 25
WARM_UP = 3
"""Rounds before the counted ones: they fill the page cache and write the ``.pyc`` files."""

PYTHON = f"Python {sys.version_info.major}.{sys.version_info.minor}"
TITLE = f"Start-up: whole processes, {ROUNDS} rounds after {WARM_UP} to warm up, {PYTHON}"

BARE = "python -c pass"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    BARE: ("-c", "pass"),
    "dotagent --version": ("-m", "dotagent", "--version"),
    "dotagent status": ("-m", "dotagent", "status"),
}
BOUNDS = {"dotagent --version": (2.0, 1.5), "dotagent status": (3.0, 2.0)}
"""Floor and goal, as multiples of the bare interpreter."""


def measure(rounds: int = ROUNDS, warm_up: int = WARM_UP) -> list[Row]:
    """Run all commands ``warm_up + rounds`` times, interleaved; one row each."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        samples = take(COMMANDS, rounds, warm_up, Path(scratch))
    rows = [row(BARE, samples[BARE])]
    for name, (floor, goal) in BOUNDS.items():
        rows.append(row(name, samples[name], peer=samples[BARE], floor=floor, goal=goal))
    return rows


def take(
    commands: Mapping[str, tuple[str, ...]], rounds: int, warm_up: int, scratch: Path
) -> dict[str, list[float]]:
    """Milliseconds of each counted round, by command."""
    names = list(commands)
    samples: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-warm_up, rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            elapsed = once(commands[name], scratch)
            if number >= 0:
                samples[name].append(elapsed)
    return samples


def once(arguments: tuple[str, ...], scratch: Path) -> float:
    """Run this interpreter with ``arguments`` in the scratch home; milliseconds until it is gone.

    A command that fails measures nothing, so its own words end the benchmark.
    """
    env = {"PATH": "/usr/bin:/bin", "HOME": str(scratch), "DOTAGENT_HOME": str(scratch / "home")}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=scratch,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    elapsed = (time.perf_counter() - started) * 1000
    if done.returncode != 0:
        command = " ".join(arguments)
        sys.exit(f"python {command}: exit {done.returncode}\n{done.stderr.strip()}")
    return elapsed
