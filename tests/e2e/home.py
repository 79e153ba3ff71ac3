"""A home with real agents, the real daemon and the real commands, each a process of its own.

The tests of this room arrange files, run ``python -m dotagent``, and look at what anybody could
look at: the database, the files, what the receivers got.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.support.patience import until

DOTAGENT = (sys.executable, "-m", "dotagent")
FOREIGN = ("DOTAGENT_", "AGENT_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "TMPDIR")
"""Variables of whoever runs the tests that would change what they show."""
TIMEOUT_S = 45

Row = dict[str, Any]


def environment(home: Path, **more: str) -> dict[str, str]:
    """A person's environment, with this home."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.upper().startswith(FOREIGN)
    }
    return {**inherited, "HOME": str(home.parent), "DOTAGENT_HOME": str(home), **more}


class Home:
    """One home. ``env`` is what every process of it gets."""

    def __init__(self, path: Path, **env: str) -> None:
        self.path = path
        self.env = environment(path, **env)

    # ------------------------------------------------------------------------------- arranging

    def agent(self, name: str, manifest: str, script: str = "exit 0", folder: str = "") -> Path:
        """Put an agent there: its manifest, which goes on after ``[agent] name`` and
        ``[run] command``, and its shell script. The manifest's path."""
        place = self.path / "agents" / (folder or name)
        place.mkdir(parents=True, exist_ok=True)
        run = place / "run.sh"
        run.write_text(f"#!/bin/sh\n{script}\n")
        run.chmod(0o755)
        head = f'[agent]\nname = "{name}"\n\n[run]\ncommand = "./run.sh"\n\n'
        return self.manifest(folder or name, head + manifest)

    def manifest(self, folder: str, text: str) -> Path:
        """Write a manifest as an editor does: the new text beside it, then in its place."""
        path = self.path / "agents" / folder / "agent.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(path)
        return path

    def config(self, text: str) -> None:
        self._private("config.toml", text)

    def secrets(self, **values: str) -> None:
        self._private("secrets.env", "".join(f"{k}={v}\n" for k, v in values.items()))

    def _private(self, name: str, text: str) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text)
        (self.path / name).chmod(0o600)

    # ---------------------------------------------------------------------------------- running

    def command(self, *args: str) -> subprocess.Popen[str]:
        """Start a command and do not wait for it."""
        return subprocess.Popen(
            [*DOTAGENT, *args],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *args: str, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; ``before`` is what runs it."""
        return subprocess.run(
            [*before, *DOTAGENT, *args],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )

    @contextmanager
    def daemon(self) -> Iterator[Daemon]:
        """The daemon, once it holds this home; stopped at the end as ``systemctl stop`` would."""
        with self.daemon_beside() as daemon:
            until(daemon.is_up, what="the daemon to hold the home")
            yield daemon
            daemon.stop()

    @contextmanager
    def daemon_beside(self) -> Iterator[Daemon]:
        """The daemon, just started, beside whatever else is there."""
        with open(self.path.parent / "daemon.log", "a", encoding="utf-8") as log:
            process = subprocess.Popen(
                [*DOTAGENT, "daemon"],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            daemon = Daemon(self, process)
            yield daemon
            daemon.stop()
        finally:
            process.kill()
            process.wait()

    # ---------------------------------------------------------------------------------- looking

    def rows(self, sql: str, *params: str | int | None) -> list[Row]:
        """What the database says now; nothing before it is there."""
        path = self.path / "state" / "dotagent.db"
        if not path.exists():
            return []
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
            db.row_factory = sqlite3.Row
            try:
                return [dict(row) for row in db.execute(sql, params)]
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def values(self, sql: str, *params: str | int | None) -> list[Any]:
        """The first column of those rows."""
        return [next(iter(row.values())) for row in self.rows(sql, *params)]

    def kinds(self, agent: str) -> list[str]:
        """The events of an agent, in order."""
        return self.values("SELECT kind FROM events WHERE agent = ? ORDER BY seq", agent)

    def count(self, kind: str) -> int:
        """How many events of a kind there are."""
        return len(self.values("SELECT seq FROM events WHERE kind = ?", kind))

    def settled(self) -> bool:
        """Whether nothing is on its way: no attempt, no message."""
        open_ = "SELECT id FROM attempts WHERE ended_at IS NULL"
        unsent = "SELECT id FROM deliveries WHERE state IN ('pending', 'sending')"
        return not self.values(open_) and not self.values(unsent)


class Daemon:
    """A daemon that runs."""

    def __init__(self, home: Home, process: subprocess.Popen[bytes]) -> None:
        self.home = home
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_up(self) -> bool:
        """Whether it has taken the home. Fails where it ended instead."""
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}: {self.said()}")
        return bool(self.home.rows("SELECT * FROM holders WHERE pid = ?", self.pid))

    def said(self) -> str:
        """What the daemons of this home have printed."""
        return (self.home.path.parent / "daemon.log").read_text()

    def hang_up(self) -> None:
        """Send SIGHUP."""
        self.process.send_signal(signal.SIGHUP)

    def stop(self, timeout: float = TIMEOUT_S) -> None:
        """Send SIGTERM and see it end well; nothing happens the second time."""
        if self.process.returncode is None:
            self.process.terminate()
            self.process.wait(timeout)
            said = self.said()
            if self.process.returncode != 0 or "Traceback" in said:
                raise AssertionError(f"the daemon ended with {self.process.returncode}: {said}")

    def kill(self) -> None:
        """Send SIGKILL."""
        self.process.kill()
        self.process.wait()
