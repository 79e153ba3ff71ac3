"""A disk that turns read-only while the daemon runs on it, and can be written again later."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from tests.drivers.test_ntfy import NtfyServer
from tests.e2e.home import Home
from tests.support.http_server import serving
from tests.support.patience import until
from tests.support.system import linux_only, require

AGENT = """
[[schedules]]
id = "s"
every = "1s"
run_at_start = true
max_attempts = 1

[[notifiers]]
driver = "ntfy"
topic = "alerts"
base_url = "{url}"
token = "{secret}"
"""
WAITS = 'echo "$AGENT_ATTEMPT_ID" >> {runs}; until test -e {go}; do sleep 0.05; done; exit 1'
REFUSALS = 3
"""So often it was tried in vain before there is nothing new to see."""


@linux_only
def test_a_disk_that_turns_read_only_loses_nothing(tmp_path: Path) -> None:
    """What is in flight is settled once the disk can be written, as what it was, and nothing new
    starts before; nothing is damaged, and all is told, once."""
    runs, go, failed = tmp_path / "runs", tmp_path / "go", tmp_path / "failed"
    home = Home(tmp_path / "disk")
    home.env |= {
        "LD_PRELOAD": overlay(tmp_path),
        "DISK": f"{home.path}/",
        "DISK_FAILED": str(failed),
    }
    with serving(NtfyServer()) as server:
        manifest = AGENT.format(url=server.url, secret=server.secret)
        home.agent("late", manifest, WAITS.format(runs=runs, go=go))
        with home.daemon():
            until(runs.exists, what="the agent to run")
            failed.touch()
            go.touch()
            until(lambda: failed.stat().st_size > REFUSALS, what="tries in vain")
            seen = home.run("status")
            ran, ended = runs.read_text().split(), home.count("given_up")
            failed.unlink()
            until(lambda: home.count("given_up") > 2, what="two more runs")
            (home.path / "agents").rename(home.path / "agents-no-more")
            until(home.settled, what="the last message")
        lines = [request.body.decode().splitlines()[0] for request in server.accepted]
    inbox = json.loads(home.run("inbox", "--json", "--limit", "1000").stdout)["events"]
    with closing(sqlite3.connect(home.path / "state" / "dotagent.db")) as db:
        checked = db.execute("PRAGMA integrity_check").fetchone()

    assert (1, 0) == (len(ran), ended)
    assert "late" in seen.stdout
    assert ["failed"] == home.values("SELECT DISTINCT verdict FROM attempts")
    assert len(runs.read_text().split()) == len(home.values("SELECT id FROM attempts"))
    assert [event["line"] for event in inbox if event["agent"]] == lines
    assert ["sent"] == home.values("SELECT DISTINCT state FROM deliveries")
    assert [0] == home.values("SELECT DISTINCT may_repeat FROM sends")
    assert ("ok",) == checked
    assert 0 == home.run("audit", "verify").returncode


def overlay(folder: Path) -> str:
    """See the C file."""
    require("cc")
    made = folder / "read_only.so"
    source = Path(__file__).with_name("read_only.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-o", made, source], check=True)
    return str(made)
