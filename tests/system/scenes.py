"""What the tests of this room have other processes do (see ``stage``)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from dotagent.core import chain
from dotagent.core.errors import HomeError, UsageError
from dotagent.system import auditfile, bell, discovery, home, identity, lock, secrets
from dotagent.system.paths import Paths
from dotagent.system.paths import home as home_of
from tests.system.stage import AS_NOBODY, NOBODY

# ------------------------------------------------------------------------------------- the home


def refused_home(folder: str) -> dict[str, Any]:
    """Prepare a home that cannot be used; what is said, and what is left beside it."""
    return _prepared(folder)


def refused_home_in_closed_folder(folder: str) -> dict[str, Any]:
    """The same in a folder that may not be written."""
    os.chmod(folder, 0o500)
    try:
        return _prepared(os.path.join(folder, "home"))
    finally:
        os.chmod(folder, 0o700)


def home_from_deleted_folder(folder: str) -> str | None:
    """Where the home is said to be by somebody whose current directory is gone."""
    os.mkdir(folder)
    os.chdir(folder)
    os.rmdir(folder)
    try:
        return home_of({"DOTAGENT_HOME": "x"})
    except HomeError as error:
        return error.message


def roots_from_deleted_folder(folder: str) -> str | None:
    """Where somebody whose current directory is gone is told to look."""
    os.mkdir(folder)
    os.chdir(folder)
    os.rmdir(folder)
    try:
        return " ".join(discovery.roots({"DOTAGENT_ROOT": "mine"}, "/h"))
    except UsageError as error:
        return error.message


def home_of_unknown_user() -> str:
    """The home of somebody with neither HOME nor an entry in the password database."""
    return os.path.relpath(home_of({}))


def full_disk(folder: str) -> dict[str, Any]:
    """A home with a reserve, on a disk that then fills up, until the reserve is given up."""
    paths = Paths(os.path.join(folder, "home"))
    home.prepare(paths)
    kept = home.keep_reserve(paths.reserve)
    _fill(os.path.join(folder, "junk"))
    full = _prepared(paths.home)["error"]
    second = home.keep_reserve(os.path.join(folder, "second"))
    given_up = home.give_up_reserve(paths.reserve)
    return {
        "kept": kept,
        "full": full,
        "second": second,
        "given_up": given_up,
        "after": _prepared(paths.home)["error"],
        "names": sorted(os.listdir(folder)),
    }


def _prepared(folder: str) -> dict[str, Any]:
    error: HomeError | None = None
    try:
        home.prepare(Paths(folder))
    except HomeError as caught:
        error = caught
    return {
        "error": type(error).__name__,
        "message": error.message if error else "",
        "hint": error.hint if error else "",
        "left": os.path.lexists(folder),
    }


def _fill(path: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(fd, bytes(4096)):
            pass
    except OSError:
        os.close(fd)


# ----------------------------------------------------------------------------- lock and bell


def hold(path: str) -> Iterator[None]:
    """Hold the lock as the daemon."""
    held = lock.take(path, "daemon", os.getpid(), 1_700_000_000_000)
    yield
    held.release()


def hold_with_children(path: str) -> Iterator[None]:
    """Hold the lock and leave two children behind: one that was spawned, one only forked."""
    lock.take(path, "daemon", os.getpid(), 1_700_000_000_000)
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)
    # Both live until the test closes our standard input, which they share.
    subprocess.Popen(["cat"], stdout=subprocess.DEVNULL, close_fds=False)
    if os.fork() == 0:
        os.write(theirs, b"!")
        sys.stdin.read()
        os._exit(0)
    os.read(ours, 1)  # the fork is past its hooks
    yield


def hold_with_a_slow_child(path: str) -> Iterator[None]:
    """Hold the lock, and leave a child that has it too until the test closes our standard input:
    as one does between fork and exec, for which no hook of ours runs."""
    held = lock.take(path, "daemon", os.getpid(), time.time_ns() // 1_000_000)
    shared = os.dup(held.fileno())
    subprocess.Popen(["cat"], stdout=subprocess.DEVNULL, pass_fds=[shared])
    yield


def fork_and_release(path: str) -> bool:
    """Hold the lock; whether that is still so after a forked child let go of it and died."""
    held = lock.take(path, "daemon", os.getpid(), 1)
    child = os.fork()
    if child == 0:
        held.release()
        os._exit(0)
    os.waitpid(child, 0)
    return lock.peek(path) is not None


def take_and_release(path: str, times: str) -> int:
    """Take the lock and let it go, again and again, however many look at it."""
    for _ in range(int(times)):
        lock.take(path, "daemon", os.getpid(), 1).release()
    return int(times)


def full_disk_lock(folder: str) -> str:
    """Take the lock on a disk without a free byte."""
    path = os.path.join(folder, "lock")
    with open(path, "wb"):
        pass
    _fill(os.path.join(folder, "junk"))
    held = lock.take(path, "daemon", os.getpid(), 1)
    holder = lock.peek(path)
    assert holder is not None
    held.release()
    return str(holder.role)


def ring_bell(path: str) -> bool:
    """Ring as a command in another terminal would."""
    return bell.ring(path)


def alive_without_proc(folder: str) -> bool:
    """Whether process 1, which belongs to root, runs, where there is no /proc to tell."""
    return identity.alive(1, 5, folder)


# ----------------------------------------------------------------------------- files of the user


def unlistable_root(folder: str) -> dict[str, Any]:
    """Scan a root that may not be listed, and one with an agent whose folder may not be entered."""
    closed, root = os.path.join(folder, "closed"), os.path.join(folder, "root")
    agent = os.path.join(root, "agent")
    os.makedirs(agent, 0o700)
    os.makedirs(closed)
    os.chmod(closed, 0)
    os.chmod(agent, 0)
    scan = discovery.scan([closed, root])
    os.chmod(closed, 0o700)
    os.chmod(agent, 0o700)
    return {
        "vanished": [os.path.basename(path) for path in scan.vanished_roots],
        "problems": [os.path.relpath(problem.file, folder) for problem in scan.problems],
    }


def foreign_manifest(root: str) -> list[str | None]:
    """Scan a root in which somebody else's manifest lies."""
    return [problem.message for problem in discovery.scan([root]).problems]


