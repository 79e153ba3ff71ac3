"""What keeps a daemon from starting anything, as others see it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from dotagent.core.hindrance import FULL, STOPPED, waited_for
from dotagent.system.hindrance import BEGINNING_MS, hindrance
from dotagent.system.lock import Holder
from tests.support.patience import until
from tests.support.system import linux_only

NOW = 1_000_000


def holder(age_ms: int | None, role: str | None = "daemon", pid: int | None = None) -> Holder:
    return Holder(pid, role, None if age_ms is None else NOW - age_ms)


def test_a_daemon_without_its_reserve(tmp_path: Path) -> None:
    """Its disk is full, unless it has only just begun; of one that says no time nobody knows."""
    reserve = str(tmp_path / "reserve")
    ages = (BEGINNING_MS + 1, BEGINNING_MS, None)
    without = [hindrance(reserve, holder(age_ms), NOW) for age_ms in ages]
    Path(reserve).touch()

    assert [FULL, None, None] == without
    assert hindrance(reserve, holder(BEGINNING_MS + 1), NOW) is None


def test_a_disk_without_room(tmp_path: Path) -> None:
    """A daemon with nothing in flight still has its reserve then."""
    reserve = str(tmp_path / "reserve")
    Path(reserve).touch()
    more = 1 << 62  # than any disk has

    assert hindrance(reserve, holder(BEGINNING_MS + 1), NOW) is None
    assert FULL == hindrance(reserve, holder(BEGINNING_MS + 1), NOW, least=more)
    assert hindrance(reserve, holder(BEGINNING_MS), NOW, least=more) is None


def test_where_no_daemon_runs(tmp_path: Path) -> None:
    """Nobody needs the reserve: neither nobody, nor a command that holds the home."""
    reserve = str(tmp_path / "reserve")

    assert hindrance(reserve, None, NOW) is None
    assert hindrance(reserve, holder(BEGINNING_MS + 1, "run-now"), NOW) is None


def see(role: str, child: subprocess.Popen[bytes]) -> str | None:
    """What keeps a process that holds the home, on a disk with room."""
    return hindrance(os.curdir, holder(0, role, child.pid), NOW)


@linux_only
def test_a_stopped_process() -> None:
    """Whoever holds the home, as long as a signal keeps it."""
    child = subprocess.Popen(["sleep", "60"])
    try:
        seen = [see(role, child) for role in ("daemon", "run")]
        os.kill(child.pid, signal.SIGSTOP)
        until(lambda: see("run", child) == STOPPED, what="the stop")
        stopped = see("daemon", child)
        os.kill(child.pid, signal.SIGCONT)
        until(lambda: see("run", child) is None, what="its going on")
    finally:
        child.kill()
        child.wait()

    assert [None, None] == seen
    assert STOPPED == stopped


def test_a_name_that_looks_like_a_state(tmp_path: Path) -> None:
    """What a process calls itself says nothing of how it is (proc(5)); of one that is gone nobody
    knows anything."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_bytes(b"7 (a) T (b) S 1 7 7 0")
    (tmp_path / "8").mkdir()
    (tmp_path / "8" / "stat").write_bytes(b"8 (a) S (b) T 1 8 8 0")

    found = [hindrance("", holder(0, "run", pid), NOW, str(tmp_path)) for pid in (7, 8, 9)]

    assert [None, STOPPED, None] == found


def test_what_a_run_waits_for() -> None:
    """A free slot, unless something keeps all of them."""
    assert "a free slot" == waited_for(None)
    assert "room on the disk" == waited_for(FULL)
    assert "stopped" in waited_for(STOPPED)
