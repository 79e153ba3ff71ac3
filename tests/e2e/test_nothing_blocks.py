"""Nothing blocks: not a service that never answers, not an agent that sleeps, not a crowd."""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic

from tests.drivers.test_ntfy import NtfyServer
from tests.drivers.test_slack import SlackServer
from tests.e2e.home import Home, Row
from tests.support.http_server import Fault
from tests.support.patience import until
from tests.support.serving import serving

EVERY_SECOND = '[[schedules]]\nid = "s"\nevery = "1s"\nrun_at_start = true\n'
ONCE = '[[schedules]]\nid = "s"\nevery = "1h"\nrun_at_start = true\n'
SLACK = """
[[notifiers]]
driver = "slack"
webhook_url = "{url}/services/T01ABCDEF/B01ABCDEF/{secret}"
timeout_seconds = 60
"""
NTFY = """
[[notifiers]]
driver = "ntfy"
topic = "alerts"
base_url = "{url}"
token = "{secret}"
"""
SLEEPS = 'echo $$ > "$AGENT_HOME/pid"; exec sleep 60'
AT_ONCE_S = 15.0
ON_TIME_MS = 5_000
"""Far less than the minute that the agent would sleep and the service would be waited for; far
more than a busy machine needs."""


def test_neither_a_dead_service_nor_a_sleeper_delays_anybody(tmp_path: Path) -> None:
    """While one agent sleeps a minute and one service holds every request, another agent runs and
    another service gets its messages; SIGTERM is obeyed at once. The sleeper is interrupted: not
    counted, not told, and tried again after the restart."""
    home = Home(tmp_path / "home")
    home.config('[daemon]\nstop_grace = "100ms"\n')
    with serving(SlackServer()) as dead, serving(NtfyServer()) as lively:
        dead.script(*[Fault.SILENT] * 100)
        to_both = SLACK.format(url=dead.url, secret=dead.secret)
        to_both += NTFY.format(url=lively.url, secret=lively.secret)
        home.agent("lively", EVERY_SECOND + to_both)
        home.agent("sleeper", ONCE + to_both, SLEEPS)
        with home.daemon() as daemon:
            sleeper = home.path / "agents" / "sleeper" / "pid"
            until(sleeper.exists, what="the sleeper to sleep")
            until(lambda: dead.requests, what="the dead service to be asked")
            lively.wait_for(3)
            said_at = monotonic()
            daemon.stop()
            took_s = monotonic() - said_at
        interrupted = home.rows("SELECT * FROM attempts WHERE agent = 'sleeper'")
        window = home.rows("SELECT * FROM windows WHERE agent = 'sleeper'")
        sleeper.unlink()
        with home.daemon():
            until(sleeper.exists, what="the sleeper to be tried again")
            tried = home.rows("SELECT * FROM attempts WHERE agent = 'sleeper' ORDER BY id")

    assert took_s < AT_ONCE_S
    assert [("interrupted", 1)] == [(row["verdict"], row["number"]) for row in interrupted]
    assert [("waiting", 0)] == [(row["state"], row["attempts"]) for row in window]
    assert [("interrupted", 1), (None, 1)] == [(row["verdict"], row["number"]) for row in tried]
    assert [] == home.kinds("sleeper")
    assert not any(b"sleeper" in request.body for request in (*dead.requests, *lively.requests))
    assert all(b"lively/s: ok" in request.body for request in lively.accepted)
    assert latest_ms(home) < ON_TIME_MS


def latest_ms(home: Home) -> int:
    """The worst delay of a start of the lively agent, and of a message to the lively service."""
    starts = home.values(
        "SELECT a.claimed_at - w.expected_at FROM attempts a JOIN windows w ON w.id = a.window_id"
        " WHERE a.agent = 'lively'"
    )
    sends = home.values(
        "SELECT s.started_at - e.at FROM sends s JOIN deliveries d ON d.id = s.delivery_id"
        " JOIN events e ON e.seq = d.event_seq WHERE d.driver = 'ntfy'"
    )
    assert min(len(starts), len(sends)) >= 3
    return int(max(starts + sends))


def test_a_lost_answer_is_sent_again_and_says_so(tmp_path: Path) -> None:
    """A message whose answer a stop cut short goes out again after the restart, marked as perhaps
    a repeat; nothing of it was lost and nothing else repeats."""
    home = Home(tmp_path / "home")
    with serving(SlackServer()) as slack:
        slack.script(Fault.SILENT)
        home.agent("lively", ONCE + SLACK.format(url=slack.url, secret=slack.secret))
        with home.daemon():
            until(lambda: slack.requests, what="the service to be asked")
        with home.daemon():
            slack.wait_for(1)
            until(home.settled, what="the end of all sends")
    texts = [json.loads(request.body)["text"].splitlines()[0] for request in slack.requests]

    assert 2 == len(texts)
    assert f"{texts[0]} (may be a repeat)" == texts[1]
    assert [("unknown", 0), ("sent", 1)] == [
        (row["outcome"], row["may_repeat"])
        for row in home.rows("SELECT * FROM sends ORDER BY number")
    ]


def test_as_many_at_once_as_the_limit_says(tmp_path: Path) -> None:
    """Twenty agents that are due together with room for four: always four at once until the last
    ones, and never a fifth."""
    home = Home(tmp_path / "home")
    home.config("[daemon]\nmax_running = 4\n")
    for number in range(20):
        home.agent(f"crowd{number:02}", ONCE, "exec sleep 0.2")
    with home.daemon():
        until(lambda: 20 == home.count("success"), what="all twenty to have run")
    attempts = home.rows("SELECT * FROM attempts ORDER BY id")

    assert 20 == len(attempts)
    assert 20 == len({row["agent"] for row in attempts})
    assert 4 == most_at_once(attempts)
    assert {"succeeded"} == set(home.values("SELECT state FROM windows"))


def most_at_once(attempts: list[Row]) -> int:
    """The largest number of attempts under way at one moment; an end frees its place first."""
    moments = [(row["claimed_at"], 1) for row in attempts]
    moments += [(row["ended_at"], -1) for row in attempts]
    most = now = 0
    for _, step in sorted(moments):
        now += step
        most = max(most, now)
    return most
