"""The crash laboratory: a home with real agents, two real receivers, daemons that die on cue.

``Lab.trial`` kills one daemon at a point, lets another one finish the work, and returns what can be
known from outside: the database, the receivers' own record, the scripts' own record.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.drivers.test_ntfy import NtfyServer
from tests.support.http_server import Answer
from tests.support.patience import until
from tests.support.serving import serving

SCRIPT = """#!/bin/bash
# Two runs at once would both hold the lock; a killed one gives it back.
exec 9>>"$AGENT_HOME/lock"
flock -n 9 || echo overlap >> "$AGENT_HOME/overlaps"
echo "$AGENT_ATTEMPT_ID" >> "$AGENT_HOME/runs"
echo "run $AGENT_ATTEMPT_ID"
test "$(wc -l < "$AGENT_HOME/runs")" -ge "$1"
"""

MANIFEST = """
[agent]
name = "{name}"
timeout = "20s"
[run]
command = "./script"
args = ["{succeeds_at}"]
[defaults]
max_attempts = 2
retry_backoff = ["50ms"]
[[schedules]]
id = "often"
every = "{every}"
run_at_start = true
[[notifiers]]
id = "first"
driver = "ntfy"
base_url = "{url}"
topic = "{name}-first"
[[notifiers]]
id = "second"
driver = "ntfy"
base_url = "{url}"
topic = "{name}-second"
events = ["given_up", "recovered"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is left of a trial."""

    home: Path
    status: int
    """How the first daemon ended; -9 for the kill."""
    passed: tuple[str, ...]
    db: sqlite3.Connection
    server: NtfyServer

    def all(self, sql: str, *params: Any) -> list[sqlite3.Row]:
        return self.db.execute(sql, params).fetchall()


class Nursery:
    """The forking process (see ``nursery``)."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **asked: Any) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(asked) + "\n")
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline())
        return answer

    def close(self) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.close()
        self._process.wait()
        stdout.close()


class Lab:
    """Runs trials, each in a home of its own."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        self._nursery = nursery
        self._folder = folder
        self._count = 0

    @contextmanager
    def trial(self, *points: str, recover: int = 2) -> Iterator[Trial]:
        """Kill a daemon at each point, one after the other, then let one finish; everything is at
        rest. ``recover``: so many of its two agents recover."""
        self._count += 1
        home = self._folder / f"home{self._count}"
        with serving(NtfyServer()) as server:
            server.script(Answer(status=503))
            write_agent(home, "flaky", server.url, succeeds_at=2, every="1h")
            write_agent(home, "late", server.url, succeeds_at=3, every="1s")
            ends = [self._ended(self._start(home, at), f"the kill at {at}") for at in points]
            ends.append(self._finish(home, self._start(home, None), recover))
            db = sqlite3.connect(home / "state/dotagent.db")
            db.row_factory = sqlite3.Row
            try:
                passed = tuple((home / "report").read_text().split("\n"))
                yield Trial(home=home, status=ends[0], passed=passed, db=db, server=server)
            finally:
                db.close()

    def _start(self, home: Path, point: str | None) -> int:
        files = {"report": str(home / "report"), "log": str(home / "log")}
        pid: int = self._nursery.ask(home=str(home), point=point, **files)["pid"]
        return pid

    def _finish(self, home: Path, pid: int, recover: int) -> int:
        """Wait until nothing is under way, then stop the daemon."""
        until(lambda: at_rest(home, recover), what=f"rest in {home}", seconds=40)
        os.kill(pid, signal.SIGTERM)
        return self._ended(pid, "the end of the daemon")

    def _ended(self, pid: int, what: str) -> int:
        status: list[int] = []

        def look() -> bool:
            found = self._nursery.ask(ended=pid)["status"]
            status.extend(() if found is None else (found,))
            return bool(status)

        try:
            until(look, what=what)
        except AssertionError:
            os.kill(pid, signal.SIGKILL)
            raise
        return status[0]


def write_agent(home: Path, name: str, url: str, *, succeeds_at: int, every: str) -> None:
    """An agent that fails until its ``succeeds_at``-th run."""
    folder = home / "agents" / name
    folder.mkdir(parents=True)
    script = folder / "script"
    script.write_text(SCRIPT)
    script.chmod(0o700)
    text = MANIFEST.format(name=name, url=url, succeeds_at=succeeds_at, every=every)
    (folder / "agent.toml").write_text(text)


def at_rest(home: Path, recover: int) -> bool:
    """So many agents have recovered, and nobody waits for anything."""
    try:
        db = sqlite3.connect(f"file:{home}/state/dotagent.db?mode=ro", uri=True)
    except sqlite3.Error:
        return False
    try:
        recovered, live, unsent = db.execute(
            "SELECT (SELECT count(DISTINCT agent) FROM events WHERE kind = 'recovered'),"
            " (SELECT count(*) FROM windows WHERE state IN ('waiting', 'running')),"
            " (SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending'))"
        ).fetchone()
    except sqlite3.Error:
        return False
    finally:
        db.close()
    return bool(recovered >= recover and live == 0 and unsent == 0)
