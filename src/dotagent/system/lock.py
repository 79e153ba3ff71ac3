"""The home's lock: its holder is the one actor of the home (rules R1).

An exclusive ``flock`` on a file that is never unlinked: the kernel frees it with its holder's last
breath, so there is nothing to expire and nothing to clean up. The text inside is for people and
for the refusal of a second holder; it means nothing while the lock is free.
Invariant: no child of the holder holds the lock for longer than it takes to become its program.
Imported by the hot commands.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from dotagent.core.errors import HeldError, HomeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

TRIES = 25
PAUSE_S = 0.004
"""How often, and after what pause, a look is repeated that met somebody for an instant: a second
``peek``, or a holder that has the lock and is about to write its name."""

ORPHAN_MS = 5_000
"""How long a lock is waited for whose holder is dead: a child that it was just starting shares the
lock until ``exec`` closes its copy, which a busy machine may put off."""

_held: dict[int, Held] = {}


class Holder:
    """Who holds the lock. Fields are None where the holder has not said."""

    __slots__ = ("pid", "role", "started_at")

    def __init__(self, pid: int | None, role: str | None, started_at: int | None) -> None:
        self.pid = pid
        self.role = role
        self.started_at = started_at


class Held:
    """The lock, held by this process until ``release`` or its death."""

    __slots__ = ("_fd", "path")

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self._fd = fd
        _held[fd] = self

    def fileno(self) -> int:
        """The descriptor that carries the lock."""
        return self._fd

    def intact(self) -> bool:
        """Whether the file at ``path`` is still the one held: false if somebody removed it."""
        return _held.get(self._fd) is self and _same_file(self._fd, self.path)

    def release(self) -> None:
        """Let go. Does nothing the second time, and nothing in a forked child."""
        if _held.get(self._fd) is not self:
            return
        del _held[self._fd]
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        os.close(self._fd)


def take(
    path: str,
    role: str,
    pid: int,
    started_at: int,
    *,
    gone: Callable[[int, int], bool] = lambda pid, at: False,
    orphan_ms: int = ORPHAN_MS,
) -> Held:
    """Take the lock as ``role`` (``daemon``, ``run-now`` …, one word), in force since
    ``started_at``. ``gone`` says whether the process that had a pid at an instant is dead: then
    ``orphan_ms`` pass before its lock is believed.

    Raises HeldError, naming the holder, if another process holds it; HomeError if the file cannot
    be used for locking.
    """
    until = time.monotonic() + orphan_ms / 1_000
    looks = 0
    while looks < TRIES:
        found = _try(path, f"{pid} {role} {started_at}\n")
        if isinstance(found, Held):
            return found
        if found is None:
            looks += 1
        elif not _is_gone(found, gone) or time.monotonic() >= until:
            raise _refusal(path, found)
        time.sleep(PAUSE_S)
    raise _refusal(path, Holder(None, None, None))


def _is_gone(holder: Holder, gone: Callable[[int, int], bool]) -> bool:
    named = holder.pid is not None and holder.started_at is not None
    return named and gone(holder.pid or 0, holder.started_at or 0)


def peek(path: str) -> Holder | None:
    """Who holds the lock now; None if it is free. Leaves nothing behind."""
    try:
        fd = _open_file(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if _lock(fd, path, fcntl.LOCK_SH) else _named(fd)
    finally:
        os.close(fd)


def _try(path: str, text: str) -> Held | Holder | None:
    """The lock, or who has it; None if somebody only looks at it, or removed the file under our
    hands."""
    fd = _open_file(path, os.O_RDWR | os.O_CREAT)
    held: Held | None = None
    try:
        if _lock(fd, path, fcntl.LOCK_EX):
            if _same_file(fd, path):
                _say(fd, text.encode())
                held = Held(path, fd)
        elif not _lock(fd, path, fcntl.LOCK_SH):
            return _named(fd)
    finally:
        if held is None:
            os.close(fd)
    return held


def _say(fd: int, text: bytes) -> None:
    """Name the holder. The old text is overwritten, not cut first: its block serves again where
    the disk is full, and where it does not, a nameless holder is better than none."""
    try:
        os.pwrite(fd, text, 0)
        os.ftruncate(fd, len(text))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise HomeError(f"cannot write the lock: {error.strerror}") from error


def _open_file(path: str, flags: int) -> int:
    """HomeError, or FileNotFoundError where the file was not to be made."""
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno == errno.ENOENT and not flags & os.O_CREAT:
            raise
        raise HomeError(f"cannot open the lock {path}: {error.strerror}") from error


def _lock(fd: int, path: str, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise HomeError(
            f"cannot lock {path}: {error.strerror}",
            "the home must lie on a file system that has locks; set DOTAGENT_HOME to one",
        ) from error
    return True


def _same_file(fd: int, path: str) -> bool:
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    opened = os.fstat(fd)
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)


def _named(fd: int) -> Holder:
    """What the holder of the locked file ``fd`` says of itself.

    Right after a crash the text may still be the dead holder's, for as long as the new one takes
    to write its own: a pid that is gone is looked at again before it is believed (it is believed
    in the end, for a holder in another pid namespace seems gone too).
    """
    holder = Holder(None, None, None)
    for again in range(TRIES):
        if again:
            time.sleep(PAUSE_S)
        holder = _parsed(os.pread(fd, 256, 0))
        if holder.pid is not None and _exists(holder.pid):
            break
    return holder


def _parsed(text: bytes) -> Holder:
    words = text.decode(errors="replace").split()
    if not text.endswith(b"\n") or len(words) != 3:
        return Holder(None, None, None)
    pid, role, started_at = words
    if not (pid.isdecimal() and started_at.isdecimal()):
        return Holder(None, None, None)
    return Holder(int(pid), role, int(started_at))


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno != errno.ESRCH
    except OverflowError:
        return False
    return True


def _refusal(path: str, holder: Holder) -> HeldError:
    if holder.pid is None:
        return HeldError(f"another process holds this home ({path})")
    return HeldError(
        f"this home is held by {holder.role}, process {holder.pid} ({path})",
        pid=holder.pid,
        role=holder.role,
    )


def _forget_in_child() -> None:
    """A fork without exec shares the lock, and would keep it alive beyond its holder's death."""
    for fd in _held:
        os.close(fd)
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)
