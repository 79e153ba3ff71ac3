"""``ack``: known, and no more reminders until it recovers."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.scene import DAILY, both_ways, held_by, ntfy, rows
from tests.support.daemon import run, write_agent
from tests.support.http_server import StrictServer
from tests.support.serving import serving


@both_ways
def test_known(home: Path, holder: str) -> None:
    """The reminder is gone; ``why`` and ``status`` say who knew since when and why."""
    with serving(StrictServer()) as server:
        reminding = ntfy(server.url) + 'remind = ["1h"]\n'
        write_agent(home, "a", DAILY + reminding, script="exit 1")
        with held_by(holder, home):
            run(home, "run-now", "a")
            due = rows(home, "SELECT count(*) FROM reminders")
            known = run(home, "ack", "a", "--reason", "on it")
    outage = json.loads(run(home, "why", "a", "--json").stdout)["outage"]

    assert [(1,)] == due
    assert [(0,)] == rows(home, "SELECT count(*) FROM reminders")
    assert known.stdout.startswith("Known: a/daily. No reminders until it succeeds.")
    assert "on it" == outage["acknowledged_why"]
    assert "known" in run(home, "why", "a").stdout
    assert "acknowledged" in run(home, "status").stdout


def test_as_data(home: Path) -> None:
    """``--json`` names what is known."""
    write_agent(home, "a", DAILY, script="exit 1")
    run(home, "run-now", "a")
    known = run(home, "ack", "a/daily", "--json")

    assert {"agent": "a", "schedules": ["daily"]} == json.loads(known.stdout)


def test_nothing_to_know(home: Path) -> None:
    """What does not fail cannot be acknowledged; nor can what is not there."""
    write_agent(home, "a", DAILY)
    fine = run(home, "ack", "a")

    assert (2, 4) == (fine.returncode, run(home, "ack", "b").returncode)
    assert "a is not failing" in fine.stderr
