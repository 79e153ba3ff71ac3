"""config.toml while the engine runs: what it says takes effect at the next turn."""

from __future__ import annotations

import json
from pathlib import Path

from tests.engine.line import ONCE, Line, line, running, write_agent

GATE = "while [ ! -e go ]; do sleep 0.05; done"


def change(made: Line, text: str) -> None:
    (made.home / "config.toml").write_text(text)
    made.surroundings.files_changed()
    made.engine.poke()


def at_work(made: Line) -> int:
    return len(made.values("SELECT 1 FROM attempts WHERE ended_at IS NULL AND pid IS NOT NULL"))


async def test_slots(tmp_path: Path) -> None:
    """With one slot one runs; a second slot starts the other without a restart."""
    (tmp_path / "config.toml").write_text("[daemon]\nmax_running = 1\n")
    folders = [write_agent(tmp_path, name, ONCE, script=GATE) for name in ("a", "b")]
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: at_work(made))
        one = made.engine.room
        change(made, "[daemon]\nmax_running = 2\n")
        await made.until(lambda: at_work(made) == 2)
        none = made.engine.room
        for folder in folders:
            (folder / "go").touch()
        await made.until(lambda: at_work(made) == 0)

    assert (0, 0) == (one, none)


async def test_grace(tmp_path: Path) -> None:
    """How long a stop waits is what the file says when it begins."""
    async with line(tmp_path, stop_grace_ms=None) as made, running(made):
        await made.until(lambda: made.surroundings.look_at is None)
        before = made.engine.unfinished().grace_ms
        change(made, '[daemon]\nstop_grace = "5s"\n')
        await made.until(lambda: made.engine.unfinished().grace_ms == 5_000)

    assert 30_000 == before


async def test_everything_else(tmp_path: Path) -> None:
    """Storm, retention, logging, summary, metrics and notifiers follow, and the record says that
    another configuration is in force; a file that is wrong changes none of it."""
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.values("SELECT 1 FROM facts WHERE name = 'config_digest'"))
        text = (
            '[storm]\nwaiting = 7\n[retention]\nhistory = "10d"\n[logging]\nlevel = "warn"\n'
            '[summary]\nat = "07:00"\n[[notifiers]]\nid = "x"\ndriver = "inbox"\n'
        )
        change(made, text)
        await made.until(lambda: made.parts.actor.storm == 7)
        good = made.engine.config
        change(made, "[storm]\nwaiting = 0\n")
        await made.until(lambda: made.values("SELECT 1 FROM events WHERE kind = 'config_invalid'"))
        kept = made.engine.config
        change(made, text)
        await made.until(
            lambda: made.values("SELECT 1 FROM facts WHERE name='config_problem' AND value=''")
        )
    lines = [
        json.loads(each)["event"]
        for each in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()
    ]

    assert (10 * 86_400_000, "warn", 420) == (
        good.retention.history_ms,
        good.logging.level,
        good.summary.at_minute,
    )
    assert ["x"] == [route.id for route in good.notifiers]
    assert good == kept
    changes = [each["reason"] for each in lines if each["event_type"] == "config_reloaded"]
    assert ["config.toml was changed"] == changes
