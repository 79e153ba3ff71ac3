"""Heartbeat files on disk: written for the tools that read them, read for what 0.1.x left behind.

Invariant: they never stop a run. The store is the truth; a heartbeat that cannot be read or written
is a fact for the caller to tell, and a malformed one is set aside, one per schedule at most.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from dotagent.core import heartbeat
from dotagent.system import files

ASIDE = ".malformed"
MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What an existing file says of the last success, and what is wrong with the file, if it is."""

    last_success_at: int | None = None
    problem: str | None = None


def last_success(path: str) -> Found:
    """When the schedule last succeeded according to its heartbeat file, which may not exist."""
    try:
        data = files.read_if_there(path, MAX_BYTES)
        if data is None:
            return Found()
        try:
            return Found(last_success_at=heartbeat.last_success(data))
        except heartbeat.Malformed as malformed:
            os.replace(path, path + ASIDE)
            return Found(problem=f"{path} is malformed ({malformed}); now {path}{ASIDE}")
    except OSError as error:
        return Found(problem=f"{path} cannot be read: {error.strerror}")


def write(path: str, text: str, *, durable: bool = False) -> str | None:
    """Write the file and the folder of its agent; None, or why it could not be done."""
    try:
        files.make_folder(os.path.dirname(path))
        files.write_atomic(path, text.encode(errors="replace"), durable=durable)
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    return None
