"""A word while something takes longer than a second, on a terminal only."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.cli.scene import PLUGIN, Gate
from tests.support.daemon import argv, environment, run, write_agent

SLOW = PLUGIN.replace("  info) ", '  info) cat "$(dirname "$0")/gate"; ')


def test_whoever_waits_hears_why(home: Path) -> None:
    """What is done comes after a second, and is gone before the answer; the answer stays."""
    gate = slow_plugin(home)
    env = environment(home, {"DOTAGENT_PLUGIN_PATH": str(home), "TERM": "xterm"})
    seen = _at_a_terminal("plugin", "list", env=env, word="what they are …", then=gate)
    before, erased, after = seen.partition(b"\r\x1b[K")

    assert before.startswith(b"dotagent: asking ")
    assert erased
    assert b"mine" in after


def test_a_tick_that_takes_long(home: Path) -> None:
    """Whoever calls it at a terminal hears what it does, until it is done."""
    at_start = '[[schedules]]\nid = "s"\nevery = "1h"\nrun_at_start = true\n'
    gate = Gate(write_agent(home, "slow", at_start, script="cat gate"))
    seen = _at_a_terminal("tick", env=environment(home), word="running what is due …", then=gate)

    assert b"\r\x1b[Kscanned 1 agent(s); dispatched 1;" in seen


def _at_a_terminal(*words: str, env: Mapping[str, str], word: str, then: Gate) -> bytes:
    """All that the command shows; it may go on once it has shown ``word``."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(argv(*words), env=env, stdout=theirs, stderr=theirs):
        os.close(theirs)
        seen = b""
        while word.encode() not in seen:
            seen += os.read(ours, 100)
        then.open()
        with suppress(OSError):  # the end of a terminal's other side
            while chunk := os.read(ours, 4096):
                seen += chunk
    os.close(ours)
    return seen


def test_nothing_without_a_terminal(home: Path) -> None:
    """A script sees what the command prints, and nothing else."""
    plugin(home, PLUGIN)
    done = run(home, "plugin", "list", env={"DOTAGENT_PLUGIN_PATH": str(home)})

    assert "" == done.stderr
    assert "mine" in done.stdout


def slow_plugin(home: Path) -> Gate:
    """A plugin that says what it is once the gate is open."""
    plugin(home, SLOW)
    return Gate(home)


def plugin(home: Path, text: str) -> None:
    """A plugin of that text."""
    program = home / "dotagent-plugin-mine"
    program.write_text(text)
    program.chmod(0o700)
