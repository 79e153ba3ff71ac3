"""The bell of the home: a FIFO that wakes the lock's holder when there is something for it to do.

A ring carries no content: what is to be done stands in the store. Rings add up to one, and none is
lost to a holder that drains the bell before it looks (rules R2).
"""

from __future__ import annotations

import os
import stat

from dotagent.core.errors import HomeError

PIPE_BYTES = 64 * 1024


def ring(path: str) -> bool:
    """Wake whoever listens at ``path``, without ever waiting; false if nobody does."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False  # ENXIO: nobody has it open. No bell, or none of ours: nobody listens there
    try:
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            return False
        os.write(fd, b"!")
    except BlockingIOError:
        return True  # full of rings that are still to be heard
    except BrokenPipeError:
        return False
    finally:
        os.close(fd)
    return True


class Bell:
    """The listener's end. Readable (``fileno``) from the first ring until ``drain``."""

    def __init__(self, path: str) -> None:
        """Hang the bell at ``path``. HomeError if something else is in the way."""
        self.path = path
        try:
            self._fd = _open(path)
        except OSError as error:
            raise HomeError(f"cannot make the bell {path}: {error.strerror}") from error

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._fd

    def drain(self) -> bool:
        """Take all rings so far; whether there were any."""
        try:
            return bool(os.read(self._fd, PIPE_BYTES))
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Stop listening. The FIFO stays: without a listener, ``ring`` says so."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _open(path: str) -> int:
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        status = os.lstat(path)
        if not stat.S_ISFIFO(status.st_mode) or status.st_uid != os.geteuid():
            raise HomeError(
                f"{path} is in the way: dotagent keeps a named pipe of yours there",
                f"mv {path} {path}.aside",
            ) from None
        os.chmod(path, 0o600)
    # Read and write: with a writer of its own the pipe never reports that all writers have gone,
    # which would wake the listener for ever (fifo(7)).
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
