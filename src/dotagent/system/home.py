"""The home folder made ready for writing, and the reserve kept against the day the disk is full.

Invariants: a home that cannot be used is refused before anything is written into it, with what is
wrong and what to do; a refusal leaves nothing behind; folders that people keep (the home itself,
``agents``) keep the modes they were given, those that are ours alone are 0700.
"""

from __future__ import annotations

import errno
import os
import stat

from dotagent.core.errors import HomeError, HomeFull
from dotagent.system import files
from dotagent.system.paths import Paths
from dotagent.system.trust import user_name

RESERVE_BYTES = 1024 * 1024
PROBE_BYTES = 16 * 1024
"""Enough that a disk with room for a name but for no data is noticed."""

FULL = (errno.ENOSPC, errno.EDQUOT)


def prepare(paths: Paths) -> None:
    """Make what is missing of the home and prove that it can be written to.

    Raises HomeError (HomeFull where only space is wanting, so that the reserve may be given up).
    """
    made: list[str] = []
    try:
        made += files.make_folder(paths.home)
        _ours(paths.home)
        for folder in (paths.state, paths.logs):
            made += files.make_folder(folder)
            _ours(folder)
            _close_to_others(folder)
        for folder in _inner(paths):
            made += files.make_folder(folder)
        if not os.path.lexists(paths.database):
            # Later it is not made again: that agents were there and are gone is to be told (R9).
            made += files.make_folder(paths.agents)
        _probe(paths.state)
    except OSError as error:
        files.remove_folders(made)
        raise _refusal(paths.home, error) from error
    except HomeError:
        files.remove_folders(made)
        raise


def keep_reserve(path: str, size: int = RESERVE_BYTES) -> bool:
    """See that ``size`` bytes of disk are set aside in ``path``; whether they are."""
    try:
        if _size(path) != size:
            # Not zeros: a file system that compresses or leaves holes would set nothing aside.
            files.write_atomic(path, os.urandom(size), durable=True)
    except OSError as error:
        if error.errno in FULL:
            return False
        raise HomeError(f"cannot keep the reserve {path}: {error.strerror}") from error
    return True


def give_up_reserve(path: str) -> bool:
    """Free the reserve for what is in flight; whether there was one."""
    return files.remove_if_there(path)


def _inner(paths: Paths) -> tuple[str, ...]:
    return (
        paths.heartbeats,
        paths.manifests,
        paths.requests,
        paths.agent_logs,
        paths.daemon_logs,
        paths.plugin_logs,
    )


def _ours(folder: str) -> None:
    owner = os.stat(folder).st_uid
    if owner != os.geteuid():
        raise HomeError(
            f"{folder} belongs to {user_name(owner)}, not to you ({user_name(os.geteuid())})",
            f"run dotagent as {user_name(owner)}, or set DOTAGENT_HOME to a folder of your own",
        )


def _close_to_others(folder: str) -> None:
    mode = stat.S_IMODE(os.stat(folder).st_mode)
    if mode & 0o077:
        os.chmod(folder, mode & ~0o077)


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return None


def _probe(folder: str) -> None:
    """Write, sync and remove a small file: the only way to know that writing works."""
    probe = os.path.join(folder, f"{files.TEMPORARY}probe-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        files.write_atomic(probe, os.urandom(PROBE_BYTES), durable=True)
    finally:
        files.remove_if_there(probe)


def _refusal(home: str, error: OSError) -> HomeError:
    """What a person needs to know of ``error``, which befell the home ``home``."""
    where = error.filename if isinstance(error.filename, str) else home
    if os.path.basename(where).startswith(files.TEMPORARY):
        where = os.path.dirname(where)  # our own probe is gone: nobody could look at that
    at = "" if where == home else f" ({where})"
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return HomeFull(
                f"no space is left on the disk that holds the home {home}",
                f"free some space (df -h {home}), then try again",
            )
        case errno.EROFS:
            return HomeError(
                f"the home {home} lies on a read-only file system{at}",
                "mount it writable, or set DOTAGENT_HOME to a folder elsewhere",
            )
        case errno.EACCES | errno.EPERM:
            return HomeError(
                f"you may not write in the home {home}{at}: permission denied",
                f"look at ls -ld {where} and the folders above it, or set DOTAGENT_HOME to a "
                "folder of your own",
            )
        case errno.ENOTDIR | errno.EEXIST:
            return HomeError(
                f"the home {home} cannot be a folder: {where} is a file, or a link to nowhere",
                f"move {where} out of the way, or set DOTAGENT_HOME to another folder",
            )
        case _:
            return HomeError(
                f"the home {home} cannot be used{at}: {error.strerror}",
                "set DOTAGENT_HOME to another folder",
            )
