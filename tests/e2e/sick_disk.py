"""What a daemon on a sick disk does, whatever the disk has: an agent that fails each second and
tells it, how all goes on once the disk is well, and what was told by then."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.drivers.test_ntfy import NtfyServer
from tests.e2e.home import Home
from tests.support.patience import until

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


def late(home: Home, server: NtfyServer, go: Path) -> Path:
    """The agent, whose runs wait until ``go`` is there; the file beside that with a line a run."""
    runs = go.with_name("runs")
    manifest = AGENT.format(url=server.url, secret=server.secret)
    home.agent("late", manifest, WAITS.format(runs=runs, go=go))
    return runs


def goes_on(home: Home, meanwhile: Callable[[], object] = lambda: None) -> None:
    """The disk is well: two more runs fail, the agent goes, the last message is sent."""
    before = home.count("given_up")
    until(lambda: home.count("given_up") > before + 1, what="two more runs")
    meanwhile()
    (home.path / "agents").rename(home.path / "agents-no-more")
    until(home.settled, what="the last message")


def told(server: NtfyServer) -> list[str]:
    """The first lines of what people were sent."""
    return [request.body.decode().splitlines()[0] for request in server.accepted]


def to_tell(home: Home) -> list[str]:
    """The lines of the events about agents."""
    inbox = json.loads(home.run("inbox", "--json", "--limit", "1000").stdout)["events"]
    return [event["line"] for event in inbox if event["agent"]]
