"""Notices of the kernel: a manifest, config.toml or the secrets file may have changed.

Linux ``inotify`` on the folders themselves, through ctypes (inotify(7)). Invariants: nothing polls;
a notice says only “look again”, never what; a folder that cannot be watched is a fact for the
caller, who then looks from time to time.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable

IN_CLOSE_WRITE = 0x0008
IN_ATTRIB = 0x0004
IN_MOVED_FROM = 0x0040
IN_MOVED_TO = 0x0080
IN_CREATE = 0x0100
IN_DELETE = 0x0200
IN_DELETE_SELF = 0x0400
IN_MOVE_SELF = 0x0800
IN_UNMOUNT = 0x2000
IN_Q_OVERFLOW = 0x4000
IN_ONLYDIR = 0x01000000
IN_ISDIR = 0x40000000

# IN_CREATE of a file says nothing: it is empty then; its writer's close is the notice. A link is
# whole as soon as it is there.
MASK = (
    IN_CLOSE_WRITE
    | IN_ATTRIB
    | IN_MOVED_FROM
    | IN_MOVED_TO
    | IN_CREATE
    | IN_DELETE
    | IN_DELETE_SELF
    | IN_MOVE_SELF
    | IN_ONLYDIR
)
_HEAD = struct.Struct("iIII")
_READ = 64 * 1024


class Watch:
    """Watches folders for children of certain names, and for folders that come and go.

    ``OSError`` where the system has no inotify; the caller then looks from time to time.
    """

    def __init__(self) -> None:
        self._names: frozenset[bytes] = frozenset()
        self._libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._libc, "inotify_init1"):
            raise OSError(errno.ENOSYS, "this system has no inotify")
        self._fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._watched: dict[str, int] = {}
        self._folders: dict[int, str] = {}
        self._lists: frozenset[str] = frozenset()

    def fileno(self) -> int:
        """Readable when there is a notice."""
        return self._fd

    def follow(
        self, folders: Iterable[str], names: Iterable[str], lists: Iterable[str] = ()
    ) -> tuple[str, ...]:
        """Watch exactly these folders from now on, for children of these names, and ``lists`` among
        them for links of any name; those folders that could not be watched. One that is not there
        is no failure: its parent tells when it comes."""
        self._lists = frozenset(lists)
        self._names = frozenset(os.fsencode(name) for name in names)
        wanted = set(folders)
        for folder in set(self._watched) - wanted:
            mark = self._watched.pop(folder)
            self._folders.pop(mark, None)
            self._libc.inotify_rm_watch(self._fd, mark)
        refused = []
        for folder in sorted(wanted):
            # Asking again is cheap, and right where the folder was replaced by another.
            mark = self._libc.inotify_add_watch(self._fd, os.fsencode(folder), MASK)
            if mark >= 0:
                self._watched[folder] = mark
                self._folders[mark] = folder
            elif ctypes.get_errno() not in (errno.ENOENT, errno.ENOTDIR):
                refused.append(folder)
        return tuple(refused)

    def drain(self) -> bool:
        """Read all notices; whether any of them is worth a look."""
        worth = False
        while True:
            try:
                data = os.read(self._fd, _READ)
            except BlockingIOError:
                return worth
            worth = worth or any(self._worth(*notice) for notice in _notices(data))

    def _worth(self, mark: int, mask: int, name: bytes) -> bool:
        if mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_Q_OVERFLOW | IN_ISDIR):
            return True
        folder = self._folders.get(mark, "")
        if name not in self._names and folder not in self._lists:
            return False
        if mask & (IN_DELETE | IN_MOVED_FROM):
            return True
        if name in self._names and not mask & IN_CREATE:
            return True
        return os.path.islink(os.path.join(os.fsencode(folder), name))

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _notices(data: bytes) -> Iterable[tuple[int, int, bytes]]:
    at = 0
    while at < len(data):
        mark, mask, _, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        yield mark, mask, data[at : at + length].rstrip(b"\0")
        at += length
