"""The state files of a dotagent 0.1.x home, read once and left where they are (contract §4).

Invariants: nothing here stops a start; a file that is no such file is set aside under another name
and named to the caller; all else stays as it is, for the tools that read it.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Set
from typing import TypeVar

from dotagent.core import legacy, ratefile
from dotagent.core.errors import OldDaemon, UsageError
from dotagent.core.heartbeat import Malformed
from dotagent.core.legacy import Beat, Known, Window
from dotagent.core.unit import LABEL
from dotagent.system import files
from dotagent.system.heartbeat import ASIDE
from dotagent.system.paths import Paths

T = TypeVar("T")

MAX_BYTES = 16 * 1024 * 1024
"""known_manifests.json never forgot; each other file is small."""
_STAMPED = re.compile(r"(.+)-\d{4}-\d{2}-\d{2}-\d{4}\.json")
PROC = "/proc"
MAX_ARGV = 4_096
PS_S = 5
NEWEST = 3
"""Window files of one name that are read: its last, and what a change of the clock put behind."""


class Files:
    """One look. ``bad``: what could not be read, and why, for people."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self.bad: list[str] = []

    def are_there(self) -> bool:
        """Whether 0.1.x ever scheduled anything here: what it kept of that, we never write."""
        kept = (self._paths.legacy_known, self._paths.legacy_windows, self._paths.legacy_audit)
        return any(os.path.lexists(path) for path in kept)

    def known(self) -> dict[str, Known]:
        """The agents that it knew, by name."""
        return self._read(self._paths.legacy_known, legacy.known) or {}

    def beat(self, agent: str, slug: str) -> Beat | None:
        """The heartbeat of a schedule."""
        try:
            path = self._paths.heartbeat(agent, slug)
        except UsageError:
            return None
        return self._read(path, legacy.beat)

    def windows(self, agents: Set[str]) -> dict[tuple[str, str], Window]:
        """The last window of each schedule of these agents. The name of a file is ambiguous (that
        of ``a-b`` and ``c`` is that of ``a`` and ``b-c``): what it holds decides."""
        last: dict[tuple[str, str], Window] = {}
        for path in self._window_files(agents):
            window = self._read(path, legacy.window)
            if window is None or window.agent not in agents:
                continue
            key = (window.agent, window.schedule)
            if key not in last or last[key].expected_at < window.expected_at:
                last[key] = window
        return last

    def sent(self, recipient: str) -> int | None:
        """When an iMessage was last sent to this recipient."""
        return self._read(self._paths.rate_file(ratefile.name(recipient)), legacy.last_send)

    def _window_files(self, agents: Set[str]) -> Iterator[str]:
        folder = self._paths.legacy_windows
        try:
            names = os.listdir(folder)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                self.bad.append(f"{folder} cannot be listed: {error.strerror}")
            return
        for stem, stamped in _by_stem(names).items():
            if any(stem.startswith(f"{agent}-") for agent in agents):
                yield from (f"{folder}/{name}" for name in sorted(stamped)[-NEWEST:])

    def _read(self, path: str, parse: Callable[[bytes], T]) -> T | None:
        try:
            # Not to wait for a writer, should somebody have put a named pipe there.
            data = files.read_if_there(path, MAX_BYTES + 1)
        except OSError as error:
            self.bad.append(f"{path} cannot be read: {error.strerror}")
            return None
        if data is None:
            return None
        try:
            if len(data) > MAX_BYTES:
                raise Malformed("too long")
            return parse(data)
        except Malformed as malformed:
            self.bad.append(f"{path} is malformed ({malformed}){_set_aside(path)}")
            return None


def lying(found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Of these (agent, manifest), those whose file is there."""
    return [(name, path) for name, path in found if os.path.isfile(path)]


def running(paths: Paths, proc: str = PROC) -> int | None:
    """The process of a daemon of 0.1.x that runs this home now: it does not know our lock. Its
    number alone proves nothing: a crash leaves it behind, and numbers are given again."""
    try:
        text = files.read_if_there(paths.legacy_pid, 32) or b""
    except OSError:
        return None
    pid = int(text) if text.strip().isdigit() else 0
    return pid if pid > 1 and legacy.is_daemon(_argv(pid, proc)) else None


def refuse_running(paths: Paths) -> None:
    """Two daemons would run everything twice. Raises ``OldDaemon``."""
    pid = running(paths)
    if pid is not None:
        raise OldDaemon(
            f"dotagent 0.1.x still runs this home, as process {pid} ({paths.legacy_pid})",
            f"stop it first: {stop_hint(pid)}",
        )


def stop_hint(pid: int) -> str:
    """How a person stops it: a service manager would start it again."""
    if sys.platform == "darwin":
        return f"launchctl bootout gui/{os.getuid()}/{LABEL}; kill {pid}"
    return f"systemctl --user disable --now {LABEL}; kill {pid}"


def _argv(pid: int, proc: str) -> list[str]:
    try:
        with open(f"{proc}/{pid}/cmdline", "rb") as file:
            return [os.fsdecode(part) for part in file.read(MAX_ARGV).split(b"\0")]
    except OSError:
        if os.path.isdir(f"{proc}/self"):
            return []
    asked = ["ps", "-o", "command=", "-p", str(pid)]
    try:
        answer = subprocess.run(asked, capture_output=True, timeout=PS_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return os.fsdecode(answer.stdout).split()


def _by_stem(names: Iterable[str]) -> dict[str, list[str]]:
    stems: dict[str, list[str]] = {}
    for name in names:
        stamped = _STAMPED.fullmatch(name)
        if stamped is not None:
            stems.setdefault(stamped[1], []).append(name)
    return stems


def _set_aside(path: str) -> str:
    try:
        os.replace(path, path + ASIDE)
    except OSError as error:
        return f" and cannot be set aside: {error.strerror}"
    return f"; now {path}{ASIDE}"
