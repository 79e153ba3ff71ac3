"""Finding manifests: which folders are looked into, what lies there, which of it may be trusted.

Invariants: a scan never raises and never opens a manifest; every manifest seen is either found or
refused by a problem whose ``file`` is its path; a root that could not be listed is told apart from
an empty one, so that its silence is not taken for the removal of its agents.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dotagent.core.errors import UsageError
from dotagent.core.model import Problem
from dotagent.system.trust import Trust

MANIFEST = "agent.toml"
MAX_BYTES = 1024 * 1024
ABSENT = (errno.ENOENT, errno.ENOTDIR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A manifest as one ``stat`` shows it: unchanged as long as these fields are."""

    path: str
    root: str
    dir: str
    mtime_ns: int
    ctime_ns: int
    size: int
    inode: int
    dev: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A root that was listed. An unmounted folder is still there, empty, with another identity."""

    path: str
    dev: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What one look at all roots showed, in the order that decides between equal names."""

    found: tuple[Candidate, ...]
    listed: tuple[Listed, ...]
    vanished_roots: tuple[str, ...]
    """Roots that do not exist or could not be listed (then a problem says why)."""
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A manifest's bytes, their sha256, and the file as it was when it was opened."""

    candidate: Candidate
    data: bytes
    sha256: str


def roots(env: Mapping[str, str], agents: str, here: str | None = None) -> tuple[str, ...]:
    """The folders to look into: ``DOTAGENT_ROOT``, the home's ``agents``, and ``here``/agents
    (the current directory, for interactive commands only).

    All absolute, none twice. UsageError for a relative one if the current directory is gone.
    """
    named = [element for element in env.get("DOTAGENT_ROOT", "").split(":") if element]
    here_too = [os.path.join(here, "agents")] if here is not None else []
    return tuple(dict.fromkeys(_absolute(root) for root in [*named, agents, *here_too]))


def scan(roots: Sequence[str]) -> Scan:
    """Look into all ``roots``, each in the order of its names."""
    look = _Look()
    for root in roots:
        look.into(root)
    return Scan(
        found=tuple(look.found),
        listed=tuple(look.listed),
        vanished_roots=tuple(look.vanished),
        problems=tuple(look.problems),
    )


def read(candidate: Candidate) -> Reading | Problem:
    """The manifest's bytes, opened once: what is checked, hashed and parsed is one and the same."""
    path = candidate.path
    try:
        # Not to wait for a writer, should somebody have put a named pipe there.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(fd)
            if problem := _refusal(path, status, Trust()):
                return problem
            with open(fd, "rb", closefd=False) as file:
                data = file.read(MAX_BYTES + 1)
        finally:
            os.close(fd)
    except OSError as error:
        return _problem(path, f"{path} cannot be read: {error.strerror}")
    if len(data) > MAX_BYTES:
        return _problem(path, f"{path} is larger than {MAX_BYTES // 1024} KiB")
    opened = _candidate(candidate.root, candidate.dir, status)
    return Reading(candidate=opened, data=data, sha256=hashlib.sha256(data).hexdigest())


class _Look:
    """A scan under way."""

    def __init__(self) -> None:
        self.found: list[Candidate] = []
        self.listed: list[Listed] = []
        self.vanished: list[str] = []
        self.problems: list[Problem] = []
        self._trust = Trust()

    def into(self, root: str) -> None:
        """List one root and take what it holds."""
        try:
            status = os.stat(root)
            with os.scandir(root) as entries:
                children = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.vanished.append(root)
            if error.errno not in ABSENT:
                self.problems.append(
                    _problem(root, f"the folder {root} cannot be listed: {error.strerror}")
                )
            return
        self.listed.append(Listed(path=root, dev=status.st_dev, inode=status.st_ino))
        for child in children:
            self._take(root, status, child)

    def _take(self, root: str, root_status: os.stat_result, child: os.DirEntry[str]) -> None:
        path = os.path.join(child.path, MANIFEST)
        if path != _printable(path):
            self.problems += _unnameable(path)
            return
        try:
            status = os.stat(path)
            dir_status = os.stat(child.path)
        except OSError as error:
            self.problems += _why_absent(path, child, error)
            return
        problems = [
            problem
            for problem in (
                self._trust.problem(root, root_status, path),
                self._trust.problem(child.path, dir_status, path),
                _refusal(path, status, self._trust),
            )
            if problem is not None
        ]
        self.problems += problems
        if not problems:
            self.found.append(_candidate(root, child.path, status))


def _unnameable(path: str) -> Iterator[Problem]:
    """A path that is no text could be neither stored nor shown."""
    if os.path.lexists(path):
        shown = _printable(path)
        yield _problem(shown, f"the name of the folder of {shown} is not UTF-8; rename it")


def _why_absent(path: str, child: os.DirEntry[str], error: OSError) -> Iterator[Problem]:
    """Nothing, for a child that simply is no agent; a problem where an agent may be hidden."""
    if error.errno not in ABSENT:
        yield _problem(path, f"{path} cannot be looked at: {error.strerror}")
    elif child.is_symlink() and not os.path.exists(child.path):
        yield _problem(path, f"{child.path} is a link to a folder that does not exist")
    elif os.path.islink(path):
        yield _problem(path, f"{path} is a link to a file that does not exist")


def _refusal(path: str, status: os.stat_result, trust: Trust) -> Problem | None:
    if not stat.S_ISREG(status.st_mode):
        return _problem(path, f"{path} is not a regular file")
    return trust.problem(path, status, path)


def _candidate(root: str, folder: str, status: os.stat_result) -> Candidate:
    return Candidate(
        path=os.path.join(folder, MANIFEST),
        root=root,
        dir=folder,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        size=status.st_size,
        inode=status.st_ino,
        dev=status.st_dev,
    )


def _printable(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _problem(file: str, message: str) -> Problem:
    return Problem(path="", file=file, message=message)


def _absolute(root: str) -> str:
    root = root.rstrip("/") or "/"
    if os.path.isabs(root):
        return root
    try:
        return os.path.join(os.getcwd(), root)
    except FileNotFoundError:
        raise UsageError(
            f"DOTAGENT_ROOT names {root!r}, which counts from the current directory, but that no "
            "longer exists",
            "name absolute folders in DOTAGENT_ROOT",
        ) from None
