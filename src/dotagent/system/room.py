"""Whether the daemon that runs here has room on its disk, as others see it: its database takes no
word of that.

Used by a hot command, so it imports nothing.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dotagent.system.lock import Holder

BEGINNING_MS = 10_000
"""A daemon that has just begun may be about to make its reserve."""


def is_full(reserve: str, daemon: "Holder | None", now: int) -> bool:
    """On a full disk a daemon gives its reserve up, and starts nothing until it has it again
    (product §8)."""
    if daemon is None or daemon.started_at is None:
        return False
    return now - daemon.started_at > BEGINNING_MS and not os.path.lexists(reserve)
