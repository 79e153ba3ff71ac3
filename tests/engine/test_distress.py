"""A store in trouble: told past the outbox while it lasts, and in the usual way when it is over."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from dotagent.core.model import Kind
from dotagent.engine.chores import Chores
from dotagent.engine.distress import Distress
from tests.engine.line import Line, line, running

PHONE = '[[notifiers]]\nid = "phone"\ndriver = "ntfy"\ntopic = "t"\n'
OTHER = '[[notifiers]]\nid = "o"\ndriver = "ntfy"\ntopic = "o"\nevents = ["given_up"]\n'


def said(made: Line) -> list[str]:
    """The lines that were sent, of store_error."""
    kind = Kind.STORE_ERROR
    return [each.message.line for each in made.post.parcels if each.message.kind is kind]


def events(made: Line) -> list[object]:
    return made.values("SELECT kind FROM events WHERE kind = 'store_error'")


async def test_a_full_disk(tmp_path: Path) -> None:
    """Once the reserve was given up people hear it at once, and once; when there is room again the
    record has it and tells that it is over."""
    (tmp_path / "config.toml").write_text(PHONE + OTHER)
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.values("SELECT 1 FROM routing"))
        made.parts.trouble.spent = True
        made.parts.trouble.why = "the disk is full"
        made.engine.poke()
        await made.until(lambda: len(said(made)) > 1)
        kept = events(made)

    during, after = said(made)
    assert "the database cannot be written: nothing new is started until it can" == during
    assert "the disk is full" == made.post.parcels[0].message.tail
    assert after.startswith("the database could not be written for ")
    assert ["store_error"] == kept
    assert {"t"} == {each.settings["topic"] for each in made.post.parcels}


async def test_a_database_that_somebody_holds(tmp_path: Path) -> None:
    """It is given some time to come back; then it is told too."""
    (tmp_path / "config.toml").write_text(PHONE)
    async with line(tmp_path) as made:
        chores = Chores(Distress(patience_ms=0))
        made.engine.chores = chores
        async with running(made):
            await made.until(lambda: made.values("SELECT 1 FROM routing"))
            with closing(sqlite3.connect(made.parts.paths.database, isolation_level=None)) as one:
                one.execute("BEGIN IMMEDIATE")
                made.surroundings.files_changed()
                made.engine.poke()
                await made.until(lambda: said(made))
                one.execute("ROLLBACK")
            await made.until(lambda: events(made))

    assert "the database cannot be written: nothing new is started until it can" == said(made)[0]


async def test_a_moment_is_not_told(tmp_path: Path) -> None:
    """Somebody who holds the database for a moment is nobody's trouble."""
    (tmp_path / "config.toml").write_text(PHONE)
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.values("SELECT 1 FROM routing"))
        with closing(sqlite3.connect(made.parts.paths.database, isolation_level=None)) as one:
            one.execute("BEGIN IMMEDIATE")
            made.surroundings.files_changed()
            made.engine.poke()
            await made.until(lambda: made.parts.trouble.why)
            one.execute("ROLLBACK")
        made.parts.trouble.why = ""
        made.surroundings.files_changed()
        made.engine.poke()
        await made.until(lambda: made.values("SELECT value FROM facts WHERE name = 'routes'"))

    assert [] == said(made)
    assert [] == made.post.parcels
