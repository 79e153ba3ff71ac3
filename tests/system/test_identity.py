"""A process is known by more than its pid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from dotagent.system import identity
from tests.support.system import linux_only
from tests.system import stage


def running() -> subprocess.Popen[bytes]:
    """A process that runs until it is killed."""
    return subprocess.Popen(["sleep", "60"])


@linux_only
def test_we_know_who_we_are() -> None:
    """Host, boot, pid and start time of this very process."""
    ourselves = identity.identify()

    assert (socket.gethostname(), os.getpid()) == (ourselves.host, ourselves.pid)
    assert Path("/proc/sys/kernel/random/boot_id").read_text().strip() == ourselves.boot_id
    assert identity.alive(ourselves.pid, ourselves.started_ticks)
    assert ourselves.started_ticks > 0


@linux_only
def test_a_reused_pid_is_another_process() -> None:
    """The same pid with another start time is not the process that was meant."""
    ourselves = identity.identify()

    assert not identity.alive(ourselves.pid, ourselves.started_ticks - 1)


@linux_only
def test_a_killed_process_is_dead_before_its_parent_knows() -> None:
    """A zombie runs no more, and neither does one that was collected."""
    with running() as child:
        ticks = identity.started_ticks(child.pid) or 0
        before = identity.alive(child.pid, ticks)
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        zombie = identity.alive(child.pid, ticks)
        child.wait()

        assert [True, False, False] == [before, zombie, identity.alive(child.pid, ticks)]


@linux_only
def test_a_program_may_be_called_anything(tmp_path: Path) -> None:
    """Brackets and spaces in a program's name do not shift what is read after it."""
    program = tmp_path / "a) S 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as child:
        ticks = identity.started_ticks(child.pid)
        ours = identity.started_ticks(os.getpid())
        child.kill()

        assert ticks is not None
        assert ours is not None
        assert ticks >= ours


def test_without_proc_a_pid_has_to_do(tmp_path: Path) -> None:
    """Where the system tells no start times, whoever has the pid counts as alive."""
    nowhere = str(tmp_path)
    with running() as child:
        pid = child.pid
        alive = identity.alive(pid, 5, nowhere)
        child.kill()
    unknown = identity.identify(nowhere)

    assert [True, False] == [alive, identity.alive(pid, 5, nowhere)]
    assert ("", 0) == (unknown.boot_id, unknown.started_ticks)


def test_somebody_else_s_process_is_alive_too() -> None:
    """That we may not signal it does not mean that it is not there."""
    assert stage.play_without_privileges("alive_without_proc", "/nowhere")


@linux_only
def test_an_unknown_start_time_matches_any() -> None:
    """A start time that was never known cannot tell two processes apart."""
    assert identity.alive(os.getpid(), 0)
    assert identity.alive(1, 0)


@linux_only
def test_gone() -> None:
    """A pid is nobody's, or somebody's who came later."""
    now = time.time_ns() // 1_000_000
    with running() as child:
        pid = child.pid
        assert [False, True] == [identity.gone(pid, now + 60_000), identity.gone(pid, now - 60_000)]
        child.kill()
        child.wait()
        assert identity.gone(pid, now)


def test_who_is_gone_without_proc(tmp_path: Path) -> None:
    """Where the system tells no start times, whoever has the pid is taken for the same."""
    assert not identity.gone(os.getpid(), 1, str(tmp_path))
