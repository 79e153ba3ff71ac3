"""Last good copies: the manifests and the configuration that stay in force while the current ones
are wrong, also over a restart.

Invariants: a copy is the exact bytes that were once parsed and accepted, or it is not there; the
one before it stays until there is a third, for whoever was told of it and has not read it yet.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Set
from contextlib import suppress

from dotagent.core.errors import HomeError
from dotagent.system import files

BEFORE = ".before"
ENDING = ".toml"


def write(path: str, data: bytes) -> None:
    """Keep ``data`` as the good copy ``path``, durably. OSError if it cannot be kept; the earlier
    copy then still stands."""
    if files.read_if_there(path) == data:
        return
    _keep_before(path)
    files.write_atomic(path, data, durable=True)


def write_many(copies: Mapping[str, bytes]) -> set[str]:
    """Keep each of ``copies``, by its path, as ``write`` does; the paths of those that are kept."""
    kept = set()
    changed = {}
    for path, data in copies.items():
        with suppress(OSError):
            if files.read_if_there(path) == data:
                kept.add(path)
            else:
                _keep_before(path)
                changed[path] = data
    with suppress(OSError):
        kept |= files.write_many(changed)
    return kept


def _keep_before(path: str) -> None:
    with suppress(OSError):  # a file system without hard links keeps one copy only
        files.remove_if_there(path + BEFORE)
        os.link(path, path + BEFORE)


def read(path: str) -> bytes | None:
    """The good copy; None if there is none. HomeError if there is one that cannot be read."""
    try:
        return files.read_if_there(path)
    except OSError as error:
        raise HomeError(
            f"the last good copy {path} cannot be read: {error.strerror}",
            "remove it, and mend the file that it is a copy of",
        ) from error


def both(path: str) -> tuple[bytes, ...]:
    """The good copy and the one before it, as far as they are there. HomeError as ``read``."""
    found = (read(path), read(path + BEFORE))
    return tuple(data for data in found if data is not None)


def forget(path: str) -> bool:
    """Remove the good copies of what is wanted no more; whether there was one."""
    files.remove_if_there(path + BEFORE)
    return files.remove_if_there(path)


def sweep(folder: str, agents: Set[str], before_at: int) -> None:
    """Forget the copies of agents that nobody knows any more, as far as they are older than
    ``before_at``: a younger one may be about to be adopted. Raises ``OSError``."""
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    for entry in found:
        name = entry.name.removesuffix(BEFORE)
        if not name.endswith(ENDING) or name.removesuffix(ENDING) in agents:
            continue
        with suppress(FileNotFoundError):
            if entry.stat().st_mtime_ns < before_at * 1_000_000:
                os.unlink(entry.path)
