"""Both ways to read the process table say the same of the same processes."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from dotagent.supervisor.grip import grip, runs
from dotagent.supervisor.table import (
    ProcTable,
    PsTable,
    Table,
    machine_table,
    process_start_ticks,
)
from tests.support.system import require


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a name that has brackets and spaces, a marker and a pipe."""
    process = subprocess.Popen(
        ["bash", "-c", "exec -a 'a) b (c' sleep inf"],
        env={"PATH": os.environ["PATH"], "MARK": "one two", "WORD": "x"},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


TABLES = pytest.mark.parametrize("table", [ProcTable(), PsTable()], ids=["proc", "ps"])


@TABLES
def test_row_of_a_process(sleeper: subprocess.Popen[bytes], table: Table) -> None:
    """Pid, parent and group are what they are; the start time does not change."""
    require("ps")
    row = table.row(sleeper.pid)

    assert row is not None
    assert (sleeper.pid, os.getpid(), sleeper.pid) == (row.pid, row.parent, row.group)
    assert row.session in (sleeper.pid, 0)
    assert row.started == table.started(sleeper.pid) > 0
    assert row in list(table.rows())


@TABLES
def test_zombie_has_no_row(sleeper: subprocess.Popen[bytes], table: Table) -> None:
    """A process that has ended has no row even before it is reaped; its start is still known."""
    require("ps")
    row = table.row(sleeper.pid)
    assert row is not None
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)

    assert table.row(sleeper.pid) is None
    assert row.started == table.started(sleeper.pid)
    assert not runs(table, row)
    assert grip(table, row) is None


@TABLES
def test_process_that_is_not_there(table: Table) -> None:
    """Nobody has the highest number there is: no row, no start time, no marker."""
    assert table.row(4_194_304) is None
    assert 0 == table.started(4_194_304)
    assert not table.bears(4_194_304, b"A=b")
    assert not table.holds(4_194_304, frozenset({1}))


def test_marker_is_an_entry_of_the_environment(sleeper: subprocess.Popen[bytes]) -> None:
    """Only the whole entry counts."""
    table = ProcTable()

    assert table.bears(sleeper.pid, b"MARK=one two")
    assert not table.bears(sleeper.pid, b"MARK=one")
    assert not table.bears(sleeper.pid, b"")
    assert PsTable().bears(sleeper.pid, b"WORD=x")


def test_open_pipes_are_seen(sleeper: subprocess.Popen[bytes]) -> None:
    """A process that holds a pipe is told from one that does not."""
    assert sleeper.stdout is not None
    inode = os.fstat(sleeper.stdout.fileno()).st_ino

    assert ProcTable().holds(sleeper.pid, frozenset({inode}))
    assert not ProcTable().holds(sleeper.pid, frozenset({inode + 1}))


def test_own_start_time() -> None:
    """This machine knows when we started."""
    row = machine_table().row(os.getpid())

    assert row is not None
    assert row.started == process_start_ticks(os.getpid())


def test_marker_is_seen_through_exec() -> None:
    """A process that executes one program after the other, and bash, which takes its environment
    apart while it starts, keep their marker: no two looks in a row miss it."""
    step = 'i=$((I + 1)); [ $i -gt 300 ] && exec sleep inf; I=$i exec bash -c "$1" x "$1"'
    process = subprocess.Popen(
        ["bash", "-c", step, "x", step], env={"PATH": os.environ["PATH"], "MARK": "m"}
    )
    table = ProcTable()
    try:
        seen = [table.bears(process.pid, b"MARK=m") for _ in range(2_000)]
    finally:
        process.kill()
        process.wait()

    assert all(first or second for first, second in pairwise(seen))


def test_process_without_environment_bears_nothing() -> None:
    """An empty environment is an answer, not a reason to look for long."""
    process = subprocess.Popen(["sleep", "inf"], env={})
    began = time.monotonic()
    try:
        seen = {ProcTable().bears(process.pid, b"MARK=m") for _ in range(50)}
    finally:
        process.kill()
        process.wait()

    assert {False} == seen
    assert time.monotonic() - began < 2
