"""Timeouts and planned stops: TERM, grace, KILL, and only as much of it as is needed."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import pytest

from dotagent.core.model import Exited, Interrupted, Lost, TimedOut
from dotagent.ports import Child
from dotagent.supervisor.spawner import RealChild
from dotagent.supervisor.table import ProcTable, Row
from dotagent.supervisor.watch import Watcher, watch_by_thread, watch_exit
from tests.supervisor.children import (
    Field,
    await_end,
    await_stop,
    heard,
    powerless,
    tell,
    until,
)
from tests.support.system import require_root

TIMEOUT_MS = 300


async def test_timeout_ends_the_attempt(field: Field) -> None:
    """A process that runs too long gets TERM and is timed out."""
    ended = await field.run("sleep inf", timeout_ms=TIMEOUT_MS)

    assert TimedOut(after_ms=TIMEOUT_MS) == ended.exit
    assert [] == field.left()


async def test_trapped_term_that_exits_0_is_a_timeout(field: Field) -> None:
    """What a process exits with after its timeout does not matter; what it says does."""
    ended = await field.run(
        "trap 'echo bye; exit 0' TERM; while :; do read -t 60 x <> <(:); done",
        timeout_ms=TIMEOUT_MS,
    )

    assert TimedOut(after_ms=TIMEOUT_MS) == ended.exit
    assert "bye" == ended.stdout.text


async def test_obeyed_term_costs_no_grace(field: Field) -> None:
    """The end comes when the last process is gone, not when the grace is over."""
    began = time.monotonic()
    await field.run("sleep inf", timeout_ms=TIMEOUT_MS, grace_ms=60_000)

    assert time.monotonic() - began < 20


async def test_ignored_term_is_killed_after_the_grace(field: Field) -> None:
    """A process and its children that ignore TERM are killed when the grace is over."""
    ready = field.fifo("ready")
    child = await field.start(
        f"trap '' TERM; sleep inf & echo > {ready}; wait; sleep inf", grace_ms=100
    )
    await heard(ready)
    child.interrupt("stop")
    ended = await child.wait()

    assert Interrupted(why="stop") == ended.exit
    assert [] == field.left()


async def test_grandchild_has_its_grace_too(field: Field) -> None:
    """When the leader obeys TERM, a grandchild still cleaning up has the rest of the grace."""
    ready, go = field.fifo("ready"), field.fifo("go")
    child = await field.start(
        f'bash -c \'trap "read x < {go}; echo clean > {field.folder}/clean; exit" TERM;'
        f" echo > {ready}; while :; do read -t 60 x <> <(:); done' & wait",
        grace_ms=60_000,
    )
    await heard(ready)
    child.interrupt("stop")
    await_end(child.pid)
    await tell(go)
    ended = await child.wait()

    assert Interrupted(why="stop") == ended.exit
    assert "clean\n" == (field.folder / "clean").read_text()
    assert [] == field.left()


async def test_grandchild_ignoring_term_is_killed(field: Field) -> None:
    """When the leader obeys TERM and a grandchild does not, the grandchild is killed."""
    ready = field.fifo("ready")
    child = await field.start(f"(trap '' TERM; echo > {ready}; sleep inf) & wait", grace_ms=100)
    await heard(ready)
    child.interrupt("stop")
    ended = await child.wait()

    assert Interrupted(why="stop") == ended.exit
    assert [] == field.left()


async def test_job_control_does_not_escape(field: Field) -> None:
    """A script with job control gives its jobs groups of their own; a stop reaches them."""
    ready = field.fifo("ready")
    child = await field.start(
        f"set -m; (trap '' TERM; echo > {ready}; sleep inf) > /dev/null 2>&1 & wait", grace_ms=100
    )
    await heard(ready)
    child.interrupt("stop")
    ended = await child.wait()

    assert Interrupted(why="stop") == ended.exit
    assert [] == field.left()


async def test_stopped_process_still_sees_term(field: Field) -> None:
    """A process that was stopped (SIGSTOP) is woken to obey TERM within its grace."""
    ready = field.fifo("ready")
    child = await field.start(
        f"trap 'echo obeyed; exit 0' TERM; echo > {ready}; kill -STOP $$; exec sleep inf",
        grace_ms=60_000,
    )
    await heard(ready)
    await_stop(child.pid)
    child.interrupt("stop")
    ended = await child.wait()

    assert "obeyed" == ended.stdout.text


async def test_flood_that_ignores_term_ends(field: Field) -> None:
    """Endless output does not keep the timers from coming."""
    ended = await field.run("trap '' TERM; yes", timeout_ms=TIMEOUT_MS, grace_ms=100)

    assert TimedOut(after_ms=TIMEOUT_MS) == ended.exit
    assert [] == field.left()


async def test_first_reason_wins(field: Field) -> None:
    """A stop during a timeout's grace leaves it a timeout, a later timeout leaves a stop a stop."""
    ready = field.fifo("ready")
    body = f"trap 'echo > {ready}' TERM; while :; do read -t 60 x <> <(:); done"
    late = await field.start(body, timeout_ms=TIMEOUT_MS, grace_ms=500)
    await heard(ready)
    late.interrupt("too late")
    early = await field.start(body, timeout_ms=TIMEOUT_MS, grace_ms=500)
    early.interrupt("first")
    early.interrupt("second")

    assert TimedOut(after_ms=TIMEOUT_MS) == (await late.wait()).exit
    assert Interrupted(why="first") == (await early.wait()).exit


