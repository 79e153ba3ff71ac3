"""A copy of the present: what planning reads is there, the past is not; the home is left alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from dotagent.core.errors import StoreCorrupt, StoreNewer
from dotagent.store import attempts, migrations, plan, rehearsal
from dotagent.store.database import Tx
from tests.support.home import Past, daily, route


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    """A home whose agent has failed once and waits for its second try."""
    home = Past(tmp_path / "home", "2026-03-29 08:00")
    home.agent("disk", {"daily": daily("08:30")}, routes=[route("phone")], backoff_ms=[60_000])
    home.fail("08:30")
    yield home
    home.close()


def decided(past: Past, tx: Tx) -> list[tuple[str, int]]:
    """What planning would start a minute later."""
    now = past.now + 60_000
    plan.plan_due(tx, past.actor, now)
    return [(run.agent, run.number) for run in attempts.claim_due(tx, past.actor, now, 10)]


def test_same_decision_on_the_copy(past: Past) -> None:
    """The copy decides what the store then decides; nothing of it is in the store."""
    copied = rehearsal.copy(past.paths.database)
    on_copy = decided(past, copied)
    untouched = past.write(lambda tx: tx.value("SELECT count(*) FROM attempts"))
    for_real = past.write(lambda tx: decided(past, tx))

    assert [("disk", 2)] == on_copy == for_real
    assert 1 == untouched


def test_past_stays_behind(past: Past) -> None:
    """Events, messages and the record are not copied: they may be large."""
    copied = rehearsal.copy(past.paths.database)

    assert 0 == sum(copied.value(f"SELECT count(*) FROM {table}") for table in rehearsal.PAST)
    assert 1 == copied.value("SELECT count(*) FROM windows")


def test_no_database(tmp_path: Path) -> None:
    """It is an empty one, and none is made."""
    copied = rehearsal.copy(str(tmp_path / "dotagent.db"))

    assert 0 == copied.value("SELECT count(*) FROM agents")
    assert migrations.LATEST == copied.value("PRAGMA user_version")
    assert [] == list(tmp_path.iterdir())


def test_closed_database_gets_no_log(past: Past) -> None:
    """Nobody has it open: it is read without SQLite's own files beside it."""
    past.close()
    folder = Path(past.paths.database).parent
    before = sorted(path.name for path in folder.iterdir())
    rehearsal.copy(past.paths.database)

    assert "dotagent.db-wal" not in before
    assert before == sorted(path.name for path in folder.iterdir())


def test_database_of_a_newer_program(tmp_path: Path) -> None:
    """It is not guessed at."""
    path = tmp_path / "dotagent.db"
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {migrations.LATEST + 1}")
    db.close()

    with pytest.raises(StoreNewer):
        rehearsal.copy(str(path))


def test_damaged_database(tmp_path: Path) -> None:
    """It is said, as everywhere."""
    path = tmp_path / "dotagent.db"
    path.write_bytes(b"no database at all" * 100)

    with pytest.raises(StoreCorrupt):
        rehearsal.copy(str(path))
