"""``run``: output as it comes, the agent's exit status, nobody told."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.scene import DAILY, Gate, both_ways, copies, held_by, rows
from tests.support.daemon import argv, environment, run, start, write_agent
from tests.support.http_server import StrictServer
from tests.support.serving import serving


def is_gone(pid: int) -> bool:
    """Whether the process has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@both_ways
def test_output_comes_while_the_agent_runs(home: Path, holder: str) -> None:
    """Each line of both streams is there before the agent has ended."""
    folder = write_agent(home, "slow", script="echo out; echo err >&2; cat gate; echo more; exit 7")
    gate = Gate(folder)
    with held_by(holder, home), start(home, "run", "slow") as command:
        assert command.stdout is not None
        assert command.stderr is not None
        first = command.stdout.readline(), command.stderr.readline()
        gate.open()
        rest, _ = command.communicate()

    assert ("out\n", "err\n") == first
    assert "more\n" == rest
    assert 7 == command.returncode
    assert [] == copies(home)


@both_ways
def test_nobody_is_told(home: Path, holder: str) -> None:
    """A trial that fails makes no event, no outage and no message; it stands in the record."""
    with serving(StrictServer()) as server:
        write_agent(home, "bad", f"{DAILY}{NTFY.format(url=server.url)}", script="exit 1")
        with held_by(holder, home):
            tried = run(home, "run", "bad")

    assert 1 == tried.returncode
    assert "dotagent: bad/daily: exit 1 after" in tried.stderr
    assert [] == server.requests
    assert [] == rows(home, "SELECT * FROM events WHERE agent = 'bad'")
    assert [] == rows(home, "SELECT * FROM outages")
    assert [("trial", "failed")] == rows(home, "SELECT kind, verdict FROM attempts")


NTFY = """
[[notifiers]]
driver = "ntfy"
topic = "t"
base_url = "{url}"
"""


@pytest.mark.parametrize(
    ("toml", "script", "status"),
    [
        ("", "exit 0", 0),
        ("", "exit 3", 3),
        ("warn_codes = [3]", "exit 3", 0),
        ("success_codes = [0, 4]", "exit 4", 0),
        ("skip_codes = [9]", "exit 9", 75),
        ("", "kill -SEGV $$", 139),
        ('[expect]\noutput = "nonempty"', "exit 0", 1),
        ("", 'echo outcome=fail > "$AGENT_RESULT"', 1),
        ("", "no-such-command-anywhere", 127),
        ('[[preflight]]\nplugin = "nowhere"', "exit 0", 75),
    ],
)
def test_exit_status(home: Path, toml: str, script: str, status: int) -> None:
    """The agent's own code; what its manifest calls good is 0, what it calls "not now" is 75."""
    write_agent(home, "a", toml, script=script)

    tried = run(home, "run", "a")

    assert status == tried.returncode


def test_a_failed_try_names_the_next_command(home: Path) -> None:
    """To be pasted when it is mended, with the schedule that was asked for."""
    write_agent(home, "my report", DAILY, script="exit 3")
    plain, chosen = run(home, "run", "my report"), run(home, "run", "my report", "--schedule=daily")

    assert plain.stderr.endswith("dotagent: next: mend it, then: dotagent run 'my report'\n")
    assert chosen.stderr.endswith("dotagent run 'my report' --schedule daily\n")


def test_timeout_is_124(home: Path) -> None:
    """A run that was stopped for its timeout exits with 124, whatever the script makes of it."""
    folder = write_agent(home, "a", script="trap 'exit 0' TERM; echo begun; cat gate")
    Gate(folder)
    manifest = folder / "agent.toml"
    manifest.write_text(manifest.read_text().replace('"a"\n', '"a"\ntimeout = "1s"\n'))
    tried = run(home, "run", "a")

    assert 124 == tried.returncode
    assert "timed out after 1 s" in tried.stderr


def test_command_not_found_says_how_to_mend_it(home: Path, tmp_path: Path) -> None:
    """Exit 127 names the program that the shell would have found, and where to write it."""
    program = tmp_path / "bin" / "my-report"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    folder = write_agent(home, "a", '[env]\nextra = { PATH = "/usr/bin:/bin" }\n')
    manifest = folder / "agent.toml"
    manifest.write_text(manifest.read_text().replace("./run.sh", "my-report"))
    path = f"{program.parent}:{os.environ['PATH']}"
    tried = run(home, "run", "a", env={"PATH": path})

    assert 127 == tried.returncode
    assert f'write command = "{program}"' in tried.stderr


def test_unknown_agent_gets_the_nearest_name(home: Path) -> None:
    """Exit 4, and what was probably meant."""
    write_agent(home, "disk-alert")
    tried = run(home, "run", "disk-alrt")

    assert 4 == tried.returncode
    assert 'dotagent: there is no agent "disk-alrt"' in tried.stderr
    assert 'Did you mean "disk-alert"?' in tried.stderr


