"""Who asks: the name that a word of theirs is put down to."""

from __future__ import annotations

import os
import pwd


def name(uid: int | None = None) -> str:
    """This user's name; the number of one whom the system does not know by name."""
    uid = os.getuid() if uid is None else uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
