"""Reads what a script left in ``$AGENT_RESULT``, however it left it.

Invariants: never follows a link, never waits (a FIFO, a device), never reads more than the limit,
never raises; known secrets are masked before anything looks at the text.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import Any

from dotagent.core.result import MAX_BYTES, parse_result
from dotagent.core.secret import Redactor


def read_report(path: str | None, redactor: Redactor) -> tuple[Mapping[str, Any], str | None]:
    """The facts of the file and what is wrong with it. No file and an empty one are no problem."""
    if path is None:
        return {}, None
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        file = os.open(path, flags)
    except FileNotFoundError:
        return {}, None
    except OSError as error:
        kind = "is a link" if os.path.islink(path) else f"cannot be read: {error.strerror}"
        return {}, f"$AGENT_RESULT {kind}"
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return {}, "$AGENT_RESULT is not a regular file"
        data = _read(file)
    except OSError as error:
        return {}, f"$AGENT_RESULT cannot be read: {error.strerror}"
    finally:
        os.close(file)
    facts, problem = parse_result(redactor.bytes(data))
    return facts, None if problem is None else f"$AGENT_RESULT: {problem}"


def _read(file: int) -> bytes:
    """One byte more than is allowed, so that the parser sees that there is more."""
    data = b""
    while len(data) <= MAX_BYTES:
        chunk = os.read(file, MAX_BYTES + 1 - len(data))
        if not chunk:
            break
        data += chunk
    return data
