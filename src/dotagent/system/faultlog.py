"""The log for faults of dotagent itself. Never larger than two pieces of ``LIMIT`` bytes."""

from __future__ import annotations

import os

LIMIT = 1024 * 1024


def append(path: str, text: str) -> bool:
    """Add ``text``; whether it could be written. Never raises: it is called on the way down."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with open(fd, "ab") as log:
            if log.tell() > LIMIT:
                os.replace(path, f"{path}.1")
            log.write(text.encode("utf-8", "backslashreplace"))
    except OSError:
        return False
    return True
