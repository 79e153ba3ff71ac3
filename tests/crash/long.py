"""The long laboratory: one home under load, whose daemon is killed again and again.

``run`` gives a home to a crowd of agents (see ``zoo``) and one moody receiver, ends each life of
the daemon as its seed says, edits manifests between the lives, lets a last daemon finish once all
manifests are gone, and returns what can be known from outside.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.crash import zoo
from tests.crash.chance import End, draw
from tests.crash.lab import Nursery, Trial
from tests.drivers.test_ntfy import NtfyServer
from tests.support.http_server import Answer, Fault, Received, Script
from tests.support.patience import until
from tests.support.serving import serving

PATIENCE_S = 50
BUSY = (Answer(status=503), Answer(status=429, headers=(("Retry-After", "1"),)))


@dataclass(slots=True)
class Receiver(NtfyServer):
    """A service with moods, that can end whoever asks it."""

    random: Random = field(default_factory=Random)
    moody: bool = True
    at_request: Callable[[], None] = lambda: None
    """Called for each request, before anything is answered."""

    def mood(self, request: Received) -> Script | None:
        self.at_request()
        drawn = self.random.random()
        if not self.moody or drawn > 0.08:
            return None
        return self.random.choice((*BUSY, Fault.RESET, Fault.TAKEN, Fault.TAKEN))


class Long:
    """One home and its lives."""

    def __init__(self, nursery: Nursery, home: Path, seed: str) -> None:
        self._nursery = nursery
        self._home = home
        self._random = Random(seed)
        self._server = Receiver(random=Random(f"{seed}'s receiver"))
        self._edits = 0
        self.ends: list[str] = []
        """How each life was to end."""

    @contextmanager
    def run(self, kills: int) -> Iterator[Trial]:
        """Kill so many daemons, let one more finish; everything is at rest."""
        with serving(self._server) as server:
            zoo.settle_in(self._home, server.url)
            for _ in range(kills):
                self._live(draw(self._random, edited=self._edit()))
            for name in zoo.BODIES:
                zoo.remove(self._home, name)
            server.moody = False
            status = self._finish()
            db = sqlite3.connect(self._home / "state/dotagent.db")
            db.row_factory = sqlite3.Row
            try:
                yield Trial(
                    home=self._home, status=status, passed=self._passed(), db=db, server=server
                )
            finally:
                db.close()

    def _edit(self) -> bool:
        """Sometimes a manifest changes, goes, or comes back while nobody looks."""
        self._edits += 1
        if self._edits > 1 and self._random.random() < 0.5:
            return False
        name = self._random.choice(list(zoo.BODIES))
        if self._random.random() < 0.2:
            zoo.remove(self._home, name)
            return False
        zoo.put(self._home, name, self._server.url, self._edits)
        return True

    # --------------------------------------------------------------------------------- one life

    def _live(self, end: End) -> None:
        self.ends.append(str(end))
        pid = self._start(end.point)
        if end.kind == "request":
            self._server.at_request = _killer(pid, end)
        record = self._home / "state" / "audit.jsonl"  # it only grows
        grown = _size(record) + end.grown
        if end.kind == "bytes":
            _patiently(lambda: _size(record) >= grown, lambda: _size(record), str(end))
            os.kill(pid, signal.SIGKILL)
        status = self._ended(pid, f"the end of a life by {end}")
        self._server.at_request = lambda: None
        if status != -signal.SIGKILL:
            raise AssertionError(f"a daemon ended with {status} instead of by {end}")

    def _start(self, point: str | None) -> int:
        files = {"report": str(self._home / "report"), "log": str(self._home / "log")}
        pid: int = self._nursery.ask(home=str(self._home), point=point, **files)["pid"]
        return pid

    def _finish(self) -> int:
        pid = self._start(None)
        try:
            self._come_to_rest()
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            self._ended(pid, "the end of a daemon that did not come to rest")
            raise
        os.kill(pid, signal.SIGTERM)
        return self._ended(pid, "the end of the last daemon")

    def _come_to_rest(self) -> None:
        """However long the pace of a channel makes it: a home that has much to say says it in
        minutes, but it is never long without a change."""
        _patiently(
            lambda: _left(self._home) == 0,
            lambda: _left(self._home),
            "rest after the last kill",
        )

    def _ended(self, pid: int, what: str) -> int:
        found: list[int] = []

        def look() -> bool:
            if not found:
                status = self._nursery.ask(ended=pid)["status"]
                found.extend(() if status is None else (status,))
            return bool(found)

        try:
            _patiently(look, lambda: _size(self._home / "report"), what)
        except AssertionError:
            os.kill(pid, signal.SIGKILL)
            until(look, what="the end of a killed daemon")
            raise
        return found[0]

    def _passed(self) -> tuple[str, ...]:
        return tuple((self._home / "report").read_text().split("\n"))


def _patiently(look: Callable[[], bool], moved: Callable[[], object], what: str) -> None:
    """Wait until it is so, for as long as something moves: a busy machine takes its time."""
    while not look():
        known = moved()
        until(lambda known=known: look() or moved() != known, what=what, seconds=PATIENCE_S)  # type: ignore[misc]


def _killer(pid: int, end: End) -> Callable[[], None]:
    """Kills the daemon at its n-th request: before its answer, or when that is on the wire."""
    count = itertools.count(1)

    def kill() -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def asked() -> None:
        if next(count) != end.request:
            return
        if end.answered:
            asyncio.get_running_loop().call_soon(kill)  # when this task waits for the next one
        else:
            kill()

    return asked


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _left(home: Path) -> int | None:
    """How much runs, waits, or is on its way; None where nobody can tell now."""
    try:
        db = sqlite3.connect(f"file:{home}/state/dotagent.db?mode=ro", uri=True)
    except sqlite3.Error:
        return None
    try:
        (left,) = db.execute(
            "SELECT (SELECT count(*) FROM windows WHERE closed_at IS NULL)"
            " + (SELECT count(*) FROM attempts WHERE ended_at IS NULL)"
            " + (SELECT count(*) FROM agents WHERE gone_at IS NULL)"
            " + (SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending'))"
        ).fetchone()
    except sqlite3.Error:
        return None
    finally:
        db.close()
    return int(left)
