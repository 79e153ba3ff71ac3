"""An idle daemon with a thousand agents: how often it wakes, what it holds, what it writes.

The real program in a process of its own; the numbers are the kernel's (proc(5)): voluntary context
switches of all threads, resident memory, bytes sent to the disk. It has a channel, and is looked at
before its first message and after: that one loads the HTTP client.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from bench import home
from bench.peers import Receiver, receiver
from bench.table import Row, row

AGENTS = 1_000
ROUNDS = 5
ROUND_S = 8.0
CALM_S = 2.0
CHANNEL = """
[[notifiers]]
driver = "webhook"
url = "{url}"
events = ["store_error"]
"""
TITLE = f"Idle daemon, {AGENTS:,} agents: {ROUNDS} rounds of {ROUND_S:g} s, once it has settled"


def measure() -> list[Row]:
    """Wake-ups, memory, disk."""
    config = home.prepared(AGENTS) / "config.toml"
    before = config.read_text()
    with receiver() as target:
        config.write_text(before + CHANNEL.format(url=target.url))
        try:
            return _measure(config.parent, target)
        finally:
            config.write_text(before)


def _measure(folder: Path, target: Receiver) -> list[Row]:
    woken: list[float] = []
    held: list[float] = []
    written: list[float] = []
    sent: list[float] = []
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "DOTAGENT_HOME": str(folder)}
    dotagent = [sys.executable, "-m", "dotagent"]
    with subprocess.Popen([*dotagent, "daemon"], env=env, stdout=subprocess.PIPE) as daemon:
        try:
            assert daemon.stdout is not None
            daemon.stdout.readline()
            _calm_down(daemon.pid)
            for _ in range(ROUNDS):
                before = _wakes(daemon.pid), _written(daemon.pid)
                time.sleep(ROUND_S)
                woken.append((_wakes(daemon.pid) - before[0]) * 60 / ROUND_S)
                written.append(_written(daemon.pid) - before[1])
                held.append(_memory(daemon.pid))
            subprocess.run([*dotagent, "notify", "test"], env=env, check=True, capture_output=True)
            target.nth(1)
            _calm_down(daemon.pid)
            sent = [_memory(daemon.pid) for _ in range(ROUNDS)]
        finally:
            daemon.terminate()
    return [
        row("wake-ups a minute", woken, unit="", floor=2, goal=2),
        row("memory", held, unit="MB", floor=60, goal=45),
        row("memory, once it has sent over HTTP", sent, unit="MB", floor=60),
        row("written to disk in a round", written, unit="bytes", floor=0, goal=0),
    ]


def _calm_down(pid: int) -> None:
    """Until it has slept through a moment."""
    before = -1
    while before != (before := _wakes(pid)):
        time.sleep(CALM_S)


def _wakes(pid: int) -> int:
    """How often its threads have gone to sleep so far."""
    return sum(
        _number(task / "status", "voluntary_ctxt_switches")
        for task in Path(f"/proc/{pid}/task").iterdir()
    )


def _written(pid: int) -> int:
    return _number(Path(f"/proc/{pid}/io"), "write_bytes")


def _memory(pid: int) -> float:
    return _number(Path(f"/proc/{pid}/status"), "VmRSS") / 1024


def _number(file: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s*(\d+)", file.read_text(), re.M)
    assert found is not None
    return int(found[1])
