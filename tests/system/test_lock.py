"""One actor per home: who holds the lock, who is refused, and what sets it free."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dotagent.core.errors import HeldError, HomeError
from dotagent.system import lock
from dotagent.system.identity import gone
from tests.support.patience import until
from tests.system import stage


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the lock is."""
    return str(tmp_path / "lock")


def test_the_holder_is_written_down_for_people(path: str) -> None:
    """The file says in one line who holds it, and is nobody else's to read."""
    held = lock.take(path, "daemon", 4711, 1_700_000_000_000)

    assert "4711 daemon 1700000000000\n" == Path(path).read_text()
    assert 0o600 == stat.S_IMODE(os.stat(path).st_mode)
    held.release()


def test_a_shorter_name_leaves_nothing_of_a_longer_one(path: str) -> None:
    """The text is the holder's and only the holder's."""
    Path(path).write_text("99999999 a-very-long-role 1700000000000\nand more\n")

    held = lock.take(path, "tick", 1, 2)

    assert "1 tick 2\n" == Path(path).read_text()
    held.release()


def test_a_second_holder_is_refused_with_the_name_of_the_first(path: str) -> None:
    """Whoever comes second learns who was first, and the first notices nothing."""
    with stage.on_stage("hold", path) as daemon:
        with pytest.raises(HeldError, match=f"held by daemon, process {daemon.pid}") as refused:
            lock.take(path, "run-now", os.getpid(), 1)

        assert ("daemon", daemon.pid) == (refused.value.role, refused.value.pid)
        assert daemon.poll() is None


def test_two_holders_in_one_process_are_two(path: str) -> None:
    """The lock belongs to one ``take``, not to the process: a second one is refused here too."""
    held = lock.take(path, "daemon", os.getpid(), 1)

    with pytest.raises(HeldError):
        lock.take(path, "tick", os.getpid(), 1)
    held.release()


def test_peek_names_the_holder(path: str) -> None:
    """``status`` can say who holds the home without disturbing it."""
    with stage.on_stage("hold", path) as daemon:
        holder = lock.peek(path)

        assert holder is not None
        assert (daemon.pid, "daemon", 1_700_000_000_000) == (
            holder.pid,
            holder.role,
            holder.started_at,
        )


def test_kill_frees_the_lock(path: str) -> None:
    """A holder killed with -9 is gone at once, whatever the file still says."""
    with stage.on_stage("hold", path) as daemon:
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()

        assert lock.peek(path) is None
        assert "daemon" in Path(path).read_text()
        lock.take(path, "daemon", os.getpid(), 1).release()


def test_a_child_on_its_way_to_its_program_is_waited_for(path: str) -> None:
    """A killed holder's child may have the lock for another moment: who comes next waits for it,
    and does not take it for a holder."""
    with stage.on_stage("hold_with_a_slow_child", path) as daemon:
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
        assert lock.peek(path) is not None

        with ThreadPoolExecutor() as pool:
            taking = pool.submit(lock.take, path, "daemon", os.getpid(), 1, gone=gone)
            until(lambda: opened(path), what="a look at the lock")
            assert daemon.stdin is not None
            daemon.stdin.close()
            taking.result().release()


def opened(path: str) -> bool:
    """Whether this process has the file open."""
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    return any(os.path.lexists(link) and os.path.realpath(link) == path for link in links)


def test_a_dead_ones_lock_is_not_waited_for_for_ever(path: str) -> None:
    """Nor is a live holder's at all."""
    with stage.on_stage("hold_with_a_slow_child", path) as daemon:
        named = f"held by daemon, process {daemon.pid}"
        with pytest.raises(HeldError, match=named):
            lock.take(path, "daemon", os.getpid(), 1, gone=gone, orphan_ms=10**9)
        daemon.kill()
        daemon.wait()
        with pytest.raises(HeldError, match=named):
            lock.take(path, "daemon", os.getpid(), 1, gone=gone, orphan_ms=1)


def test_no_child_outlives_its_holder_with_the_lock(path: str) -> None:
    """Neither a spawned nor a merely forked child keeps the lock of a daemon that was killed."""
    with stage.on_stage("hold_with_children", path) as daemon:
        assert lock.peek(path) is not None
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()

        assert lock.peek(path) is None


