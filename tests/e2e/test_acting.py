"""Whoever holds the home acts, and nobody else (rules R1, R2): a command asks the daemon where one
runs, acts itself where none does, and many at once take turns."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from tests.drivers.test_slack import SlackServer
from tests.e2e.home import Home
from tests.support.http_server import Answer
from tests.support.serving import serving

NEVER = '[[schedules]]\nid = "s"\ndaily = "04:00"\n'
AT_ONCE = '[[schedules]]\nid = "s"\nevery = "1s"\nrun_at_start = true\n'
SLACK = """
[[notifiers]]
driver = "slack"
webhook_url = "{url}/services/T01ABCDEF/B01ABCDEF/{secret}"
"""
ALONE = """
mkdir "$AGENT_HOME/busy" || echo overlap >> "$AGENT_HOME/overlaps"
echo "$AGENT_ATTEMPT_ID" >> "$AGENT_HOME/runs"
sleep 0.1
rmdir "$AGENT_HOME/busy"
"""
UNFIT = Answer(status=400, body=b"invalid_payload")
AT_A_TIME = 5


def holders(home: Home) -> list[tuple[str, bool]]:
    """Who has held the home, in order, and whether it has ended."""
    rows = home.rows("SELECT role, ended_at FROM holders ORDER BY epoch")
    return [(row["role"], row["ended_at"] is not None) for row in rows]


def actors(home: Home) -> list[tuple[str, str]]:
    """Who has made each attempt and each send, in order."""
    rows = home.rows(
        "SELECT 'attempt' AS what, role, claimed_at AS at FROM attempts JOIN holders USING (epoch)"
        " UNION ALL SELECT 'send', role, started_at FROM sends JOIN holders USING (epoch)"
        " ORDER BY at"
    )
    return [(row["what"], row["role"]) for row in rows]


def agent_with_a_dead_letter(home: Home, slack: SlackServer) -> None:
    """An agent whose next message Slack will not take, neither as it is nor plain."""
    slack.script(UNFIT, UNFIT)
    channel = SLACK.format(url=slack.url, secret=slack.secret)
    home.agent("good", NEVER + channel, script="echo done")  # so that plain is not the same


def test_with_a_daemon_commands_act_through_it(tmp_path: Path) -> None:
    """``run-now`` and ``deliveries retry`` are carried out by the daemon, which stays the only
    holder; each waits for its end and shows it."""
    home = Home(tmp_path / "home")
    with serving(SlackServer()) as slack:
        agent_with_a_dead_letter(home, slack)
        with home.daemon():
            ran = home.run("run-now", "good", "--json")
            retried = home.run("deliveries", "retry", "--dead", "--json")
            during = holders(home)
    said = json.loads(ran.stdout)

    assert [("daemon", False)] == during
    assert [("daemon", True)] == holders(home)
    assert [("attempt", "daemon"), *[("send", "daemon")] * 3] == actors(home)
    assert (0, "good", 0) == (ran.returncode, said["agent"], said["result"]["exit_code"])
    assert ["rejected"] == [each["state"] for each in said["deliveries"]]
    assert (0, ["sent"]) == (
        retried.returncode,
        [each["state"] for each in json.loads(retried.stdout)],
    )
    assert 1 == len(slack.accepted)


def test_without_a_daemon_commands_act_themselves(tmp_path: Path) -> None:
    """Each takes the lock, does its own work and gives the lock back; what is due by schedule is
    not theirs to run."""
    home = Home(tmp_path / "home")
    with serving(SlackServer()) as slack:
        agent_with_a_dead_letter(home, slack)
        home.agent("due", AT_ONCE)
        ran = home.run("run-now", "good", "--json")
        retried = home.run("deliveries", "retry", "1", "--json")

    assert (0, 0) == (ran.returncode, retried.returncode)
    assert [("run-now", True), ("deliveries", True)] == holders(home)
    assert [
        ("attempt", "run-now"),
        ("send", "run-now"),
        ("send", "run-now"),
        ("send", "deliveries"),
    ] == actors(home)
    assert ["good"] == home.values("SELECT agent FROM attempts")
    assert [("rejected", None), ("sent", 1)] == [
        (row["state"], row["resend_of"]) for row in home.rows("SELECT * FROM deliveries")
    ]
    assert 1 == len(slack.accepted)


@pytest.mark.parametrize("beside", ["nobody", "daemon"])
def test_many_at_once_never_both_act(tmp_path: Path, beside: str) -> None:
    """Commands that are started together in a home that is new, beside a daemon or alone: each gets
    its own run, no two runs overlap, and no two holders are there at one time."""
    home = Home(tmp_path / "home")
    folder = home.agent("good", NEVER, ALONE).parent
    commands = [home.start("run-now", "good", "--json") for _ in range(AT_A_TIME)]
    if beside == "daemon":
        with home.daemon():
            ends = [command.communicate() for command in commands]
    else:
        ends = [command.communicate() for command in commands]
    spans = home.rows("SELECT began_at, ended_at FROM holders ORDER BY epoch")
    runs = home.rows("SELECT claimed_at AS began_at, ended_at FROM attempts ORDER BY id")

    assert [0] * AT_A_TIME == [command.returncode for command in commands], ends
    assert {0} == {json.loads(out)["result"]["exit_code"] for out, _ in ends}
    assert AT_A_TIME == len(set((folder / "runs").read_text().split())) == len(runs)
    assert not (folder / "overlaps").exists()
    assert [] == [
        (one, next_)
        for rows in (spans, runs)
        for one, next_ in pairwise(rows)
        if next_["began_at"] < one["ended_at"]
    ]
    assert {"done"} == set(home.values("SELECT state FROM requests"))
