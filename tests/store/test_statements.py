"""How often a message asks the database: what it costs, counted instead of timed."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC
from itertools import groupby
from pathlib import Path

import pytest

from dotagent.core.model import Exited, Kind
from dotagent.store import database
from dotagent.store.actor import Actor
from dotagent.store.database import Store
from tests.store.builder import SEEN, Home, agent, route, schedule
from tests.store.builder import database as database_in


class Counted(Home):
    """A home that keeps what it asks of the database, in order."""

    asked: list[str]

    def taken(self) -> list[str]:
        """What was asked since the last look, but for what groups it (a commit may be shared by
        many). SQLite names a statement once more for each trigger that it sets off."""
        asked, self.asked[:] = [*self.asked], []
        words = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
        return [sql for sql, _ in groupby(asked) if not sql.startswith(words)]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Counted]:
    path = database_in(tmp_path)
    database.open_store(path).close()
    db: sqlite3.Connection = database.connect(path, create=False)
    actor = Actor(epoch=0, host="web-1", zone=UTC)
    made = Counted(path=path, store=Store(path, db), actor=actor, now=SEEN)
    await made.begin()
    await made.adopt(
        agent(schedules=[schedule()], routes=[route(events=[Kind.ATTEMPT_FAILED], folds=False)])
    )
    made.asked = []
    db.set_trace_callback(made.asked.append)
    yield made
    made.close()


async def fail(home: Counted) -> tuple[list[str], list[str]]:
    """A run by hand fails and its one message arrives: what either settling asks."""
    run = await home.manual()
    assert run is not None
    home.taken()
    (claim,) = await home.settle(run, Exited(code=1), room=8)
    settling = home.taken()
    await home.answer(claim, room=8)
    return settling, home.taken()


async def test_settling_an_attempt(home: Counted) -> None:
    """The end of an attempt that goes on an outage takes so many statements to its claimed message;
    nothing is asked twice."""
    await fail(home)

    settling, _ = await fail(home)

    assert 15 == len(settling)
    assert sorted(set(settling)) == sorted(settling)


async def test_settling_a_send(home: Counted) -> None:
    """The answer of a channel takes so many statements, the look for what may go next included."""
    await fail(home)

    _, sending = await fail(home)

    assert 8 == len(sending)
    assert sorted(set(sending)) == sorted(sending)
