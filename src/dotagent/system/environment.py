"""The environment that the daemon and all agents run in, as ``install`` captured it.

Format: ``NAME=value`` entries, each ended by a NUL byte, as in environ(7): the one byte that no
value can hold. Values may be secrets: the file is 0600 and its content appears in no error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from dotagent.core.errors import HomeError
from dotagent.system import files


def write(path: str, environment: Mapping[str, str]) -> None:
    """Capture ``environment``. OSError if it cannot be written: the earlier one still stands."""
    entries = (os.fsencode(f"{name}={value}") + b"\0" for name, value in environment.items())
    files.write_atomic(path, b"".join(entries), durable=True)


def read(path: str) -> Mapping[str, str] | None:
    """The captured environment; None if none was captured. HomeError if it is damaged."""
    try:
        data = files.read_if_there(path)
    except OSError as error:
        raise _damaged(path, error.strerror) from error
    if data is None:
        return None
    entries = os.fsdecode(data).split("\0")
    if entries.pop() or not all("=" in entry[1:] for entry in entries):
        raise _damaged(path, "an entry is not NAME=value")
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def _damaged(path: str, why: str | None) -> HomeError:
    return HomeError(
        f"the captured environment {path} cannot be read: {why}",
        "dotagent install captures it anew",
    )
