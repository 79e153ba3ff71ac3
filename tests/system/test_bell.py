"""Waking the holder: nothing rings in vain, nothing waits, nothing is lost."""

from __future__ import annotations

import asyncio
import os
import select
import stat
from pathlib import Path

import pytest

from dotagent.core.errors import HomeError
from dotagent.system.bell import Bell, ring
from tests.system import stage


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the bell hangs."""
    return str(tmp_path / "bell")


def readable(bell: Bell) -> bool:
    """Whether somebody who waits on the bell would wake."""
    return bool(select.select([bell], [], [], 0)[0])


def test_a_ring_from_another_process_wakes_the_listener(path: str) -> None:
    """A command in another process makes the bell readable until it is drained."""
    bell = Bell(path)
    before = readable(bell)
    heard = stage.play("ring_bell", path)

    assert (False, True, True) == (before, heard, readable(bell))
    assert bell.drain()
    assert not readable(bell)
    bell.close()


def test_rings_add_up_to_one(path: str) -> None:
    """However often it rang, one drain is enough, and the next finds nothing."""
    bell = Bell(path)
    for _ in range(100):
        ring(path)

    assert [True, False] == [bell.drain(), bell.drain()]
    bell.close()


def test_a_bell_full_of_rings_still_rings(path: str) -> None:
    """Nobody ever waits for a listener that is busy: the rings before do for this one."""
    bell = Bell(path)

    assert all(ring(path) for _ in range(70_000))
    assert readable(bell)
    bell.close()


@pytest.mark.parametrize("there", [True, False])
def test_without_a_listener_nobody_is_waited_for(path: str, there: bool) -> None:
    """A dead holder's bell, or none at all: ``ring`` says at once that nobody listens."""
    if there:
        Bell(path).close()

    assert not ring(path)
    assert there == os.path.exists(path)


def test_the_bell_is_silent_after_the_ringer_has_gone(path: str) -> None:
    """The end of the last ringer is no ring: an idle listener stays asleep."""
    bell = Bell(path)
    ring(path)
    bell.drain()

    assert not readable(bell)
    bell.close()


def test_the_bell_of_the_holder_before_is_used_again(path: str) -> None:
    """What a killed holder left serves the next one, closed to others."""
    os.mkfifo(path)
    os.chmod(path, 0o666)
    bell = Bell(path)

    assert ring(path)
    assert 0o600 == stat.S_IMODE(os.stat(path).st_mode)
    bell.close()


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_something_else_in_its_place_is_left_alone(path: str, what: str) -> None:
    """Ringing never writes into a file, and hanging the bell says what is in the way."""
    if what == "file":
        Path(path).write_bytes(b"mine")
    elif what == "folder":
        os.mkdir(path)
    else:
        os.symlink("nowhere", path)

    assert not ring(path)
    with pytest.raises(HomeError, match="is in the way") as refused:
        Bell(path)
    assert f"mv {path} {path}.aside" == refused.value.hint
    assert what != "file" or b"mine" == Path(path).read_bytes()


def test_a_bell_needs_a_folder(path: str) -> None:
    """Where no bell can hang, the error names it."""
    with pytest.raises(HomeError, match="cannot make the bell"):
        Bell(f"{path}/nowhere/bell")


async def test_a_loop_can_wait_for_the_bell(path: str) -> None:
    """The daemon sleeps on the descriptor and is woken by the ring."""
    bell = Bell(path)
    woken = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(bell, woken.set)
    ring(path)
    await woken.wait()

    assert bell.drain()
    loop.remove_reader(bell)
    bell.close()
    bell.close()
