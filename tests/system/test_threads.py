"""Work in threads of its own: what hangs holds up nothing else, not even the end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from dotagent.system.threads import IDLE, Threads
from tests.support.patience import until


def test_a_hundred_that_hang_hold_up_nobody() -> None:
    """While any number of calls hang, another returns, and the loop ends without them."""
    release = threading.Event()

    async def play() -> str:
        asyncio.get_running_loop().set_default_executor(Threads())
        hanging = [asyncio.create_task(asyncio.to_thread(release.wait)) for _ in range(100)]
        said = await asyncio.to_thread(lambda: "back")
        for task in hanging:
            task.cancel()
        return said

    said = asyncio.run(play())
    still_hang = sum(thread.name == "dotagent-work" for thread in threading.enumerate())
    release.set()

    assert "back" == said
    assert 100 <= still_hang


def test_an_error_reaches_the_caller() -> None:
    """What the work raises is raised where it was asked for."""

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Threads().submit(fail).result(5)


def test_a_result_stays() -> None:
    """What is done cannot be cancelled any more."""
    done = Threads().submit(int, "7")

    assert 7 == done.result(5)
    assert not done.cancel()


def test_a_thread_works_again() -> None:
    """One call after the other is made by one thread, which waits for the next one."""
    threads, seen = Threads(), set()

    async def play() -> None:
        asyncio.get_running_loop().set_default_executor(threads)
        for _ in range(20):
            seen.add(await asyncio.to_thread(threading.get_ident))
            until(lambda: threads.idle, what="the thread to wait again")

    asyncio.run(play())

    assert 1 == len(seen)


def test_few_threads_stay() -> None:
    """After many calls at once, only a few threads wait for more."""
    threads, release = Threads(), threading.Event()
    before = set(threading.enumerate())
    many = [threads.submit(release.wait, 60) for _ in range(50)]
    release.set()
    for each in many:
        each.result(5)

    # They look without a lock: a few more than wanted may stay.
    until(lambda: len(set(threading.enumerate()) - before) <= 2 * IDLE, what="the others to end")