def test_a_forked_child_cannot_let_go_for_its_parent(path: str) -> None:
    """What a child does with its copy of the lock does not touch the holder."""
    assert stage.play("fork_and_release", path)


def test_a_released_lock_is_free(path: str) -> None:
    """After ``release`` anybody may take it, and a second ``release`` takes nothing from them."""
    first = lock.take(path, "daemon", os.getpid(), 1)
    first.release()
    second = lock.take(path, "tick", os.getpid(), 1)
    first.release()

    assert lock.peek(path) is not None
    second.release()
    assert lock.peek(path) is None


def test_no_lock_file_is_no_holder(path: str) -> None:
    """Looking at a home that was never used makes nothing in it."""
    assert lock.peek(path) is None
    assert not os.path.lexists(path)


def test_lookers_never_keep_the_lock_from_being_taken(path: str) -> None:
    """A thousand ``status`` in a row cost the daemon nothing but a retry."""
    Path(path).touch()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            lock.peek(path)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    taken = stage.play("take_and_release", path, "200")
    done.set()
    for looker in lookers:
        looker.join()

    assert 200 == taken


def test_a_looker_that_froze_is_told_apart_from_a_holder(path: str) -> None:
    """A ``status`` stopped in the middle of its look has no name; nobody waits for it for ever."""
    Path(path).touch()
    with Path(path).open() as looker:
        fcntl.flock(looker, fcntl.LOCK_SH)

        assert lock.peek(path) is None
        with pytest.raises(HeldError, match="another process holds this home") as refused:
            lock.take(path, "daemon", 1, 1)
        assert refused.value.pid is None


@pytest.mark.parametrize(
    "text", ["", "4711", "x daemon 1\n", "1 daemon soon\n", "1 daemon 1", "a\n"]
)
def test_a_holder_that_has_not_said_its_name_is_a_holder(path: str, text: str) -> None:
    """The lock counts, not the text: an unreadable name is none, never a free lock."""
    held = lock.take(path, "daemon", os.getpid(), 1)
    Path(path).write_text(text)
    holder = lock.peek(path)

    assert holder is not None
    assert (None, None, None) == (holder.pid, holder.role, holder.started_at)
    with pytest.raises(HeldError, match="another process holds this home"):
        lock.take(path, "tick", 1, 1)
    held.release()


@pytest.mark.parametrize("pid", [2**22 + 1, 10**30])
def test_a_holder_of_another_pid_namespace_is_believed_in_the_end(path: str, pid: int) -> None:
    """A pid that does not exist here may exist in the container that holds the lock."""
    held = lock.take(path, "daemon", pid, 1)
    holder = lock.peek(path)

    assert holder is not None
    assert pid == holder.pid
    held.release()


def test_a_removed_lock_file_shows(path: str) -> None:
    """Somebody who removes the file opens the home to a second actor: the first can see it."""
    held = lock.take(path, "daemon", os.getpid(), 1)
    before = held.intact()
    os.unlink(path)
    without = held.intact()
    other = lock.take(path, "tick", os.getpid(), 1)

    assert (True, False, False) == (before, without, held.intact())
    other.release()
    held.release()
    assert not held.intact()


def test_a_full_disk_does_not_keep_the_daemon_from_its_home(tmp_path: Path) -> None:
    """The lock is taken without a free byte, for the holder is the one who can free some."""
    role = stage.play_on_disk("full_disk_lock", tmp_path, str(tmp_path), size="16k")

    assert role == "None"


@pytest.mark.parametrize("what", ["folder", "link", "nothing"])
def test_what_cannot_be_a_lock_is_said(path: str, what: str) -> None:
    """A folder or a link in the lock's place, or no place at all, is an error with the path."""
    match what:
        case "folder":
            os.mkdir(path)
        case "link":
            os.symlink("elsewhere", path)
        case _:
            path += "/in/no/folder"

    with pytest.raises(HomeError, match="cannot open the lock"):
        lock.take(path, "daemon", 1, 1)


def test_the_lock_is_not_for_children(path: str) -> None:
    """The descriptor closes itself when another program starts."""
    held = lock.take(path, "daemon", os.getpid(), 1)

    assert not os.get_inheritable(held.fileno())
    held.release()
