"""What keeps the holder of a home from starting anything, as others see it: it cannot say so.

On a full disk its database takes no word of that; stopped by a signal it does nothing at all.
Used by a hot command, so it imports next to nothing.
"""

import os

from dotagent.core.hindrance import FULL, STOPPED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dotagent.system.lock import Holder

DAEMON = "daemon"
BEGINNING_MS = 10_000
"""A daemon that has just begun may be about to make its reserve."""
LEAST_BYTES = 64 * 1024
"""Less room than this takes no commit of the database."""
STILL = (b"T", b"t")
"""States of ``/proc/<pid>/stat`` in which a process has been stopped (proc(5))."""


def hindrance(
    reserve: str,
    holder: "Holder | None",
    now: int,
    proc: str = "/proc",
    least: int = LEAST_BYTES,
) -> str | None:
    """``STOPPED``, ``FULL``, or None where nothing is known to keep the holder. Where the system
    has no ``/proc`` nobody sees that a process is stopped."""
    if holder is None:
        return None
    if holder.pid is not None and _is_stopped(holder.pid, proc):
        return STOPPED
    if holder.role in (DAEMON, None) and _is_full(reserve, holder, now, least):
        return FULL
    return None


def _is_stopped(pid: int, proc: str) -> bool:
    try:
        with open(f"{proc}/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return False
    # The name before it stands in brackets, and may itself hold some.
    return stat[stat.rfind(b")") + 2 :][:1] in STILL


def _is_full(reserve: str, daemon: "Holder", now: int, least: int) -> bool:
    """On a full disk a daemon gives its reserve up where something is in flight, and starts nothing
    until it has it again (product §8)."""
    if daemon.started_at is None or now - daemon.started_at <= BEGINNING_MS:
        return False
    if not os.path.lexists(reserve):
        return True
    disk = os.statvfs(reserve)
    return disk.f_bavail * disk.f_frsize < least
