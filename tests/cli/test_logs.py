"""``logs``: what agents printed, live, over the turn of a day, harmless on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.cli.scene import Gate
from tests.support.daemon import argv, daemon, environment, run, start, write_agent

AT_ONCE = '\n[[schedules]]\nid = "{}"\nevery = "1h"\nrun_at_start = true\n'


def printed(home: Path, name: str, script: str, *schedules: str) -> None:
    """An agent that has run once."""
    write_agent(home, name, "".join(map(AT_ONCE.format, schedules)), script=script)
    subprocess.run(argv("run", name), env=environment(home), cwd=home, stdout=-1, check=True)


def test_the_end_of_a_log(home: Path) -> None:
    """The last lines of the last runs, byte for byte on a pipe; ``-n`` says how many."""
    printed(home, "a", r"printf '1\n2\033[31m\n3\377'")
    shown = subprocess.run(argv("logs", "a", "-n", "2"), env=environment(home), stdout=-1)
    whole = subprocess.run(argv("logs", "a"), env=environment(home), stdout=-1)

    assert b"2\x1b[31m\n3\xff" == shown.stdout
    assert b"run started" in whole.stdout


def test_all_agents_together(home: Path) -> None:
    """Without a name: those that printed last, each under its own."""
    printed(home, "a", "echo from-a")
    printed(home, "b", "echo from-b")
    shown = run(home, "logs", "-n", "1")

    assert "==> a <==\nfrom-a\n\n==> b <==\nfrom-b\n" == shown.stdout


def test_following_is_live_and_goes_on_over_a_turn(home: Path) -> None:
    """Each line comes while the agent still runs, also after the log has begun anew."""
    script = "echo one; cat gate; echo two; cat gate; echo three"
    gate = Gate(write_agent(home, "slow", AT_ONCE.format("s"), script=script))
    with daemon(home), start(home, "logs", "slow", "-f") as follow:
        assert follow.stdout is not None
        lines = [_line(follow)]
        log = home / "logs" / "agents" / "slow" / "slow.log"
        os.utime(log, (0, 0))
        gate.open()
        lines.append(_line(follow))
        os.rename(log, f"{log}.1970-01-01.1")
        log.write_text("four\n")
        lines.append(_line(follow))
        follow.terminate()
        gate.open()

    assert ["one", "two", "four"] == lines


def _line(follow: subprocess.Popen[str]) -> str:
    """The next line that an agent printed."""
    assert follow.stdout is not None
    for line in follow.stdout:
        if line.strip() and not line.startswith("==="):
            return line.strip()
    raise AssertionError("the log has ended")


def test_one_schedule(home: Path) -> None:
    """``--schedule`` shows the runs of one of several."""
    write_agent(
        home, "a", AT_ONCE.format("x") + AT_ONCE.format("y"), script="echo $AGENT_SCHEDULE_ID"
    )
    for schedule in ("x", "y", "x"):
        run(home, "run", "a", "--schedule", schedule)
    shown = run(home, "logs", "a", "--schedule", "y").stdout

    assert ["y"] == [line for line in shown.splitlines() if line in ("x", "y")]


def test_nothing_steers_a_terminal(home: Path) -> None:
    """A terminal gets the text without escape sequences, and a person the next command."""
    printed(home, "a", r"printf 'a\033[31mred\033]0;title\007\n\007end\n'")
    leader, follower = pty.openpty()
    with subprocess.Popen(
        argv("logs", "a", "-n", "2"), env=environment(home), stdout=follower, stderr=follower
    ):
        os.close(follower)
        shown = b""
        while chunk := _read(leader):
            shown += chunk
    os.close(leader)

    assert b"ared\r\nend\r\n\r\nNext: dotagent why a\r\n" == shown


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:  # EIO: the other side of the terminal has gone
        return b""


@pytest.mark.parametrize(
    ("name", "words"),
    [("quite", 'there is no agent "quite"'), ("quiet", "has not printed anything yet")],
)
def test_where_there_is_nothing_to_show(home: Path, name: str, words: str) -> None:
    """A mistyped name, an agent that has not run: what is the matter, and what to do."""
    write_agent(home, "quiet")
    printed(home, "other", "true")
    shown = run(home, "logs", name)

    assert 4 == shown.returncode
    assert words in shown.stderr
