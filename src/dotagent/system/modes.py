"""Whether what is ours alone is closed to others: the folders 0700, the files 0600, all our own.

Looks, and changes nothing. Invariant: what lies in a closed folder is out of reach whatever its own
mode says, and is only worth a warning.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator

from dotagent.core.model import Problem
from dotagent.system.paths import Paths
from dotagent.system.trust import Trust, user_name

ENOUGH = 20
"""Findings after which the rest is only counted."""


def findings(paths: Paths) -> list[Problem]:
    """What is open to others, or not ours, in the home; every agents' folder is discovery's."""
    found = [*_home(paths.home)]
    for folder in (paths.state, paths.logs):
        if os.path.isdir(folder):
            found += _unwritable(folder)
            found += _tree(folder, reachable=True)
    for path in (paths.config, paths.legacy_audit):
        found += _written_by_others(path)
    if len(found) <= ENOUGH:
        return found
    message = f"and {len(found) - ENOUGH} more files and folders like these"
    return [*found[:ENOUGH], Problem(path="", file=paths.home, message=message, fatal=False)]


def _home(home: str) -> Iterator[Problem]:
    """Whoever may write the home may put a file of theirs in the place of any of ours."""
    status = os.stat(home)
    if status.st_uid != os.geteuid():
        yield _foreign(home, status)
    elif not os.access(home, os.W_OK | os.X_OK):
        yield _closed(home, "you may not write in your home")
    yield from _written_by_others(home)


def _unwritable(folder: str) -> Iterator[Problem]:
    """Without it nothing can run at all."""
    if not os.access(folder, os.W_OK | os.X_OK):
        yield _closed(folder, "you may not write here")


def _closed(folder: str, message: str) -> Problem:
    """No mode opens a folder on a disk that takes no writing."""
    hint = f"chmod u+rwx {shlex.quote(folder)}"
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        message = "it lies on a read-only file system"
        hint = "mount it writable, or set DOTAGENT_HOME to a folder elsewhere"
    return Problem(path="", file=folder, message=message, hint=hint)


def _written_by_others(path: str) -> Iterator[Problem]:
    try:
        problem = Trust().problem(path, os.stat(path), path)
    except FileNotFoundError:
        return
    if problem is not None:
        message = problem.message.removeprefix(f"{path} ")
        yield Problem(path="", file=path, message=message, hint=problem.hint)


def _tree(folder: str, *, reachable: bool) -> Iterator[Problem]:
    try:
        status = os.stat(folder, follow_symlinks=False)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return  # a daemon is at work
    except OSError as error:
        message = f"cannot be looked into: {error.strerror}"
        yield Problem(path="", file=folder, message=message)
        return
    yield from _mode(folder, status, reachable)
    within = reachable and bool(status.st_mode & 0o077)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _tree(entry.path, reachable=within)
            continue
        try:
            yield from _mode(entry.path, entry.stat(follow_symlinks=False), within)
        except FileNotFoundError:
            continue


def _mode(path: str, status: os.stat_result, reachable: bool) -> Iterator[Problem]:
    if status.st_uid != os.geteuid():
        yield _foreign(path, status)
        return
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 and not stat.S_ISLNK(status.st_mode):
        right = "700" if stat.S_ISDIR(status.st_mode) else "600"
        message = f"has mode {mode:o}: it is not closed to others"
        hint = f"chmod {right} {shlex.quote(path)}"
        yield Problem(path="", file=path, message=message, hint=hint, fatal=reachable)


def _foreign(path: str, status: os.stat_result) -> Problem:
    us = user_name(os.geteuid())
    return Problem(
        path="",
        file=path,
        message=f"belongs to {user_name(status.st_uid)}, not to you ({us})",
        hint=f"sudo chown -R {us} {shlex.quote(path)}",
    )
