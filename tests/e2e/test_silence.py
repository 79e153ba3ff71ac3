"""A silence that ends by time, over the real daemon: it wakes then, and tells what still fails."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.scene import DAILY, ntfy, rows
from tests.support.daemon import daemon, run, write_agent
from tests.support.http_server import StrictServer
from tests.support.patience import until
from tests.support.serving import serving


def test_it_ends_by_itself(tmp_path: Path) -> None:
    """Nothing rings: the daemon's own timer ends the silence, and one message is sent."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with serving(StrictServer()) as server, daemon(home):
        # It asks for no reminders: after a silence it is told all the same (product §4).
        mine = ntfy(server.url, events='"attempt_failed"')
        write_agent(home, "a", DAILY + mine, script="exit 1")
        until(lambda: "a/daily" in run(home, "status").stdout, what="the agent")
        run(home, "silence", "add", "a", "--for", "8s", "--reason", "moving")
        run(home, "run-now", "a")
        until(lambda: server.accepted, what="the word at the silence's end")
        ended = rows(home, "SELECT ended_by FROM silences")
        messages = json.loads(run(home, "deliveries", "--json").stdout)

    assert [("its time was over",)] == ended
    assert [("attempt_failed", "suppressed"), ("still_failing", "sent")] == [
        (each["event"], each["state"]) for each in messages
    ]
