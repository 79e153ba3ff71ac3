"""What a turn of the engine costs depends on what is due, not on the past nor on how many agents
there are: SQLite's own steps are counted, not the time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC
from pathlib import Path

import pytest

from dotagent.core.model import Exited
from dotagent.store import attempts, database, outages, outbox, plan, windows
from dotagent.store.actor import Actor
from dotagent.store.database import Store, Tx
from tests.core.walls import HOUR_MS
from tests.store.builder import EIGHT, SEEN, Home, agent, route, schedule
from tests.store.builder import database as database_in

STEP = 10
"""SQLite calls back every so many instructions of its machine."""


class Counted(Home):
    """A home whose writer counts the steps of SQLite."""

    steps: list[int]

    async def cost(self, op: Callable[[Tx], object]) -> int:
        """How many steps ``op`` takes; nothing of it stays."""

        def undone(tx: Tx) -> int:
            tx.run("SAVEPOINT measured")
            self.steps[0] = 0
            op(tx)
            steps = self.steps[0]
            tx.run("ROLLBACK TO measured")
            tx.run("RELEASE measured")
            return steps * STEP

        return await self.write(undone)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Counted]:
    path = database_in(tmp_path)
    database.open_store(path).close()
    db = database.connect(path, create=False)
    actor = Actor(epoch=0, host="web-1", zone=UTC)
    made = Counted(path=path, store=Store(path, db), actor=actor, now=SEEN)
    made.steps = [0]
    await made.begin()

    def count() -> int:
        made.steps[0] += 1
        return 0

    db.set_progress_handler(count, STEP)
    yield made
    made.close()


def turn(home: Home) -> Callable[[Tx], object]:
    """What the engine asks of the store each time it looks: plan, remind, claim, when to wake."""

    def look(tx: Tx) -> None:
        plan.plan_due(tx, home.actor, home.now)
        outages.remind(tx, home.actor, home.now)
        attempts.claim_due(tx, home.actor, home.now, 16)
        outbox.claim(tx, home.actor, home.now, 256)
        windows.next_wake(tx)
        plan.next_wake(tx)
        outages.next_wake(tx)
        outbox.next_wake(tx)

    return look


async def test_the_past_costs_nothing(home: Counted) -> None:
    """Planning and claiming a run take as many steps after a hundred runs as after three."""
    rows = agent(schedules=[schedule(tries=1)], routes=[route()])
    await home.adopt(rows)
    await home.plan()
    home.now = EIGHT - HOUR_MS
    costs = []
    for count in (3, 97):
        for number in range(count):
            home.now += HOUR_MS
            await home.run(home.now, Exited(code=number % 2))
            await home.send_all()
        home.now += HOUR_MS
        costs.append(await home.cost(turn(home)))

    few, many = costs
    assert 0 < few
    assert many <= 1.2 * few


_PUT_OFF = "UPDATE schedules SET next_due_at = ? WHERE agent != 'a1'"


async def test_agents_that_are_not_due_cost_nothing(home: Counted) -> None:
    """One that is due among ten and among a thousand; and none that is."""
    costs = []
    for total in (10, 1_000):
        names = [f"a{number}" for number in range(total)]
        often = schedule("s")
        await home.adopt(*(agent(name, schedules=[often]) for name in names))
        while (await home.plan()).more:
            continue
        await home.write(lambda tx: tx.run(_PUT_OFF, home.now + 30 * HOUR_MS))
        idle = await home.cost(turn(home))
        before, home.now = home.now, EIGHT
        costs.append((idle, await home.cost(turn(home))))
        home.now = before

    (few_idle, few_due), (many_idle, many_due) = costs
    assert many_idle <= 1.2 * few_idle
    assert 0 < few_due
    assert many_due <= 1.2 * few_due
