"""Whoever holds the home acts, and nobody else (rules R1, R2): a command asks the daemon where one
runs, acts itself where none does, and two at once take turns."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import Popen

import pytest

from tests.drivers.test_slack import SlackServer
from tests.e2e.home import TIMEOUT_S, Home
from tests.support.http_server import Answer, serving
from tests.support.patience import until

NEVER = '[[schedules]]\nid = "s"\ndaily = "04:00"\n'
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


def holders(home: Home) -> list[tuple[str, bool]]:
    """Who has held the home, in order, and whether it has ended."""
    rows = home.rows("SELECT role, ended_at FROM holders ORDER BY epoch")
    return [(row["role"], row["ended_at"] is not None) for row in rows]


def actors(home: Home) -> set[str]:
    """Who has made the attempts and the sends."""
    return set(
        home.values(
            "SELECT role FROM holders WHERE epoch IN"
            " (SELECT epoch FROM attempts UNION SELECT epoch FROM sends)"
        )
    )


def agent_with_a_dead_letter(home: Home, slack: SlackServer) -> None:
    """An agent whose next message Slack will not take, neither as it is nor plain."""
    slack.script(UNFIT, UNFIT)
    home.agent("good", NEVER + SLACK.format(url=slack.url, secret=slack.secret))


def test_with_a_daemon_commands_act_through_it(tmp_path: Path) -> None:
    """``run-now`` and ``deliveries retry`` are carried out by the daemon, which stays the only
    holder; each waits for its end and shows it."""
    home = Home(tmp_path / "home")
    with serving(SlackServer()) as slack:
        agent_with_a_dead_letter(home, slack)
        with home.daemon() as daemon:
            until(lambda: ["good"] == home.values("SELECT name FROM agents"), what="the agent")
            ran = home.run("run-now", "good", "--json")
            said = json.loads(ran.stdout)
            retried = home.run("deliveries", "retry", "--dead", "--json")
            assert daemon.process.poll() is None
            assert [("daemon", False)] == holders(home)

    assert {"daemon"} == actors(home)
    assert (0, "good", 0) == (ran.returncode, said["agent"], said["result"]["exit_code"])
    assert [("rejected", "slack")] == [
        (each["state"], each["driver"]) for each in said["deliveries"]
    ]
    assert (0, ["sent"]) == (
        retried.returncode,
        [each["state"] for each in json.loads(retried.stdout)],
    )
    assert ["manual"] == home.values("SELECT kind FROM attempts")
    assert 1 == len(slack.accepted)


def test_without_a_daemon_commands_act_themselves(tmp_path: Path) -> None:
    """Each takes the lock, does its own work and gives the lock back; what is due by schedule is
    not theirs to run."""
    home = Home(tmp_path / "home")
    with serving(SlackServer()) as slack:
        agent_with_a_dead_letter(home, slack)
        home.agent("due", '[[schedules]]\nid = "s"\nevery = "1s"\nrun_at_start = true\n')
        ran = home.run("run-now", "good", "--json")
        retried = home.run("deliveries", "retry", "1", "--json")

    assert (0, 0) == (ran.returncode, retried.returncode)
    assert [("run-now", True), ("deliveries", True)] == holders(home)
    assert {"run-now", "deliveries"} == actors(home)
    assert ["good"] == home.values("SELECT agent FROM attempts")
    assert [("rejected", None), ("sent", 1)] == [
        (row["state"], row["resend_of"]) for row in home.rows("SELECT * FROM deliveries")
    ]
    assert 1 == len(slack.accepted)


@pytest.mark.parametrize("with_daemon", [False, True], ids=["alone", "beside a daemon"])
def test_two_at_once_never_both_act(tmp_path: Path, with_daemon: bool) -> None:
    """Five commands, started together, and a daemon or none: each gets its own run, no two runs
    overlap, and no two holders are there at one time."""
    home = Home(tmp_path / "home")
    agent = home.agent("good", NEVER, ALONE).parent
    commands = [home.command("run-now", "good", "--json") for _ in range(5)]
    if with_daemon:
        with home.daemon():
            ends = [end(command) for command in commands]
    else:
        ends = [end(command) for command in commands]
    spans = home.rows("SELECT began_at, ended_at FROM holders ORDER BY epoch")
    runs = home.rows("SELECT claimed_at, ended_at FROM attempts ORDER BY id")

    assert [0] * 5 == [code for code, _ in ends], ends
    assert {0} == {json.loads(out)["result"]["exit_code"] for _, out in ends}
    assert 5 == len(set((agent / "runs").read_text().split())) == len(runs)
    assert not (agent / "overlaps").exists()
    assert [] == [
        (one, next_)
        for one, next_ in zip(spans, spans[1:], strict=False)
        if next_["began_at"] < one["ended_at"]
    ]
    assert [] == [
        (one, next_)
        for one, next_ in zip(runs, runs[1:], strict=False)
        if next_["claimed_at"] < one["ended_at"]
    ]
    assert {"done"} == set(home.values("SELECT state FROM requests"))


def end(command: Popen[str]) -> tuple[int, str]:
    """How a command ended, and what it printed."""
    out, errors = command.communicate(timeout=TIMEOUT_S)
    return command.returncode, out or errors


def test_a_second_daemon_is_refused(tmp_path: Path) -> None:
    """It ends with 5 and names the first, which is not disturbed."""
    home = Home(tmp_path / "home")
    with home.daemon() as daemon:
        second = home.run("daemon")
        assert daemon.process.poll() is None

    assert 5 == second.returncode
    assert f"held by daemon, process {daemon.pid}" in second.stderr
    assert 1 == len(home.rows("SELECT * FROM holders"))


def test_a_daemon_waits_for_a_command(tmp_path: Path) -> None:
    """A daemon that starts while a command acts takes the home when that is done."""
    home = Home(tmp_path / "home")
    go = tmp_path / "go"
    script = f'touch "$AGENT_HOME/here"; until test -e {go}; do sleep 0.05; done'
    agent = home.agent("slow", NEVER, script)
    command = home.command("run-now", "slow")
    until((agent.parent / "here").exists, what="the run to begin")
    with home.daemon_beside() as daemon:
        until(lambda: "waiting for run-now" in daemon.said(), what="the daemon to wait")
        before = holders(home)
        go.touch()
        ended = end(command)
        until(daemon.is_up, what="the daemon to take over")

    assert [("run-now", False)] == before
    assert 0 == ended[0], ended[1]
    assert [("run-now", True), ("daemon", True)] == holders(home)


def test_a_command_outlives_its_daemon(tmp_path: Path) -> None:
    """Where the daemon dies under a request, whoever asked takes over: the run is settled as lost,
    nothing of it is left, and the command says so."""
    home = Home(tmp_path / "home")
    agent = home.agent("slow", NEVER, 'echo $$ > "$AGENT_HOME/pid"; exec sleep 60')
    pid = agent.parent / "pid"
    with home.daemon() as daemon:
        until(lambda: ["slow"] == home.values("SELECT name FROM agents"), what="the agent")
        command = home.command("run-now", "slow", "--json")
        until(lambda: pid.exists() and pid.read_text(), what="the run to begin")
        daemon.kill()
        code, said = end(command)

    assert code != 0
    assert [("daemon", True), ("run-now", True)] == holders(home)
    assert ["attempt_failed"] == home.kinds("slow")
    assert "Lost" in home.values("SELECT exit FROM attempts")[0], said
    assert not lives(pid.read_text().strip())


def lives(pid: str) -> bool:
    """Whether a process runs; one that is only waiting to be buried by its parent does not."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False
