"""What processes there are: the kernel's process table behind one small seam.

``ProcTable`` reads Linux's ``/proc``; ``PsTable`` asks ``ps`` elsewhere and knows less (neither
sessions nor open files). Invariants: a process that runs no more (a zombie) has no row; what cannot
be read (another user's environment, a process gone meanwhile) is answered with no, never guessed.
"""

from __future__ import annotations

import calendar
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

DEAD = (b"Z", b"X", b"x")
"""States of ``/proc/<pid>/stat`` in which a process runs no more (proc(5))."""

PF_EXITING = 0x4
"""The flag of a process that has begun to end (Linux, include/linux/sched.h)."""

MAX_ENVIRON = 8 * 1024 * 1024
"""More than the kernel lets a program be started with (execve(2), three quarters of 8 MiB)."""

EXEC_LOOKS = 50
EXEC_S = 0.0005
"""While a process executes another program its environment reads as empty: we look again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One running process. ``session`` is 0 where unknown; ``started`` with the pid names the
    process as long as the machine runs: clock ticks since boot on Linux, else Unix seconds."""

    pid: int
    parent: int
    group: int
    session: int
    started: int
    exiting: bool = False
    """It is on its way out by itself, where the system says so."""


class Table(Protocol):
    """What the supervisor asks about processes."""

    def row(self, pid: int) -> Row | None:
        """The process ``pid``, unless it runs no more."""

    def started(self, pid: int) -> int:
        """When ``pid`` started, even if it runs no more but is not reaped; 0 where unknown."""

    def rows(self) -> Iterator[Row]:
        """All running processes."""

    def brood(self, leader: int) -> list[Row]:
        """Who runs in the group that ``leader`` leads, but itself: for a word about them. Those
        that are cheap to find, none where that costs more than a look."""

    def bears(self, pid: int, entry: bytes) -> bool:
        """Whether ``entry`` (``NAME=value``, not empty) was in the environment that ``pid`` started
        with. May take milliseconds, or hang with a process that hangs: ask aside."""

    def holds(self, pid: int, pipes: frozenset[int]) -> bool:
        """Whether ``pid`` has one of these pipes (inode numbers) open."""


class ProcTable:
    """Linux."""

    def __init__(self, root: str = "/proc") -> None:
        self._root = root

    def row(self, pid: int) -> Row | None:
        fields = self._stat(pid)
        if fields is None or fields[0] in DEAD:
            return None
        return Row(
            pid=pid,
            parent=int(fields[1]),
            group=int(fields[2]),
            session=int(fields[3]),
            started=int(fields[19]),
            exiting=bool(int(fields[6]) & PF_EXITING),
        )

    def started(self, pid: int) -> int:
        fields = self._stat(pid)
        return int(fields[19]) if fields is not None else 0

    def rows(self) -> Iterator[Row]:
        for name in os.listdir(self._root):
            row = self.row(int(name)) if name.isdecimal() else None
            if row is not None:
                yield row

    def brood(self, leader: int) -> list[Row]:
        # Numbers are given out upwards: whoever came after the leader has a greater one, but for
        # the rare one that was born as they began anew.
        pids = (int(name) for name in os.listdir(self._root) if name.isdecimal())
        rows = (self.row(pid) for pid in pids if pid > leader)
        return [row for row in rows if row is not None and row.group == leader]

    def bears(self, pid: int, entry: bytes) -> bool:
        for look in range(EXEC_LOOKS):
            environ = self._read(f"{pid}/environ", MAX_ENVIRON)
            if environ or not self._executes(pid):
                return _holds_entry(environ, entry)
            time.sleep(EXEC_S * (1 + look % 5))  # out of step with whatever repeats
        return False

    def holds(self, pid: int, pipes: frozenset[int]) -> bool:
        wanted = {f"pipe:[{inode}]" for inode in pipes}
        folder = f"{self._root}/{pid}/fd"
        try:
            return any(os.readlink(f"{folder}/{name}") in wanted for name in os.listdir(folder))
        except OSError:
            return False

    def _executes(self, pid: int) -> bool:
        """Whether it may be amid execve(2): it has memory, as kernel threads and zombies have not,
        but no environment yet. Of what we may not read ``startcode`` is 1 (proc(5))."""
        fields = self._stat(pid)
        if fields is None:
            return False
        memory, code, begin, end = fields[20], fields[23], fields[47], fields[48]
        return memory != b"0" and code != b"1" and (end == b"0" or begin != end)

    def _stat(self, pid: int) -> list[bytes] | None:
        """The fields of ``stat`` from the third, the state, on."""
        data = self._read(f"{pid}/stat", 4096)
        # The second field is the program's name in brackets, and may hold brackets and spaces.
        fields = data[data.rfind(b")") + 1 :].split()
        return fields if len(fields) > 48 else None

    def _read(self, name: str, limit: int) -> bytes:
        try:
            file = os.open(f"{self._root}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            chunks = [os.read(file, limit)]
            while chunks[-1] and sum(map(len, chunks)) < limit:
                chunks.append(os.read(file, limit))
            return b"".join(chunks)
        except OSError:
            return b""
        finally:
            os.close(file)


def _holds_entry(environ: bytes, entry: bytes) -> bool:
    """Whether the entry is there. bash, while it starts, has a NUL for the ``=`` in place."""
    if not entry:
        return False
    whole = b"\0" + environ + b"\0"
    return any(b"\0" + form + b"\0" in whole for form in (entry, entry.replace(b"=", b"\0", 1)))


class PsTable:
    """macOS and the BSDs: POSIX ``ps``, whose ``-E`` shows the environment of our own processes."""

    def row(self, pid: int) -> Row | None:
        return next((row for row in self._ask("-p", str(pid)) if row.pid == pid), None)

    def started(self, pid: int) -> int:
        return _lstart(_ps("-p", str(pid), "-o", "lstart=").decode())

    def rows(self) -> Iterator[Row]:
        return self._ask("-A")

    def brood(self, leader: int) -> list[Row]:
        return []

    def bears(self, pid: int, entry: bytes) -> bool:
        flags = ["-E", "-ww"] if sys.platform == "darwin" else ["eww"]
        return bool(entry) and entry in _ps(*flags, "-p", str(pid), "-o", "command=").split()

    def holds(self, pid: int, pipes: frozenset[int]) -> bool:
        return False

    def _ask(self, *which: str) -> Iterator[Row]:
        for line in _ps(*which, "-o", "pid=,ppid=,pgid=,stat=,lstart=").splitlines():
            pid, parent, group, state, *start = line.split()
            if state[:1] in DEAD:
                continue
            yield Row(
                pid=int(pid),
                parent=int(parent),
                group=int(group),
                session=0,
                started=_lstart(b" ".join(start).decode()),
            )


def _ps(*arguments: str) -> bytes:
    environment = {"PATH": "/bin:/usr/bin", "LC_ALL": "C", "TZ": "UTC"}
    try:
        done = subprocess.run(
            ["ps", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return done.stdout


def _lstart(text: str) -> int:
    """Unix seconds of ``Tue Nov 22 09:26:08 2026``, the C locale's ``lstart``, in UTC."""
    try:
        return calendar.timegm(time.strptime(text.strip(), "%a %b %d %H:%M:%S %Y"))
    except ValueError:
        return 0


def machine_table() -> Table:
    """The table of this machine."""
    return ProcTable() if os.path.exists("/proc/self/stat") else PsTable()


def process_start_ticks(pid: int) -> int:
    """When the process ``pid`` started (see ``Row.started``); 0 where unknown."""
    return machine_table().started(pid)
