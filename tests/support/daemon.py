"""The real program on a scratch home: a daemon, commands, and agents for them to run.

Everything is a child process of the test, given an environment of its own, so that nothing of the
caller's home, proxies or terminal gets in. Nothing here sleeps: readiness is the daemon's own word.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

READY = "dotagent: ready"
KEPT = ("PATH", "LANG", "LC_ALL", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
MANIFEST = """\
[agent]
name = "{name}"

[run]
command = "./run.sh"
"""


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the program under test: this home and little else."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "HOME": str(home), "DOTAGENT_HOME": str(home), "TZ": "UTC", **(more or {})}


def argv(*arguments: str) -> list[str]:
    """The command line that runs the program."""
    return [sys.executable, "-m", "dotagent", *arguments]


def start(
    home: Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stderr: int | IO[bytes] = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """Start ``dotagent ARGUMENTS`` on ``home``; stdout and stderr are pipes of text."""
    return subprocess.Popen(
        argv(*arguments),
        env=environment(home, env),
        cwd=cwd or home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def run(
    home: Path, *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``dotagent ARGUMENTS`` on ``home`` to its end."""
    with start(home, *arguments, env=env, cwd=cwd) as process:
        out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A daemon that is ready. ``stop`` ends it and gives its exit status."""

    process: subprocess.Popen[str]
    stderr: IO[bytes]

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it, and wait until it is gone; also where a test has failed and left it frozen."""
        if self.process.poll() is None:
            os.kill(self.pid, number)
            os.kill(self.pid, signal.SIGCONT)
        return self.process.wait()

    def freeze(self, home: Path) -> None:
        """Stop it (SIGSTOP) at a moment when it does not write: whoever is frozen in the middle of
        a transaction lets nobody else write, and shuts out more than a daemon that hangs."""
        with closing(sqlite3.connect(home / "state" / "dotagent.db", isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            os.kill(self.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)
            db.execute("ROLLBACK")

    def said(self) -> str:
        """All that it wrote to stderr so far."""
        size = os.fstat(self.stderr.fileno()).st_size
        return os.pread(self.stderr.fileno(), size, 0).decode()


@contextmanager
def daemon(home: Path, *, env: Mapping[str, str] | None = None) -> Iterator[Daemon]:
    """A daemon on ``home``, from its ready line to the end of the block. A test that fails shows
    what the daemon had to say; one that ended it in another way has called ``stop`` itself."""
    with tempfile.TemporaryFile() as stderr, start(home, "daemon", env=env, stderr=stderr) as child:
        running = Daemon(process=child, stderr=stderr)
        try:
            assert child.stdout is not None
            for line in child.stdout:  # it may wait for a command first, and says so
                if line.startswith(READY):
                    break
            else:
                raise AssertionError("the daemon did not get ready")
            yield running
        except BaseException as error:
            error.add_note(f"the daemon said: {running.said() or 'nothing'}")
            raise
        finally:
            running.stop()


def write_agent(
    home: Path, name: str, toml: str = "", *, script: str = "true", root: str = "agents"
) -> Path:
    """Make the agent ``name`` of a manifest (``[agent]`` and ``[run]`` stand already, ``toml`` goes
    on from there) and a shell script; its folder."""
    folder = home / root / name
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "run.sh"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    (folder / "agent.toml").write_text(MANIFEST.format(name=name) + toml)
    return folder
