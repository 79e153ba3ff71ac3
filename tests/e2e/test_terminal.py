"""Nothing that a script, a plugin, a service or a manifest says can steer the terminal it is shown
on: every command of the program, on a terminal, over a home full of control sequences.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.home import Home
from tests.e2e.test_canary import commands
from tests.plugins.scripts import bash
from tests.support import daemon as program
from tests.support.http_server import Answer, StrictServer
from tests.support.patience import until
from tests.support.serving import serving

SHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters, but for the tab and the end of a line: the terminal's own carriage return is
taken out before."""
ONCE = """
[[schedules]]
id = "s"
every = "1h"
run_at_start = true
max_attempts = 1
[[notifiers]]
id = "service"
driver = "webhook"
url = "{url}"
[[preflight]]
plugin = "odd"
on_block = "retry"
[[on_failure]]
plugin = "odd"
"""
SCRIPT = r"""
printf '\033]0;owned\007\033[2J\302\23331m\010out\n'
printf '\033]0;owned\007\033[2J\302\23331m\010err\n' >&2
printf 'summary=\033[2J\007gone\nlink=https://x/\033[2J\n' > "$AGENT_RESULT"
exit 3
"""
SAYS = r"""
cat > /dev/null
printf '\033[2J\007words\n' >&2
printf '{"ok": true, "error": "\\u001b[2J\\u0007", "suggest": "\\u009b31m"}'
"""


def on_terminal(home: Home, words: list[str]) -> str:
    """All that the command writes to a terminal, as the terminal gets it; no colours are asked
    for, so that no control sequence is ours."""
    ours, theirs = pty.openpty()
    env = {**program.environment(home.path, home.env), "NO_COLOR": "1", "TERM": "xterm"}
    try:
        with subprocess.Popen(
            program.argv(*words), env=env, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
        ) as child:
            os.close(theirs)
            data = b""
            while chunk := _read(ours):
                data += chunk
            child.wait()
    finally:
        os.close(ours)
    return data.replace(b"\r\n", b"\n").decode(errors="replace")


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65_536)
    except OSError:  # EIO: the other side is closed (pty(7))
        return b""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home in which everything speaks in control sequences."""
    home = Home(tmp_path / "home", DOTAGENT_PLUGIN_PATH=str(tmp_path / "plugins"))
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    bash(plugins, SAYS, "odd")
    (home.path / "agents").mkdir(parents=True)
    bad = home.path / "agents" / "bad\x1b[2J"
    bad.mkdir()
    (bad / "agent.toml").write_text('[agent]\nname = "a\\u001b[2J"\n"k\\u0007" = 1\n')
    (home.path / "audit.log").write_bytes(b"\x1b[2J{}\n")
    return home


@pytest.mark.timeout(180)
def test_no_command_passes_it_on(home: Home, tmp_path: Path) -> None:
    """Output, results, answers, names of folders, keys of manifests, lines of old logs."""
    with serving(StrictServer()) as server:
        answer = Answer(status=400, body="no \x1b[2J\x07\x9b31m".encode())
        server.script(*[answer] * 20)
        home.agent("ill", ONCE.format(url=server.url), script=SCRIPT)
        with program.daemon(home.path, env=home.env):
            until(lambda: "given_up" in home.kinds("ill"), what="its run")
            until(home.settled, what="all to be told")
            with (home.path / "state" / "audit.jsonl").open("ab") as file:
                file.write(b"\x1b[2J\x07\n")
            calls = [*commands(tmp_path / "plugins" / "dotagent-plugin-odd")]
            calls.append(["logs", "ill"])
            with ThreadPoolExecutor(4) as pool:
                said = list(pool.map(lambda words: on_terminal(home, words), calls))
        said.append(on_terminal(home, ["doctor"]))
        calls.append(["doctor"])

    assert {} == {
        " ".join(words): SHOWN.findall(text)
        for words, text in zip(calls, said, strict=True)
        if SHOWN.search(text)
    }
    assert any("out" in text for text in said)
