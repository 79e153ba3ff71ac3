"""The machine's time zone, and a cheap way to notice that it has changed.

The same order as the C library: ``TZ``, then ``/etc/localtime``, then UTC; what ``TZ`` names but
nobody knows is UTC too, for that is what the agents' own programs will take it for.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

LOCALTIME = "/etc/localtime"
MARK = "/zoneinfo/"
"""What stands before the key in the path of every zone file, on all systems."""
MAX_LINKS = 40


def machine_zone(env: Mapping[str, str], localtime: str = LOCALTIME) -> tzinfo:
    """The zone that ``env`` and the machine say. Read anew at every call."""
    named = env.get("TZ")
    if named is None:
        return _of_file(localtime) or UTC
    named = named.removeprefix(":")
    if not named:
        return UTC
    if os.path.isabs(named):
        return _of_file(named) or UTC
    return _of_key(named) or _of_rule(named) or UTC


def file(env: Mapping[str, str], localtime: str = LOCALTIME) -> str | None:
    """The file that says the zone; None where the environment does."""
    named = env.get("TZ")
    path = localtime if named is None else named.removeprefix(":")
    return path if os.path.isabs(path) else None


def fingerprint(env: Mapping[str, str], localtime: str = LOCALTIME) -> tuple[str | int | None, ...]:
    """Differs when ``machine_zone`` may differ. Opens nothing: cheap enough for every wake-up."""
    named, path = env.get("TZ"), file(env, localtime)
    if path is None:
        return (named,)
    target = os.path.realpath(path)
    try:
        status = os.stat(path)
    except OSError:
        return (named, target)
    return (named, target, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


def _of_file(path: str) -> ZoneInfo | None:
    """By its key where its path tells one, so that people read a name they know."""
    key = _key(path)
    zone = _of_key(key) if key else None
    if zone is not None:
        return zone
    with suppress(OSError, ValueError, struct.error), open(path, "rb") as file:
        return ZoneInfo.from_file(file, key=key)
    return None


def _key(path: str) -> str | None:
    """The key in the path of a zone file or, link by link, in where it leads: the first one found,
    since further links turn a zone into another that only happens to be equal today."""
    for _ in range(MAX_LINKS):
        if MARK in path:
            return path.rsplit(MARK, 1)[1]
        try:
            path = os.path.join(os.path.dirname(path), os.readlink(path))
        except OSError:
            return None
    return None


def _of_key(key: str) -> ZoneInfo | None:
    """Not from the cache: the machine's zone data may have been updated under a running daemon."""
    with suppress(OSError, ValueError, KeyError, struct.error):
        return ZoneInfo.no_cache(key)
    return None


def _of_rule(rule: str) -> ZoneInfo | None:
    """A rule such as ``EST5EDT,M3.2.0,M11.1.0`` (POSIX, environment variable TZ): the last line of
    a zone file that has nothing else to say (RFC 9636, section 3.3)."""
    header = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    body = struct.pack(">lbb", 0, 0, 0) + b"UTC\0"
    try:
        footer = b"\n" + rule.encode("ascii") + b"\n"
        return ZoneInfo.from_file(io.BytesIO(header + body + header + body + footer))
    except ValueError:
        return None
