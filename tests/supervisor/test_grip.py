"""A hold on a process reaches that process or nobody, with the kernel's help and without."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from dotagent.supervisor.grip import Grip, Vigil, grip, grip_all, kill_all, open_pidfd
from dotagent.supervisor.table import ProcTable, Row

TABLE = ProcTable()


@pytest.fixture
def sleepers() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Three processes."""
    processes = [subprocess.Popen(["sleep", "inf"]) for _ in range(3)]
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def row_of(process: subprocess.Popen[bytes]) -> Row:
    """Its row."""
    row = TABLE.row(process.pid)
    assert row is not None
    return row


@pytest.mark.parametrize("kernel_helps", [True, False])
async def test_all_are_killed_and_waited_for(
    sleepers: list[subprocess.Popen[bytes]], kernel_helps: bool
) -> None:
    """With pidfd and without, the call returns when the last one is gone."""
    before = len(os.listdir("/proc/self/fd"))
    grips = [
        Grip(TABLE, row_of(process), open_pidfd(process.pid) if kernel_helps else None)
        for process in sleepers
    ]
    await kill_all(grips)
    await kill_all([])

    assert [None] * 3 == [TABLE.row(process.pid) for process in sleepers]
    assert [-signal.SIGKILL] * 3 == [process.wait() for process in sleepers]
    assert before == len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("kernel_helps", [True, False])
def test_another_process_of_that_number_is_not_signalled(
    sleepers: list[subprocess.Popen[bytes]], kernel_helps: bool
) -> None:
    """A row whose start time is not the process's is a process that is gone."""
    now = row_of(sleepers[0])
    old = Row(
        pid=now.pid,
        parent=now.parent,
        group=now.group,
        session=now.session,
        started=now.started - 1,
    )
    if kernel_helps:
        assert grip(TABLE, old) is None
    else:
        Grip(TABLE, old, None).send(signal.SIGKILL)

    assert sleepers[0].poll() is None


def test_process_that_is_gone_has_no_grip(sleepers: list[subprocess.Popen[bytes]]) -> None:
    """Those that went meanwhile are left out; a signal to them is nothing."""
    rows = [row_of(process) for process in sleepers]
    late = grip(TABLE, rows[1])
    assert late is not None
    for process in sleepers[:2]:
        process.kill()
        process.wait()
    late.send(signal.SIGKILL)
    late.close()
    held = grip_all(TABLE, rows)
    pids = [one.row.pid for one in held]
    for one in held:
        one.close()

    assert [sleepers[2].pid] == pids


@pytest.mark.parametrize("kernel_helps", [True, False])
async def test_closed_vigil_tells_nothing(
    sleepers: list[subprocess.Popen[bytes]], kernel_helps: bool
) -> None:
    """After ``close`` nobody is called, whatever ends."""
    told: list[str] = []
    held = Grip(TABLE, row_of(sleepers[0]), open_pidfd(sleepers[0].pid) if kernel_helps else None)
    sleepers[0].kill()
    os.waitid(os.P_PID, sleepers[0].pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222
    vigil = Vigil(asyncio.get_running_loop(), [held], lambda: told.append("gone"))
    vigil.close()
    for _ in range(3):
        await asyncio.sleep(0)

    assert [] == told
