"""Attempts are claimed before they start: counted, and one at a time of each schedule."""

from __future__ import annotations

import sqlite3

import pytest

from dotagent.core.errors import StoreError
from dotagent.core.model import AttemptKind, Exited, Interrupted
from dotagent.core.when import Calendar, Every
from dotagent.store import attempts
from dotagent.store.database import Tx
from tests.core.walls import HOUR_MS, MINUTE_MS
from tests.store.builder import EIGHT, Home, agent, schedule


async def test_claim_counts(home: Home) -> None:
    """What is claimed is counted and has its row, before anything is started (rules R5)."""
    await home.adopt(agent())
    await home.plan()
    (run,) = await home.due(EIGHT)
    row = home.row("SELECT * FROM attempts")

    assert (1, AttemptKind.WINDOW, EIGHT) == (run.number, run.kind, run.expected_at)
    assert (run.attempt_id, 1, home.actor.epoch, None, None) == (
        row["id"],
        row["number"],
        row["epoch"],
        row["pid"],
        row["ended_at"],
    )
    window = home.row("SELECT * FROM windows")
    assert ("running", 1, None) == (window["state"], window["attempts"], window["next_at"])


async def test_marker(home: Home) -> None:
    """Each attempt has a marker of its own, unique over homes, by which a crash's survivors are
    found."""
    await home.adopt(agent(), agent("b"))
    await home.plan()
    markers = {run.marker for run in await home.due(EIGHT)}
    home_id = home.value("SELECT id FROM home")

    assert {f"{home_id}-1", f"{home_id}-2"} == markers


async def test_not_before_its_time(home: Home) -> None:
    """A retry is claimed at its time and not before."""
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT)

    assert [] == await home.due(EIGHT + 5 * MINUTE_MS - 1)
    assert EIGHT + 5 * MINUTE_MS == (await home.wakes())["windows"]
    (run,) = await home.due(EIGHT + 5 * MINUTE_MS)
    assert 2 == run.number


async def test_room(home: Home) -> None:
    """No more are claimed than there are slots; whoever waits longest comes first."""
    await home.adopt(*(agent(name) for name in "abc"))
    await home.plan()
    await home.plan(EIGHT)
    first = await home.runs(2)
    second = await home.runs(2)

    assert [["a", "b"], ["c"]] == [[run.agent for run in each] for each in (first, second)]


async def test_longest_due_first(home: Home) -> None:
    """A retry that has waited goes before a window that has just come."""
    daily = schedule(when=Calendar(expression="0 8 * * *"))
    await home.adopt(agent("z", schedules=[daily]), agent("a"))
    await home.plan()
    for run in await home.due(EIGHT):
        await home.settle(run, None if run.agent == "z" else Exited(code=0))
    await home.plan(EIGHT + HOUR_MS)

    assert ["z", "a"] == [run.agent for run in await home.runs()]


async def test_run_lock(home: Home) -> None:
    """While any attempt of a schedule is open, no other is claimed, whoever asks (rules R6)."""
    await home.adopt(agent())
    await home.plan()
    (run,) = await home.due(EIGHT)

    assert await home.manual() is None
    assert await home.manual(AttemptKind.TRIAL) is None
    await home.settle(run, Exited(code=0))
    assert await home.manual() is not None


@pytest.mark.parametrize("kind", [AttemptKind.MANUAL, AttemptKind.TRIAL])
async def test_window_waits_for_a_run_by_hand(home: Home, kind: AttemptKind) -> None:
    """A window that falls due meanwhile waits, and nobody looks at it until the run ends."""
    await home.adopt(agent())
    await home.plan()
    home.now = EIGHT - 1
    by_hand = await home.manual(kind)
    assert by_hand is not None

    assert [] == await home.due(EIGHT)
    assert (await home.wakes())["windows"] is None
    home.now += MINUTE_MS
    await home.settle(by_hand, Exited(code=1))
    assert EIGHT == (await home.wakes())["windows"]
    assert 1 == len(await home.runs())


