"""A home with real agents, the real daemon and the real commands, each a process of its own.

The tests of this room arrange files, run ``python -m dotagent``, and look at what anybody could
look at: the database, the files, what the receivers got.
"""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.support import daemon as program
from tests.support.daemon import Daemon

Row = dict[str, Any]


class Home:
    """One home. ``env`` goes beyond what every process of it gets anyway."""

    def __init__(self, path: Path, **env: str) -> None:
        self.path = path
        self.env = env

    # ------------------------------------------------------------------------------- arranging

    def agent(self, name: str, manifest: str, script: str = "exit 0") -> Path:
        """Put an agent there: its manifest, which goes on after ``[agent] name`` and
        ``[run] command``, and its shell script. The manifest's path."""
        return program.write_agent(self.path, name, f"\n{manifest}", script=script) / "agent.toml"

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
        self._private("secrets.env", "".join(f"{name}={text}\n" for name, text in values.items()))

    def _private(self, name: str, text: str) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        draft = self.path / f"{name}.draft"
        draft.write_text(text)
        draft.chmod(0o600)
        draft.replace(self.path / name)

    # ---------------------------------------------------------------------------------- running

    def run(self, *args: str, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; ``before`` is what runs it."""
        return subprocess.run(
            [*before, *program.argv(*args)],
            env=program.environment(self.path, self.env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start a command and do not wait for it."""
        return program.start(self.path, *args, env=self.env)

    @contextmanager
    def daemon(self) -> Iterator[Daemon]:
        """The daemon, once it runs the schedules; stopped at the end as ``systemctl stop`` would,
        and seen to end well: it had nothing to say but which attempts failed."""
        self.path.mkdir(parents=True, exist_ok=True)
        with program.daemon(self.path, env=self.env) as daemon:
            yield daemon
            status = daemon.stop()
            lines = daemon.said().splitlines()
            if status or not all("; see: dotagent why " in line for line in lines):
                raise AssertionError(f"the daemon ended with {status}: {daemon.said()}")

    # ---------------------------------------------------------------------------------- looking

    def rows(self, sql: str, *params: str | int | None) -> list[Row]:
        """What the database says now."""
        path = self.path / "state" / "dotagent.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(sql, params)]

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