async def test_end_before_the_stop_stands(field: Field) -> None:
    """A process that has ended before the stop reaches it has its own exit."""
    child = await field.start("exit 3")
    await_end(child.pid)
    child.interrupt("too late")
    ended = await child.wait()
    child.interrupt("far too late")

    assert Exited(code=3) == ended.exit
    assert ended == await child.wait()


async def test_end_before_the_timeout_stands(field: Field) -> None:
    """A process that has ended when its timeout comes has its own exit, even unnoticed."""
    child = await field.start("exit 3", timeout_ms=1)
    await_end(child.pid)

    assert Exited(code=3) == (await child.wait()).exit


async def test_wait_can_be_given_up(field: Field) -> None:
    """Who waits may be cancelled; the attempt goes on and can be waited for again."""
    go = field.fifo("go")
    child = await field.start(f"read x < {go}; exit 5")
    waiting = asyncio.create_task(child.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await tell(go)

    assert Exited(code=5) == (await child.wait()).exit


# ---------------------------------------------------------------------------- what cannot be ended


def _not_permitted(group: int, number: int) -> None:
    """What kill(2) answers for a process that has become another user's (``sudo …``)."""
    raise PermissionError(1, "Operation not permitted")


async def test_unkillable_process_is_told_as_escaped(field: Field) -> None:
    """A process that KILL does not end gives its slot back, named; its later end is reaped."""
    field.with_kernel(kill_group=_not_permitted, patience_ms=100)
    child = await field.start("echo up; exec sleep inf", timeout_ms=TIMEOUT_MS, grace_ms=50)
    ended = await child.wait()

    assert (TimedOut(after_ms=TIMEOUT_MS), (child.pid,)) == (ended.exit, ended.escaped)
    assert "up" == ended.stdout.text

    os.kill(child.pid, signal.SIGKILL)
    await reaped(child)
    await until(lambda: not field.left())


async def reaped(child: Child) -> None:
    """Return when nothing, not even a zombie, is left of ``child``."""
    await until(lambda: not os.path.exists(f"/proc/{child.pid}"))


async def test_unkillable_leftover_is_told_as_escaped(field: Field) -> None:
    """A leftover that has become another user's is named, and the leader's own exit stands."""
    require_root("to have what it may not signal")
    field.with_kernel(patience_ms=100)
    child = await field.start("sleep inf & exit 0", drain_ms=50)
    with powerless():
        ended = await child.wait()

    assert Exited(code=0) == ended.exit
    assert list(ended.escaped) == [row.pid for row in field.left()]
    assert 1 == len(ended.escaped)


async def test_unkillable_group_is_told_as_escaped(field: Field) -> None:
    """Leader and children that may not be signalled are all named."""
    require_root("to have what it may not signal")
    ready = field.fifo("ready")
    field.with_kernel(patience_ms=100)
    child = await field.start(f"sleep inf & echo > {ready}; wait", grace_ms=50)
    await heard(ready)
    with powerless():
        child.interrupt("stop")
        ended = await child.wait()

    assert Interrupted(why="stop") == ended.exit
    assert sorted(ended.escaped) == sorted(row.pid for row in field.left())
    assert 2 == len(ended.escaped)

    os.killpg(child.pid, signal.SIGKILL)
    await reaped(child)
    await until(lambda: not field.left())


@pytest.mark.parametrize("watch", [watch_exit, watch_by_thread])
async def test_every_watch_notices_the_end(field: Field, watch: Watcher) -> None:
    """Where the kernel has no pidfd a thread waits, with the same ends."""
    field.with_kernel(watch=watch)

    assert Exited(code=7) == (await field.run("exit 7")).exit
    assert (
        TimedOut(after_ms=TIMEOUT_MS) == (await field.run("sleep inf", timeout_ms=TIMEOUT_MS)).exit
    )
    assert [] == field.left()


async def test_status_taken_by_somebody_else_is_lost(field: Field) -> None:
    """An exit status that another part of the program reaped is lost, never a success."""
    child = await field.start("exit 0")
    await_end(child.pid)
    steal_status(child.pid)
    ended = await child.wait()

    assert Lost(why="somebody else took its exit status") == ended.exit


def steal_status(pid: int) -> None:
    """What a careless ``os.wait()`` elsewhere in the program does."""
    os.waitpid(pid, 0)


async def test_unsupervisable_child_is_ended(field: Field) -> None:
    """A child that cannot be watched is ended at once and told as not started."""

    def no_thread(*_: object) -> object:
        raise RuntimeError("can't start new thread")

    field.with_kernel(watch=no_thread)
    reason = await field.refused("sleep", "inf")

    assert (126, True) == (reason.code, "can't start new thread" in reason.why)
    assert [] == field.left()


async def test_fifty_stopped_at_once_share_a_look_at_the_table(field: Field) -> None:
    """Stopping many children in one turn walks the process table once, not once for each."""
    table = CountingTable()
    field.with_kernel(table=table)
    order = field.order("sleep", "inf", log_path=None)
    children = [
        child for _ in range(50) if isinstance(child := await field.spawner.start(order), RealChild)
    ]
    for child in children:
        child.interrupt("the daemon stops")
    walks = table.walks
    ends = await asyncio.gather(*(child.wait() for child in children))

    assert (1, 50) == (walks, len(ends))
    assert {Interrupted(why="the daemon stops")} == {ended.exit for ended in ends}
    assert [] == field.left()


class CountingTable(ProcTable):
    """The real table, counting the walks through it."""

    walks = 0

    def rows(self) -> Iterator[Row]:
        self.walks += 1
        return super().rows()
