"""A disk that fills while the daemon runs on it: ``python -m tests.e2e.full_disk FOLDER``, in a
process that has a small disk mounted there. What came of it is printed as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.drivers.test_ntfy import NtfyServer
from tests.e2e.home import Home
from tests.e2e.places import fill
from tests.support.http_server import serving
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
WAITS = 'touch "$AGENT_HOME/here"; until test -e "$AGENT_HOME/go"; do sleep 0.05; done; exit 1'


def play(disk: Path) -> dict[str, object]:
    """An agent is running as the disk fills up; it fails, and later there is room again."""
    home = Home(disk / "home")
    film, reserve = disk / "film", home.path / "state" / "reserve"
    with serving(NtfyServer()) as server:
        manifest = AGENT.format(url=server.url, secret=server.secret)
        folder = home.agent("late", manifest, WAITS).parent
        with home.daemon():
            until((folder / "here").exists, what="the agent to run")
            kept = reserve.exists()
            fill(film)
            (folder / "go").symlink_to("/")
            until(lambda: home.count("given_up"), what="the run in flight to be settled")
            given_up = not reserve.exists()
            film.unlink()
            before = home.count("given_up")
            until(lambda: home.count("given_up") > before + 1, what="two more runs")
            kept_again = reserve.exists()
            (home.path / "agents").rename(home.path / "agents-no-more")
            until(home.settled, what="the last message")
        lines = [request.body.decode().splitlines()[0] for request in server.accepted]
    inbox = json.loads(home.run("inbox", "--json", "--limit", "1000").stdout)["events"]
    return {
        "kept": kept,
        "given_up": given_up,
        "kept_again": kept_again,
        "told": lines,
        "events": [event["line"] for event in inbox if event["agent"]],
        "verified": home.run("audit", "verify").returncode,
        "states": sorted(set(home.values("SELECT state FROM deliveries"))),
    }


if __name__ == "__main__":
    print(json.dumps(play(Path(sys.argv[1]))))
