"""The commands that stand in prompts and scripts load nothing slow, whatever there is to say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.home import Home
from tests.support.daemon import daemon, environment
from tests.support.patience import until

SLOW = {"aiohttp", "asyncio", "attr", "cattrs", "click", "dataclasses", "re", "regex", "rich"}
"""What must not be loaded: none of it is needed to print a few lines (issue of the first line)."""

AGENTS = {
    "good": "exit 0",
    "bad": "echo no space; exit 3",
    "slow": "exec sleep 60",
}
AT_ONCE = '[[schedules]]\nid = "s"\nevery = "1h"\nrun_at_start = true\nmax_attempts = 1\n'


def loaded(home: Home, *args: str) -> set[str]:
    """The packages that the interpreter loads for ``args``, beyond those that it always loads."""
    env = environment(home.path)
    env = {name: value for name, value in env.items() if not name.startswith("COVERAGE")}

    def trace(*rest: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", *rest], env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return set(re.findall(r"^import time:[ \d|]+ (\w+)", done.stderr, re.MULTILINE))

    return trace("-m", "dotagent", *args) - trace("-c", "pass")


def test_the_measure_works(tmp_path: Path) -> None:
    """A command that is not hot is seen to load click, and what is loaded is ours."""
    home = Home(tmp_path / "home")

    assert {"click", "dotagent", "re"} <= loaded(home, "--help")


@pytest.mark.parametrize("args", [("--version",), ("status",), ("status", "--json")], ids=" ".join)
def test_nothing_slow_is_loaded(tmp_path: Path, args: tuple[str, ...]) -> None:
    """Neither in a home that was never used, nor in one with a good agent, one that is failing, one
    that runs, a bad manifest and a daemon."""
    home = Home(tmp_path / "home")
    fresh = loaded(home, *args)
    home.config('[daemon]\nstop_grace = "0s"\n')
    for name, script in AGENTS.items():
        home.agent(name, AT_ONCE, script)
    home.manifest("broken", "[agent\n")
    with daemon(home.path):
        until(
            lambda: home.count("success") and home.count("given_up"),
            what="both agents to have run",
        )
        full = loaded(home, *args)

    assert set() == fresh & SLOW
    assert set() == full & SLOW
    assert {"dotagent"} == {name for name in full if name.startswith("dot")}
