"""Scratch homes for the commands: agents that wait for the test, and what the record says later."""

from __future__ import annotations

import os
import pty
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.daemon import argv, daemon, environment

DAILY = """
[[schedules]]
id = "daily"
daily = "08:30"
"""

PLUGIN = """#!/bin/sh
case $1 in
  info) echo '{"name": "mine", "version": "1", "kinds": ["notify"]}' ;;
  *) cat > /dev/null; echo '{"ok": true}' ;;
esac
"""
"""A plugin that takes everything."""


def ntfy(url: str, name: str = "phone", events: str = "") -> str:
    """A notifier that posts to a server of the test."""
    wanted = f"events = [{events}]\n" if events else ""
    return (
        f'\n[[notifiers]]\nid = "{name}"\ndriver = "ntfy"\ntopic = "{name}"\n'
        f'base_url = "{url}"\n{wanted}'
    )


class Gate:
    """A named pipe in an agent's folder: the agent waits at it until the test opens it. The agent
    says ``cat gate``; where it asks twice, it must be opened twice."""

    def __init__(self, folder: Path, name: str = "gate") -> None:
        self.path = folder / name
        os.mkfifo(self.path)

    def open(self) -> None:
        """Let one through; waits until it is there."""
        with self.path.open("w"):
            pass


def rows(home: Path, sql: str, *values: object) -> list[tuple[object, ...]]:
    """What the home's database says."""
    with sqlite3.connect(f"file:{home}/state/dotagent.db?mode=ro", uri=True) as db:
        found = db.execute(sql, values).fetchall()
    db.close()
    return found


def copies(home: Path) -> list[str]:
    """The copies of output that are left in the home."""
    return sorted(os.listdir(home / "state" / "requests"))


@contextmanager
def held_by(who: str, home: Path) -> Iterator[None]:
    """With a daemon on the home, or with nobody: ``daemon`` or ``nobody``."""
    if who == "nobody":
        yield
    else:
        with daemon(home):
            yield


both_ways = pytest.mark.parametrize("holder", ["nobody", "daemon"])
"""A command acts through the daemon, or by itself: the person sees no difference."""


def on_terminal(home: Path, call: Sequence[str], **more: str) -> str:
    """What a terminal of 80 columns is sent, on both of a command's streams."""
    ours, theirs = pty.openpty()
    env = environment(home, {"COLUMNS": "80", "TERM": "xterm", **more})
    with subprocess.Popen(argv(*call), env=env, stdout=theirs, stderr=theirs):
        os.close(theirs)
        seen = b""
        with suppress(OSError):  # the end of a terminal's other side
            while chunk := os.read(ours, 4096):
                seen += chunk
    os.close(ours)
    assert b"Traceback" not in seen
    return seen.decode().replace("\r\n", "\n")
