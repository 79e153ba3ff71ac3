"""Writing files so that a reader sees the old bytes or the new ones, never half of either.

Invariants: what is made here is the user's own, 0600 and folders 0700; temporary names are unique,
start with ``TEMPORARY`` and lie beside their target, so that what a crash leaves can be swept.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import BinaryIO

TEMPORARY = ".tmp-"
FILE_MODE = 0o600
FOLDER_MODE = 0o700
SYNCED_AT_ONCE = 16


def write_atomic(path: str, data: bytes, *, durable: bool, mode: int = FILE_MODE) -> None:
    """Replace ``path`` by ``data`` in one step. ``durable``: it has survived a power cut on return.

    Raises OSError, and then nothing has changed.
    """
    folder = os.path.dirname(path) or "."
    temporary = _temporary(folder)
    try:
        _write_new(temporary, data, durable, mode)
        os.rename(temporary, path)
    except OSError:
        remove_if_there(temporary)
        raise
    if durable:
        sync_folder(folder)


def write_many(files: Mapping[str, bytes]) -> set[str]:
    """Replace these files, by path, each in one step; the paths of those that have survived a power
    cut on return, the others are as they were. Several are synced at a time: the file system then
    puts them on disk together. Raises OSError where nothing can be made sure of."""
    written: dict[str, str] = {}
    for path, data in files.items():
        temporary = _temporary(os.path.dirname(path))
        with _dropping(temporary):
            _write_new(temporary, data, durable=False, mode=FILE_MODE)
            written[path] = temporary
    with ThreadPoolExecutor(SYNCED_AT_ONCE, "dotagent-sync") as pool:
        synced = [*pool.map(_is_synced, written.values())]
    kept = set()
    for (path, temporary), on_disk in zip(written.items(), synced, strict=True):
        with _dropping(temporary):
            if on_disk:
                os.rename(temporary, path)
                kept.add(path)
            else:
                os.unlink(temporary)
    for folder in {os.path.dirname(path) for path in kept}:
        sync_folder(folder)
    return kept


@contextmanager
def _dropping(temporary: str) -> Iterator[None]:
    """What cannot be written, as on a full disk, leaves nothing behind."""
    try:
        yield
    except OSError:
        with suppress(OSError):
            remove_if_there(temporary)


def _temporary(folder: str) -> str:
    return os.path.join(folder, f"{TEMPORARY}{os.getpid()}-{os.urandom(8).hex()}")


def _is_synced(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.fsync(fd)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def sync_folder(folder: str) -> None:
    """Make the names in ``folder`` durable: a rename is one only once its folder is on disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems have no folders to sync
            raise
    finally:
        os.close(fd)


def make_folder(path: str) -> list[str]:
    """Make ``path`` and what is missing above it, 0700; the folders made, outer ones first.

    Raises OSError, and then none of them is left.
    """
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        parent = os.path.dirname(path)
        if parent == path or os.path.lexists(path):
            break
        path = parent
    made: list[str] = []
    try:
        for folder in reversed(missing):
            if _make_one(folder):
                made.append(folder)
    except OSError:
        remove_folders(made)
        raise
    return made


def remove_folders(folders: list[str]) -> None:
    """Undo ``make_folder``; a folder that somebody has put something into stays."""
    for folder in reversed(folders):
        with suppress(OSError):
            os.rmdir(folder)


def read_if_there(path: str, limit: int = -1) -> bytes | None:
    """The bytes of ``path``, the first ``limit`` of them if that is not negative; None if there is
    no such file. Raises OSError for anything else."""
    try:
        with open_regular(path) as file:
            return file.read(limit)
    except FileNotFoundError:
        return None


def open_regular(path: str) -> BinaryIO:
    """``path``, open for reading, which must be a file: somebody may have put a pipe in its place
    that nobody ever writes to. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file", path)
        return open(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def identity(path: str) -> tuple[int, int] | None:
    """What a file is, whatever it is called and holds; None where there is none. Raises OSError
    where that cannot be said."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def remove_if_there(path: str) -> bool:
    """Remove the file ``path``; whether there was one. Raises OSError for anything else."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def sweep(folder: str, before_at: int) -> int:
    """Remove the temporary files in ``folder`` last written before ``before_at``; how many."""
    swept = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(TEMPORARY):
                continue
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and status.st_mtime_ns < before_at * 1_000_000:
                    os.unlink(entry.path)
                    swept += 1
    return swept


def _make_one(folder: str) -> bool:
    """Whether the folder was made here: false if somebody was quicker, which is just as well."""
    try:
        os.mkdir(folder, FOLDER_MODE)
    except FileExistsError:
        if os.path.isdir(folder):
            return False
        raise
    return True


def _write_new(path: str, data: bytes, durable: bool, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(fd, "wb", buffering=0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
        if durable:
            os.fsync(fd)