async def test_the_database_holds_the_lock(home: Home) -> None:
    """Two open attempts of one schedule cannot be stored, whatever the code says (rules R6)."""
    await home.adopt(agent())
    await home.plan()
    await home.due(EIGHT)

    def again(tx: Tx) -> None:
        tx.run(
            "INSERT INTO attempts (agent, schedule, number, kind, epoch, manifest_sha256,"
            " claimed_at) VALUES ('a', 's', 9, 'manual', 1, '', 1)"
        )

    with pytest.raises(StoreError) as raised:
        await home.write(again)
    assert isinstance(raised.value.__cause__, sqlite3.IntegrityError) or "UNIQUE" in str(
        raised.value
    )


async def test_number_of_an_interrupted_attempt(home: Home) -> None:
    """An interrupted attempt is as if it had not been: its number is given again (rules R11)."""
    await home.adopt(agent())
    await home.plan()
    first = await home.run(EIGHT, Interrupted(why="SIGTERM"))
    (second,) = await home.runs()

    assert (1, 1) == (first.number, second.number)
    assert first.attempt_id != second.attempt_id


async def test_other_schedules_are_free(home: Home) -> None:
    """The lock is of one schedule: another one of the same agent runs beside it."""
    await home.adopt(agent(schedules=[schedule("s"), schedule("t")]))
    await home.plan()

    assert ["s", "t"] == [run.schedule_id for run in await home.due(EIGHT)]


async def test_spawned(home: Home) -> None:
    """Once the child lives, who it is and when its time is up stand beside its attempt."""
    await home.adopt(agent())
    await home.plan()
    (run,) = await home.due(EIGHT)
    await home.write(lambda tx: attempts.spawned(tx, run.attempt_id, EIGHT + 3, 4711, 99, 500))
    row = home.row("SELECT * FROM attempts")

    assert (EIGHT + 3, 4711, 99) == (row["spawned_at"], row["pid"], row["started_ticks"])
    assert EIGHT + 503 == row["timeout_at"]
    assert EIGHT + 3 == home.value("SELECT last_started_at FROM schedules")


async def test_nothing_of_the_dead(home: Home) -> None:
    """What is past its deadline is not claimed, not even in the same moment."""
    await home.adopt(agent())
    await home.plan()
    await home.plan(EIGHT)
    home.now = EIGHT + 2 * HOUR_MS + 1

    assert [] == await home.runs()


async def test_the_longest_due_goes_first(home: Home) -> None:
    """With one slot and schedules that fall due all the time, nobody waits for ever: whoever has
    been due longest is next, so the rare one gets its turn among the frequent ones."""
    busy = [agent(f"busy-{n}", [schedule(when=Every(every_ms=MINUTE_MS))]) for n in range(3)]
    await home.adopt(*busy, agent("rare"))
    await home.plan()
    order = []
    home.now = EIGHT
    for _ in range(9):
        await home.plan(home.now)
        (run,) = await home.runs(room=1)
        order.append(run.agent)
        await home.settle(run, Exited(code=0), took=MINUTE_MS // 2)

    assert "rare" in order[:5]
    assert {"busy-0", "busy-1", "busy-2", "rare"} == set(order[:5])
    assert {"busy-0", "busy-1", "busy-2"} == set(order[5:])


async def test_one_attempt_of_a_schedule(home: Home) -> None:
    """A run by hand and a window of one schedule never run together, whoever comes first."""
    await home.adopt(agent())
    await home.plan()
    await home.plan(EIGHT)
    by_hand = await home.manual()
    held = await home.runs()
    assert by_hand is not None
    await home.settle(by_hand, Exited(code=1))
    (run,) = await home.runs()
    too = await home.manual()

    assert [] == held
    assert AttemptKind.WINDOW == run.kind
    assert too is None
