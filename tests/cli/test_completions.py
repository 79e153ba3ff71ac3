"""Real shells complete commands, agents and schedules from a real home."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.scene import DAILY
from tests.support.daemon import environment, run, write_agent
from tests.support.system import require

BASH = """
eval "$(dotagent completions bash)"
complete_at() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
  _dotagent_completion dotagent; echo "${COMPREPLY[*]}"; }
complete_at dotagent why disk
complete_at dotagent run disk
complete_at dotagent run disk-alert --schedule ""
complete_at dotagent deliv
complete_at dotagent audit v
"""
EXPECTED = [
    "disk-alert disk-alert/daily",
    "disk-alert",
    "daily",
    "deliveries",
    "verify",
]


@pytest.fixture
def known(home: Path) -> Path:
    """A home in which an agent has been seen."""
    write_agent(home, "disk-alert", DAILY)
    run(home, "tick")
    return home


def shell_environment(home: Path) -> Mapping[str, str]:
    """A shell that finds the program as installed."""
    program = os.path.dirname(sys.executable)
    return environment(home, {"PATH": f"{program}:{os.environ['PATH']}", "ZDOTDIR": str(home)})


def spoken(home: Path, *argv: str) -> list[str]:
    """What a shell prints."""
    done = subprocess.run(
        argv, env=shell_environment(home), cwd=home, capture_output=True, text=True
    )

    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout.splitlines()


def test_bash(known: Path) -> None:
    """Commands, agents, an agent's schedules, commands of commands."""
    require("bash")

    assert EXPECTED == spoken(known, "bash", "--norc", "-c", BASH)


def test_fish(known: Path) -> None:
    """The same, each with a word about it."""
    require("fish")
    lines = spoken(
        known,
        "fish",
        "--no-config",
        "-c",
        'dotagent completions fish | source; complete -C "dotagent why disk";'
        ' complete -C "dotagent deliv"',
    )

    assert ["disk-alert\tnew", "disk-alert/daily\tnew"] == lines[:2]
    assert lines[2].startswith("deliveries\t")


def test_zsh(known: Path) -> None:
    """A person types the beginning and the tabulator key; the line goes on with the name."""
    require("zsh")
    setup = (
        'autoload -U compinit; compinit -u -D; eval "$(dotagent completions zsh)"; echo "rea""dy"'
    )

    assert b"sk-alert" in typed(known, ["zsh", "-f", "-i"], setup, b"dotagent run di\t")


def test_elvish(known: Path) -> None:
    """The same; its editor alone has completers."""
    require("elvish")
    setup = "eval (dotagent completions elvish | slurp); echo rea''dy"

    assert b"sk-alert" in typed(known, ["elvish", "-norc"], setup, b"dotagent run di\t")


def typed(known: Path, shell: list[str], setup: str, keys: bytes) -> bytes:
    """What a terminal shows after ``keys``, up to the rest of the agent's name."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(shell[0], shell, {**shell_environment(known), "TERM": "dumb"})
    try:
        os.write(terminal, f"{setup}\n".encode())
        heard(terminal, b"ready")
        os.write(terminal, keys)
        return heard(terminal, b"sk-alert")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def test_powershell(home: Path) -> None:
    """No such shell is to be had here: the script asks for what the others ask for."""
    script = run(home, "completions", "powershell").stdout

    assert "Register-ArgumentCompleter -Native -CommandName dotagent" in script
    assert "$env:_DOTAGENT_COMPLETE = 'bash_complete'" in script
    assert "$env:COMP_WORDS = $words -join ' '" in script
    assert "$env:COMP_CWORD = $words.Count - 1" in script
    assert script.count("{") == script.count("}")


def heard(terminal: int, word: bytes) -> bytes:
    """All that a terminal shows until ``word`` comes; what came where it ends before."""
    seen = b""
    with suppress(OSError):  # the end of a terminal's other side
        while word not in seen:
            seen += os.read(terminal, 1_000)
    return seen


def test_a_home_that_cannot_be_read_has_no_names(tmp_path: Path) -> None:
    """No error into somebody's command line."""
    require("bash")
    nowhere = tmp_path / "not-there"
    script = BASH.split("complete_at dotagent run")[0].replace(
        "complete_at dotagent why", f"export DOTAGENT_HOME={nowhere}; complete_at dotagent why"
    )

    assert [""] == spoken(tmp_path, "bash", "--norc", "-c", script)
    assert not nowhere.exists()


def test_other_shells_are_refused(home: Path) -> None:
    """Only shells that work are offered; each other one is a usage error that names these."""
    done = [run(home, "completions", shell) for shell in ("nushell", "cmd")]

    assert [2, 2] == [each.returncode for each in done]
    assert all(
        "bash, zsh, fish, elvish, powershell" in each.stderr.replace("'", "") for each in done
    )
