"""The leader has ended by itself; what it left behind does not outlive the attempt."""

from __future__ import annotations

import os
import signal
import time

from dotagent.core.model import Exited
from dotagent.supervisor.table import machine_table
from tests.supervisor.children import Field, await_end, heard, tell


async def test_grandchild_holding_the_pipes_is_killed_after_the_drain(field: Field) -> None:
    """A background process that keeps the output open delays the end by the drain, no more."""
    ended = await field.run("sleep inf & echo done", drain_ms=100)

    assert Exited(code=0) == ended.exit
    assert "done" == ended.stdout.text
    assert ("1 process it left behind was killed",) == ended.problems
    assert [] == field.left()


async def test_output_in_the_drain_still_counts(field: Field) -> None:
    """What a leftover still writes while the drain lasts is kept, and it ends the drain itself."""
    go = field.fifo("go")
    child = await field.start(f"(echo early; read x < {go}; echo late) &", drain_ms=20_000)
    await tell(go)
    ended = await child.wait()

    assert "early\nlate" == ended.stdout.text
    assert [] == field.left()


async def test_process_substitution_is_waited_for(field: Field) -> None:
    """``exec > >(cat)`` is common: the filter's output is complete."""
    ended = await field.run("exec > >(cat); seq 1 20000", tail_lines=3)

    assert "19998\n19999\n20000" == ended.stdout.text
    assert 19_997 == ended.stdout.dropped
    assert () == ended.problems


async def test_grandchild_without_the_pipes_is_killed_at_once(field: Field) -> None:
    """A background process of the group that closed its output is killed without any drain."""
    began = time.monotonic()
    ended = await field.run(
        "for i in 1 2; do sleep inf <> /dev/null >&0 2>&0 & done; exit 3", drain_ms=20_000
    )

    assert Exited(code=3) == ended.exit
    assert ("2 processes it left behind were killed",) == ended.problems
    assert [] == field.left()
    assert time.monotonic() - began < 15


async def test_daemonised_grandchild_holding_the_pipes_is_killed(field: Field) -> None:
    """What left for a session of its own but still holds our pipes bears our marker: it ends."""
    ready = field.fifo("ready")
    child = await field.start(
        f"setsid bash -c 'echo $$ > {ready}; sleep inf' & wait -n; exit 0", drain_ms=50
    )
    pid = int(await heard(ready))
    os.kill(child.pid, signal.SIGKILL)
    ended = await child.wait()

    assert 1 == len(ended.problems)
    assert "it left behind" in ended.problems[0]
    assert machine_table().row(pid) is None
    assert [] == field.left()


async def test_detached_grandchild_is_left_alone(field: Field) -> None:
    """What left the session and gave the pipes back has been let go on purpose."""
    ready, go = field.fifo("ready"), field.fifo("go")
    child = await field.start(
        f"setsid bash -c 'echo $$ > {ready}; exec sleep inf' <> /dev/null >&0 2>&0 & read x < {go}"
    )
    pid = int(await heard(ready))
    await tell(go)
    ended = await child.wait()

    assert (Exited(code=0), ()) == (ended.exit, ended.escaped)
    assert [pid] == [row.pid for row in field.left()]


async def test_outsider_holding_the_pipes_is_said(field: Field) -> None:
    """What dropped the marker as well cannot be ended, but does not hold up the end."""
    ready = field.fifo("ready")
    child = await field.start(
        f"env -i setsid bash -c 'echo $$ > {ready}; exec sleep inf' & read x", drain_ms=50
    )
    pid = int(await heard(ready))
    ended = await child.wait()
    os.kill(pid, signal.SIGKILL)

    assert Exited(code=1) == ended.exit
    assert 1 == len(ended.problems)
    assert "still held its output" in ended.problems[0]


async def test_leftovers_ignoring_signals_are_killed(field: Field) -> None:
    """A leftover that ignores everything it can ignore is killed all the same."""
    ended = await field.run("(trap '' TERM INT HUP; sleep inf) & echo up", drain_ms=50)

    assert "up" == ended.stdout.text
    assert [] == field.left()


async def test_many_leftovers_are_all_killed(field: Field) -> None:
    """A hundred background processes that fork on are gone at the end."""
    ended = await field.run(
        "for i in {1..50}; do (sleep inf & sleep inf) & done; exit 0", drain_ms=50
    )

    assert Exited(code=0) == ended.exit
    assert [] == field.left()


async def test_closed_output_is_not_the_end(field: Field) -> None:
    """A process that closes its output and works on is waited for."""
    ended = await field.run('exec >&- 2>&-; seq 1 100 > "$F/work"; exit 4')

    assert Exited(code=4) == ended.exit
    assert 100 == len((field.folder / "work").read_text().splitlines())


async def test_stopped_drain_ends_at_once(field: Field) -> None:
    """A planned stop while leftovers are drained changes no exit and waits for nobody."""
    ready = field.fifo("ready")
    child = await field.start(f"sleep inf & exec 2>&-; echo > {ready}", drain_ms=60_000)
    await heard(ready)
    await_end(child.pid)
    child.interrupt("the daemon stops")
    ended = await child.wait()

    assert Exited(code=0) == ended.exit
    assert [] == field.left()