def test_unknown_schedule_gets_the_known_ones(home: Path) -> None:
    """Exit 4, and the schedules that the agent has."""
    write_agent(home, "a", DAILY)
    tried = run(home, "run", "a", "--schedule", "weekly")

    assert 4 == tried.returncode
    assert "It has: daily" in tried.stderr


def test_broken_manifest_is_shown_and_not_run(home: Path) -> None:
    """Whoever tries an agent hears what is wrong with it as it is now; no older copy is run."""
    folder = write_agent(home, "a", DAILY, script="echo ran")
    run(home, "run", "a")
    with (folder / "agent.toml").open("a") as manifest:
        manifest.write('max_atempts = "x"\nhours = 25\n')
    tried = run(home, "run", "a")

    assert 2 == tried.returncode
    assert "ran" not in tried.stdout
    assert f"{folder}/agent.toml:" in tried.stderr
    assert 1 == len(rows(home, "SELECT * FROM attempts"))


@both_ways
def test_agent_of_the_current_folder(home: Path, tmp_path: Path, holder: str) -> None:
    """An agent that lies in ./agents only is run from there, and nothing of it is scheduled."""
    here = tmp_path / "project"
    folder = write_agent(here, "mine", DAILY, script="pwd; exit 5")
    with held_by(holder, home):
        tried = run(home, "run", "mine", cwd=here)

    assert (5, f"{folder}\n") == (tried.returncode, tried.stdout)
    assert [] == rows(home, "SELECT * FROM schedules")
    assert [("mine", 1)] == rows(home, "SELECT name, gone_at IS NOT NULL FROM agents")


def test_broken_manifest_of_the_current_folder(home: Path, tmp_path: Path) -> None:
    """Its problems are shown, exit 2; nothing was asked of anybody."""
    here = tmp_path / "project"
    write_agent(here, "mine", "nonsense = [")
    tried = run(home, "run", "mine", cwd=here)

    assert 2 == tried.returncode
    assert f"{here}/agents/mine/agent.toml:" in tried.stderr
    assert [] == rows(home, "SELECT * FROM requests")


@both_ways
def test_interrupt_ends_the_run(home: Path, holder: str) -> None:
    """Ctrl-C ends the agent with the command, whoever runs it; nothing of it is done later."""
    folder = write_agent(home, "slow", DAILY, script="echo $$; cat gate")
    Gate(folder)
    with held_by(holder, home), start(home, "run", "slow") as command:
        assert command.stdout is not None
        pid = int(command.stdout.readline())
        command.send_signal(signal.SIGINT)
        _, said = command.communicate()

    assert 130 == command.returncode
    assert "dotagent: stopped by SIGINT" in said
    assert is_gone(pid)
    assert [("interrupted",)] == rows(home, "SELECT verdict FROM attempts")
    assert [] == rows(home, "SELECT * FROM requests WHERE state != 'done' AND kind = 'run'")
    assert [] == copies(home)


def test_dry_run_leaves_no_log_and_no_heartbeat(home: Path) -> None:
    """The agent knows of it by AGENT_DRY_RUN; neither its log nor its heartbeat is written."""
    write_agent(home, "a", script='echo "$AGENT_DRY_RUN ${AGENT_HEARTBEAT_FILE-none}"')
    tried = run(home, "run", "a", "--dry-run")

    assert (0, "true none\n") == (tried.returncode, tried.stdout)
    assert [] == list((home / "logs" / "agents").rglob("*.log"))
    assert [] == list((home / "state" / "agents").rglob("*.json"))


def test_bytes_stay_as_they_are_on_a_pipe(home: Path) -> None:
    """What is no terminal gets what the agent wrote, byte for byte."""
    write_agent(home, "a", script=r"printf 'a\033[31mred\377\r\n\007end'")
    tried = subprocess.run(
        argv("run", "a"), env=environment(home), cwd=home, stdout=subprocess.PIPE, stderr=-1
    )

    assert b"a\x1b[31mred\xff\r\n\x07end" == tried.stdout


def test_nothing_steers_a_terminal(home: Path) -> None:
    """A terminal gets the text without escape sequences, and our words on a line of their own."""
    write_agent(home, "a", script=r"printf 'a\033[31mred\033]0;title\007\n\007end'")
    leader, follower = pty.openpty()
    with subprocess.Popen(
        argv("run", "a"), env=environment(home), cwd=home, stdout=follower, stderr=follower
    ):
        os.close(follower)
        shown = b""
        while chunk := _read(leader):
            shown += chunk
    os.close(leader)

    assert shown.startswith(b"ared\r\nend\r\ndotagent: a/manual: ok")


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:  # EIO: the other side of the terminal has gone
        return b""


def test_leftover_copies_are_swept(home: Path) -> None:
    """Copies of output that a killed command left go with the next run."""
    write_agent(home, "a")
    run(home, "run", "a")
    left = home / "state" / "requests" / "1.out"
    left.write_text("left")
    os.utime(left, (0, 0))
    run(home, "run", "a")

    assert [] == copies(home)
