"""``daily-summary``: how everything stands, told now or only shown."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.scene import DAILY, both_ways, held_by, ntfy
from tests.support.daemon import run, write_agent
from tests.support.http_server import StrictServer
from tests.support.serving import serving


@both_ways
def test_told(home: Path, holder: str) -> None:
    """Through the daemon or alone: the global channel gets it, a manifest's does not."""
    with serving(StrictServer()) as server:
        (home / "config.toml").write_text(ntfy(server.url, "global", '"daily_summary"'))
        write_agent(home, "a", DAILY, script="exit 1")
        with held_by(holder, home):
            run(home, "run-now", "a")
            told = run(home, "daily-summary", "--json")
    (message,) = json.loads(told.stdout)
    (sent,) = server.accepted

    assert (0, "daily_summary", "sent") == (told.returncode, message["event"], message["state"])
    text = sent.body.decode()
    assert ": 0/1 ok\n❌ Failing:\n  · a/daily — manual run: exit 1" in text
    assert "📊 Agents · " in text


def test_dry_run(home: Path) -> None:
    """It is printed, and nobody is told."""
    write_agent(home, "a", DAILY, script="exit 1")
    nothing = run(home, "daily-summary", "--dry-run")
    run(home, "run-now", "a")
    shown = run(home, "daily-summary", "--dry-run")

    assert "There is nothing to sum up yet.\n" == nothing.stdout
    assert "❌ Failing:\n  · a/daily — manual run: exit 1\n" in shown.stdout
    assert "daily_summary" not in run(home, "inbox").stdout


def test_nobody_asks(home: Path) -> None:
    """It is in the inbox all the same."""
    write_agent(home, "a", DAILY)
    told = run(home, "daily-summary")

    assert "No channel asks" in told.stdout
    assert "📊 Agents" in run(home, "inbox").stdout
