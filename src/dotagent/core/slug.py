"""The slug of a schedule: its arguments as part of a file name (contract §3).

Invariants: made of ``[a-z0-9_-]`` only and never empty; the heartbeat's temporary file name fits
into a directory entry. Slugs that fit are those of dotagent 0.1.x, letter by letter.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

EMPTY = "default"

_NAME_MAX = 255
"""Bytes in a file name on every file system we meet (``NAME_MAX``, limits.h)."""
LONGEST = _NAME_MAX - len(".heartbeat.json.tmp")

_HASH_LENGTH = 16


def slug(args: Iterable[str]) -> str:
    """The slug of these schedule arguments; an overlong one ends in a hash of the whole."""
    words = [word for arg in args if (word := arg.lstrip("-"))]
    plain = re.sub(r"[^a-z0-9_-]", "_", "_".join(words).lower())
    name = re.sub(r"_+", "_", plain).strip("_") or EMPTY
    if len(name) <= LONGEST:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{name[: LONGEST - 1 - _HASH_LENGTH]}-{mark}"
