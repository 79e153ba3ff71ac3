"""Secrets reach those who may have them, whoever holds the home: not only a daemon."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.home import Home
from tests.plugins.scripts import bash

PLAIN, VAULTED = "plain-value-4711", "vaulted-value-0815"
ENV = '[env]\nfrom_secrets = ["PLAIN", "VAULTED"]\n'
ONCE = '[[schedules]]\nid = "s"\nevery = "1h"\nrun_at_start = true\n'
CHANNEL = """
[[notifiers]]
driver = "plugin"
name = "teller"
events = ["success"]
[notifiers.config]
both = "${PLAIN} ${VAULTED}"
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An agent and a channel that need a value of the file and one of 1Password; ``op`` is played
    by a program that knows one reference."""
    tools = tmp_path / "bin"
    tools.mkdir()
    op = tools / "op"
    op.write_text(f'#!/bin/sh\n[ "$3" = op://vault/item/field ] && printf %s {VAULTED}\n')
    op.chmod(0o700)
    home = Home(tmp_path / "home", PATH=f"{tools}:{os.environ['PATH']}")
    heard = f"case $1 in invoke) grep -c '{PLAIN} {VAULTED}' >> {tmp_path}/heard;; esac"
    bash(home.path / "plugins", f'{heard}\necho \'{{"ok":true,"name":"teller"}}\'', "teller")
    has_both = f'test "$PLAIN $VAULTED" = "{PLAIN} {VAULTED}"'
    home.agent("needs", ONCE + ENV + CHANNEL, has_both)
    home.agent("has-none", ONCE, 'test -z "$PLAIN$VAULTED"')
    home.secrets(PLAIN=PLAIN, VAULTED="op://vault/item/field")
    return home


@pytest.mark.parametrize(
    "words", [("tick",), ("run-now", "needs"), ("notify", "test", "needs")], ids=" ".join
)
def test_commands_have_them_too(home: Home, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Of the file and of 1Password alike, for an agent and for a channel; what names none of them
    gets none."""
    said = home.run(*words)

    assert (0, "") == (said.returncode, said.stderr)
    assert "1\n" == (tmp_path / "heard").read_text()
    assert {"succeeded"} >= set(home.values("SELECT verdict FROM attempts"))


def test_an_agent_does_not_start_without_its_secret(home: Home) -> None:
    """It says which one is missing, and why."""
    home.secrets(PLAIN=PLAIN, VAULTED="op://vault/item/other")
    said = home.run("run-now", "needs")

    assert 126 == said.returncode
    assert (
        "[env] from_secrets names VAULTED, and there is no such secret: op, the program"
        in (home.values("SELECT words FROM attempts")[0])
    )
