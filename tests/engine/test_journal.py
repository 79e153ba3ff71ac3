"""The daemon's log: it follows what is committed, by the configuration of now, without secrets."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from dotagent.engine import journal
from dotagent.engine.journal import Journal
from dotagent.store import look
from tests.engine.line import ONCE, Line, line, running, write_agent

TO = '\n[[notifiers]]\nid = "x"\ndriver = "ntfy"\ntopic = "t"\n'


def log(home: Path) -> Path:
    return home / "logs" / "daemon" / "dotagent.log"


def lines(home: Path) -> list[dict[str, Any]]:
    return [json.loads(each) for each in log(home).read_text().splitlines()]


def said(home: Path, event: str) -> list[dict[str, Any]]:
    found = lines(home) if log(home).exists() else []
    return [each for each in found if each["fields"]["event"] == event]


@asynccontextmanager
async def logged(home: Path) -> AsyncIterator[Line]:
    """An engine that keeps a log, as the daemon's."""
    async with line(home) as made:
        kept = made.engine.journal = Journal(made.engine)
        kept.wake, made.recorder.after = made.recorder.wake, kept.follow
        made.store.on_audit = made.recorder.wake
        yield made
        await made.recorder.flush()
        kept.close()


async def test_what_it_says(tmp_path: Path) -> None:
    """Each attempt's end, each send's outcome, files adopted and refused, another configuration."""
    write_agent(tmp_path, "a", ONCE + TO, script="exit 3")
    async with logged(tmp_path) as made, running(made):
        await made.until(lambda: said(tmp_path, "plugin_invoked"))
        (tmp_path / "agents" / "a" / "agent.toml").write_text("[agent]\n")
        await made.engine.reload()
        (tmp_path / "config.toml").write_text("[storm]\nwaiting = 5\n")
        await made.engine.reload()
        (tmp_path / "config.toml").write_text("[storm]\nwaiting = 0\n")
        await made.engine.reload()
        await made.until(lambda: said(tmp_path, "config_invalid"))
    (run,) = said(tmp_path, "agent_run")
    (sent, *_) = said(tmp_path, "plugin_invoked")

    assert ("WARN", "a/s: exit 3 after 0 s") == (run["level"], run["fields"]["message"])
    assert ("INFO", "sent") == (sent["level"], sent["fields"]["outcome"])
    assert 1 == len(said(tmp_path, "manifest_loaded"))
    assert "run.command" in said(tmp_path, "manifest_invalid")[0]["fields"]["message"]
    assert 1 == len(said(tmp_path, "config_reloaded"))
    assert "storm.waiting" in said(tmp_path, "config_invalid")[0]["fields"]["message"]


async def test_the_configuration_of_now(tmp_path: Path) -> None:
    """Level and form follow config.toml while the daemon runs."""
    async with logged(tmp_path) as made, running(made):
        (tmp_path / "config.toml").write_text('[logging]\nlevel = "error"\nformat = "text"\n')
        await made.engine.reload()
        assert made.engine.journal is not None
        made.engine.journal.say("warn", "quiet", "not said")
        made.engine.journal.say("error", "loud", "said")
        await made.until(lambda: log(tmp_path).exists() and "loud" in log(tmp_path).read_text())
    text = log(tmp_path).read_text()

    assert "ERROR loud: said\n" in text
    assert "quiet" not in text


async def test_no_secret(tmp_path: Path) -> None:
    """What the secrets store holds is masked here too, also once it is new."""
    (tmp_path / "secrets.env").write_text("KEY=hunter2-hunter2\n")
    (tmp_path / "secrets.env").chmod(0o600)
    async with logged(tmp_path) as made, running(made):
        await made.until(lambda: made.parts.secrets)
        assert made.engine.journal is not None
        made.engine.journal.say("error", "loud", "it is hunter2-hunter2, they say")
        await made.until(lambda: said(tmp_path, "loud"))

    assert "hunter2" not in log(tmp_path).read_text()


async def test_nothing_twice_and_nothing_lost(tmp_path: Path) -> None:
    """A daemon goes on where the record was written to: what a dead one committed is said once."""
    write_agent(tmp_path, "a", ONCE)
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.values("SELECT 1 FROM attempts WHERE verdict IS NOT NULL"))
    async with logged(tmp_path) as made:
        assert made.engine.journal is not None
        made.engine.journal.since(0)
        with closing(made.store.read()) as reader:
            rows = look.audit_head(reader)
        await made.recorder.flush()
        await made.recorder.flush()

    assert rows == len(lines(tmp_path))
    assert 1 == len(said(tmp_path, "agent_run"))


async def test_a_store_in_trouble(tmp_path: Path) -> None:
    """What no commit can hold is said directly: that the database takes nothing, and again does."""
    async with logged(tmp_path) as made, running(made):
        await made.until(lambda: made.surroundings.look_at is None)
        with closing(sqlite3.connect(made.parts.paths.database, timeout=30)) as other:
            other.execute("BEGIN IMMEDIATE")
            made.engine.poke()
            await made.until(lambda: said(tmp_path, "store_trouble"))
            other.rollback()
        await made.until(lambda: said(tmp_path, "store_well"))
    (trouble,) = said(tmp_path, "store_trouble")

    assert "ERROR" == trouble["level"]
    assert trouble["fields"]["message"].startswith("nothing new is started: ")


async def test_bounded(tmp_path: Path) -> None:
    """A full piece is put aside under the name of its day, and a new one begun."""
    async with logged(tmp_path) as made:
        assert made.engine.journal is not None
        log(tmp_path).write_bytes(b"x" * journal.PIECE_BYTES)
        made.engine.journal.say("error", "loud", "said")
        await made.recorder.flush()
    (older,) = [each for each in log(tmp_path).parent.iterdir() if each != log(tmp_path)]

    assert 1 == len(lines(tmp_path))
    assert older.name.startswith("dotagent.log.2")
    assert older.name.endswith(".1")
    assert 0o600 == log(tmp_path).stat().st_mode & 0o777
