"""Old logs: compressed after a day, gone after as many days as are kept.

Blocking work for a thread, one file at a time. Invariants: a piece is removed only when its packed
copy is on disk; a packed piece keeps the time of its last line, so that packing does not make it
young; nothing that is not named as a log is touched, nor a link followed.
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress

from dotagent.core.pieces import PACKED, Piece, expired, in_order, to_pack
from dotagent.supervisor.logbook import pieces_in

PACKING = ".packing"
CHUNK = 256 * 1024


def keep(folder: str, log: str, now: int, *, keep_ms: int, pack_ms: int) -> bool:
    """Pack and remove the older pieces of one log; whether the log itself has expired too. Never
    raises: what cannot be done today is tried tomorrow."""
    with suppress(OSError):
        _sweep(folder, log)
        pieces = pieces_in(folder, log)
        gone = expired(pieces, now, keep_ms)
        for piece in gone:
            _remove(folder, piece)
        left = [piece for piece in pieces if piece not in gone]
        for piece in to_pack(in_order(left), now, pack_ms):
            _pack(folder, piece)
        return os.lstat(os.path.join(folder, log)).st_mtime_ns // 1_000_000 < now - keep_ms
    return False


def keep_all(logs: str, names: Sequence[str], *, now: int, keep_ms: int, pack_ms: int) -> list[str]:
    """The same for the agents of these ``names``; logs that have expired themselves, for the caller
    to remove if nobody writes to them."""
    expired = []
    for name in names:
        folder = os.path.join(logs, name)
        if keep(folder, f"{name}.log", now, keep_ms=keep_ms, pack_ms=pack_ms):
            expired.append(os.path.join(folder, f"{name}.log"))
    return expired


def remove(log: str) -> None:
    """Remove a log and, if that leaves it empty, its folder."""
    with suppress(OSError):
        os.unlink(log)
        os.rmdir(os.path.dirname(log))


def folders(logs: str) -> list[str]:
    """The agents that have left a log, in order; none where the folder cannot be read."""
    try:
        with os.scandir(logs) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _pack(folder: str, piece: Piece) -> None:
    path = os.path.join(folder, piece.name)
    with suppress(OSError):
        begun = f"{path}{PACKING}"
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as plain:
            status = os.fstat(fd)
            new = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(new, "wb") as packed:
                with gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as archive:
                    shutil.copyfileobj(plain, archive, CHUNK)
                packed.flush()
                os.utime(new, ns=(status.st_mtime_ns, status.st_mtime_ns))
                os.fsync(new)
        os.rename(begun, f"{path}{PACKED}")
        os.unlink(path)


def _remove(folder: str, piece: Piece) -> None:
    with suppress(OSError):
        os.unlink(os.path.join(folder, piece.name))


def _sweep(folder: str, log: str) -> None:
    """What a packing that was cut short has left."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(log) and entry.name.endswith(PACKING):
                os.unlink(entry.path)
