"""The demo as somebody runs it who has just installed the program: it works, tells, and is gone."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import daemon
from tests.support.patience import until

TRAP = """
[[schedules]]
id = "at-once"
every = "1h"
run_at_start = true
"""


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """The folder in which the demo may make its scratch home."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def left(scratch: Path) -> list[str]:
    """What is left of a demo: files, and processes that were started with its folder."""
    table = subprocess.run(["ps", "axeww", "-o", "pid=,command="], stdout=subprocess.PIPE)
    lines = table.stdout.decode(errors="replace").splitlines()
    return os.listdir(scratch) + [line for line in lines if str(scratch) in line]


@contextmanager
def demo(home: Path, scratch: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A demo under way, on a machine whose owner has a home already."""
    env = {"TMPDIR": str(scratch)}
    with daemon.start(home, "demo", *arguments, env=env) as process:
        yield process


def read_to(process: subprocess.Popen[str], words: str) -> str:
    """What it says up to the first line with these words."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"it never said {words!r}:\n{said}")


def test_the_story_is_told_and_nothing_is_left(home: Path, scratch: Path) -> None:
    """One agent recovers, one gives up, one times out; Slack refuses first and hears of all of it
    later; the evidence and the next step are named; it takes seconds and leaves nothing."""
    began = time.monotonic()
    with demo(home, scratch) as process:
        said, complaints = process.communicate()
    took = time.monotonic() - began
    flat = " ".join(said.split())

    assert (0, "") == (process.returncode, complaints), said
    for words in (
        "backup attempt 1 of 3 failed, exit 1",
        "Slack answers 503",
        "the message is kept, and sent again in",
        "Slack receives (try 2): “backup/every-30s: attempt 1 of 3 failed",
        "Slack receives: “backup/every-30s: recovered",
        "Slack receives: “report/every-30s: gave up",
        "Slack receives: “import/every-30s: attempt 1 of 1 timed out after 1 s",
        "$ dotagent why report report/every-30s gave up",
        "$ dotagent inbox",
        "$ dotagent audit verify",
        "each as it was written",
        "All 4 messages arrived, once each and in order",
        "dotagent init",
    ):
        assert words in flat
    assert [] == re.findall(r"\x1b|Traceback", said)
    assert [] == left(scratch)
    assert 20 > took


def test_nothing_of_the_caller_gets_in(home: Path, scratch: Path, tmp_path: Path) -> None:
    """A home, roots, proxies and a service manager in the caller's environment change nothing, and
    nothing of theirs is touched."""
    trap = daemon.write_agent(tmp_path, "trap", TRAP, script="touch sprung", root="elsewhere")
    env = {
        "TMPDIR": str(scratch),
        "DOTAGENT_ROOT": str(tmp_path / "elsewhere"),
        "DOTAGENT_SECRETS_FILE": str(tmp_path / "none"),
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
        "ALL_PROXY": "http://127.0.0.1:1",
        "NOTIFY_SOCKET": str(tmp_path / "none"),
        "AGENT_ATTEMPT_ID": "an agent runs the demo",
        "NO_COLOR": "1",
        "TZ": "Europe/Berlin",
    }
    done = daemon.run(home, "demo", env=env)

    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert [] == os.listdir(home)
    assert not (trap / "sprung").exists()
    assert [] == left(scratch)


def test_keep_keeps_the_home(home: Path, scratch: Path) -> None:
    """With --keep the scratch home stays and is a home like any other; no process is left."""
    with demo(home, scratch, "--keep") as process:
        said, _ = process.communicate()
    [kept] = scratch.iterdir()
    inbox = daemon.run(kept, "inbox")
    processes = left(scratch)[1:]

    assert 0 == process.returncode, said
    assert f"DOTAGENT_HOME={kept}" in said
    assert "report/every-30s: gave up" in " ".join(inbox.stdout.split())
    assert [] == processes


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_demo_cut_short_leaves_nothing(home: Path, scratch: Path, number: signal.Signals) -> None:
    """Ctrl-C, a kill or a closed terminal, while an agent hangs: daemon, agents and files go, and
    the exit status is the signal's."""
    with demo(home, scratch) as process:
        read_to(process, "attempt 1 starts")
        process.send_signal(number)
        process.send_signal(number)  # an impatient person
        _, complaints = process.communicate()
    until(lambda: not left(scratch), what="the demo to be gone")

    assert 128 + number == process.returncode
    assert number.name in complaints


@pytest.mark.parametrize(
    ("when", "missing"),
    [
        ("the daemon starts", "the daemon did not get to work"),
        ("Slack answers 503", "report did not come to: given_up"),
    ],
)
def test_a_demo_that_goes_wrong_says_so(home: Path, scratch: Path, when: str, missing: str) -> None:
    """A daemon that dies under it makes it fail, with what is missing, and leaves nothing, not
    even the agents that the daemon can end no more."""
    with demo(home, scratch) as process:
        [pid] = re.findall(r"process (\d+)", said := read_to(process, "the daemon starts"))
        if when not in said:
            read_to(process, "answers 503")
        os.kill(int(pid), signal.SIGKILL)
        rest, _ = process.communicate()

    assert 1 == process.returncode
    assert "did not go as promised" in rest
    assert missing in rest
    assert [] == left(scratch)
