"""What a daemon that was killed leaves behind is found and ended, and nobody else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dotagent.supervisor import orphans
from dotagent.supervisor.orphans import MARKER_NAME, LostAttempt
from dotagent.supervisor.table import machine_table, process_start_ticks
from tests.supervisor import killed_daemon
from tests.supervisor.children import Field, heard, powerless
from tests.support.system import require_root

ROOT = Path(killed_daemon.__file__).parents[2]


@contextmanager
def daemon(field: Field, body: str) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """A real daemon process with one attempt: the process, the child's pid and start time."""
    command = [sys.executable, "-m", killed_daemon.__name__]
    process = subprocess.Popen(
        [*command, str(field.script(body)), field.marker, str(field.folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        pid, ticks = map(int, process.stdout.readline().split())
        yield process, pid, ticks
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def killed(field: Field, body: str) -> tuple[int, int]:
    """The child of a daemon that was killed once the script wrote to ``ready``."""
    ready = field.fifo("ready")
    with daemon(field, body.replace("READY", f"echo > {ready}")) as (process, pid, ticks):
        await heard(ready)
        process.kill()
        process.wait()
    return pid, ticks


@pytest.mark.parametrize(
    "body",
    [
        "READY; sleep inf",
        "trap '' TERM HUP; sleep inf & READY; wait",
        "setsid sleep inf & sleep inf & READY; wait",
        "set -m; (sleep inf | sleep inf) & READY; wait",
        "env -i sleep inf & READY; sleep inf",
        "for i in {1..20}; do sleep inf & done; READY; wait",
    ],
    ids=["plain", "ignoring", "session", "jobs", "without-marker", "many"],
)
async def test_orphans_of_a_killed_daemon_are_ended(field: Field, body: str) -> None:
    """Children, grandchildren, other sessions and groups: none is left after the reaping."""
    pid, ticks = await killed(field, body)
    before = field.left()
    group = [row.pid for row in machine_table().rows() if row.session == pid]
    confirmed = await field.spawner.reap(field.marker, pid, ticks)

    assert confirmed
    assert before
    assert [] == field.left()
    assert [] == [number for number in group if machine_table().row(number)]


async def test_marker_alone_finds_them(field: Field) -> None:
    """A daemon killed before it stored the pid: the marker is enough."""
    pid, _ = await killed(field, "sleep inf & READY; wait")

    assert await field.spawner.reap(field.marker, None, None)
    assert machine_table().row(pid) is None
    assert [] == field.left()


async def test_pid_and_start_time_alone_find_them(field: Field) -> None:
    """A leader that dropped the marker is known by pid and start time, and its session with it."""
    pid, ticks = await killed(field, "READY; exec env -i bash -c 'sleep inf & sleep inf'")

    assert await field.spawner.reap(field.marker, pid, ticks)
    assert [] == [row for row in machine_table().rows() if row.session == pid]


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of ours, in a session of its own."""
    process = subprocess.Popen(["sleep", "inf"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


async def test_reused_pid_is_spared(field: Field, stranger: subprocess.Popen[bytes]) -> None:
    """A process that has the recorded pid but another start time is somebody else."""
    ticks = process_start_ticks(stranger.pid)
    confirmed = await field.spawner.reap(field.marker, stranger.pid, ticks - 1)
    unknown = await field.spawner.reap(field.marker, stranger.pid, 0)

    assert (True, True) == (confirmed, unknown)
    assert stranger.poll() is None


async def test_nothing_left_is_confirmed(field: Field) -> None:
    """An attempt of which nothing is left is confirmed dead; an empty marker matches nobody."""
    assert await field.spawner.reap(field.marker, None, None)
    assert await field.spawner.reap("", 4_194_304, 1)


async def test_we_ourselves_are_spared(field: Field) -> None:
    """A daemon that an agent started bears the agent's marker; it ends the others, not itself."""
    code = (
        "import asyncio, sys\nfrom dotagent.supervisor.spawner import RealSpawner\n"
        "from tests.supervisor.children import StillClock\n"
        "print(asyncio.run(RealSpawner(StillClock()).reap(sys.argv[1], None, None)))"
    )
    body = f"sleep inf & cd {ROOT}; {sys.executable} -c '{code}' $AGENT_ATTEMPT_ID; echo on"
    ended = await field.run(body)

    assert "True\non" == ended.stdout.text
    assert [] == field.left()


async def test_survivor_that_cannot_be_killed_is_not_confirmed(field: Field) -> None:
    """As long as one is left the attempt's death is not confirmed."""
    require_root("to have what it may not signal")
    pid, ticks = await killed(field, "READY; sleep inf")
    field.with_kernel(patience_ms=200)
    with powerless():
        refused = await field.spawner.reap(field.marker, pid, ticks)

    field.with_kernel()
    assert not refused
    assert await field.spawner.reap(field.marker, pid, ticks)


def test_survivors_are_named(field: Field) -> None:
    """The process with the marker is a survivor, its neighbours are none."""
    environment = {MARKER_NAME: field.marker, "OTHER": f"{MARKER_NAME}={field.marker}x"}
    with (
        subprocess.Popen(["sleep", "inf"], env=environment) as one,
        subprocess.Popen(["sleep", "inf"], env={"A": field.marker}) as other,
    ):
        found = LostAttempt(machine_table(), field.marker, None, None).survivors()
        for process in (one, other):
            os.kill(process.pid, signal.SIGKILL)

    assert [one.pid] == [row.pid for row in found]
    assert "AGENT_ATTEMPT_ID" == orphans.MARKER_NAME
