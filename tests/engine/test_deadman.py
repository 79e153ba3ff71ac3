"""The dead-man ping: on a timer of its own, and only while all is well."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from dotagent.engine.deadman import FACT
from tests.engine.line import Line, line, running

PING = '[deadman]\nurl = "https://hc.example/{}"\nevery = "10s"\n'


def write(home: Path, text: str) -> None:
    (home / "config.toml").write_text(text)


def problem(made: Line) -> object:
    found = made.values("SELECT value FROM facts WHERE name = ?", FACT)
    return found[0] if found else None


async def test_the_first_at_once(tmp_path: Path) -> None:
    """Whoever watches hears that the daemon is there; nothing of it is written down."""
    write(tmp_path, PING.format("a"))
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.post.pings)
        kept = problem(made)

    assert "https://hc.example/a" == made.post.pings[0]
    assert kept is None


async def test_a_failure_is_remembered_and_forgotten(tmp_path: Path) -> None:
    """Why it was not heard stands in the store until it is heard, or nobody wants it any more."""
    write(tmp_path, PING.format("a"))
    async with line(tmp_path) as made:
        made.post.deaf = "hc.example answered with status 500"
        async with running(made):
            await made.until(lambda: problem(made))
            first = problem(made)
            made.post.deaf = None
            write(tmp_path, PING.format("b"))
            made.surroundings.files_changed()
            made.engine.poke()
            await made.until(lambda: problem(made) == "")
            made.post.deaf = "no connection"
            write(tmp_path, PING.format("c"))
            made.surroundings.files_changed()
            made.engine.poke()
            await made.until(lambda: problem(made) == "no connection")

    assert "hc.example answered with status 500" == first


async def test_no_address_any_more(tmp_path: Path) -> None:
    """Its failure is then nobody's trouble."""
    async with line(tmp_path) as made:
        await made.store.write(
            lambda tx: tx.run("INSERT INTO facts (name, value) VALUES (?, ?)", FACT, "old")
        )
        async with running(made):
            await made.until(lambda: problem(made) == "")

    assert [] == made.post.pings


async def test_an_unset_name(tmp_path: Path) -> None:
    """A literal ``${NAME}`` is never asked."""
    write(tmp_path, PING.format("${PING_KEY}"))
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: problem(made))
        said = str(problem(made))

    assert "PING_KEY" in said
    assert [] == made.post.pings


async def test_not_while_the_store_is_in_trouble(tmp_path: Path) -> None:
    """Nothing is started then: whoever watches must miss the ping."""
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.surroundings.look_at is None and made.engine.config)
        with closing(sqlite3.connect(made.parts.paths.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            write(tmp_path, PING.format("a"))
            made.surroundings.files_changed()
            made.engine.poke()
            await made.until(lambda: made.parts.trouble.why)
            during = list(made.post.pings)
            other.execute("ROLLBACK")
        await made.until(lambda: made.post.pings)

    assert [] == during