def foreign_secrets(folder: str) -> str | None:
    """Load secrets that belong to somebody else."""
    return secrets.load(Paths(folder), "", {}).problem


# --------------------------------------------------------------------------------- the audit log


def audit_on_full_disk(folder: str) -> dict[str, Any]:
    """Append to the log until the disk is full, free it, and go on."""
    path, junk = os.path.join(folder, "audit.jsonl"), os.path.join(folder, "junk")
    rows: list[bytes] = []
    prev = chain.GENESIS
    for number in range(40):
        rows.append(chain.line("now", "info", "noise", {"text": "x" * 1000, "n": number}, prev))
        prev = chain.digest(rows[-1])
    file = auditfile.AuditFile(path, auditfile.Standing(written_seq=0))
    with open(junk, "wb") as taken:
        taken.write(bytes(int(os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize) - 16384))
    troubles = [file.append([row]) for row in rows[:10]]
    troubles.append(file.append(rows[10:]))
    os.unlink(junk)
    troubles.append(file.append(rows[10:]))
    verdict = auditfile.verify_file(path, prev)
    return {
        "troubles": [
            trouble and [trouble.why.rsplit(": ")[-1], trouble.broken] for trouble in troubles
        ],
        "count": verdict.count,
        "broken": verdict.reason,
    }


def main() -> None:
    """Play the scene named on the command line."""
    name, *args = sys.argv[1:]
    if name == AS_NOBODY:
        name, *args = args
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    result = globals()[name](*args)
    if isinstance(result, Iterator):
        next(result)
        print("here", flush=True)
        sys.stdin.read()
        next(result, None)
    else:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
