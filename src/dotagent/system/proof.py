"""Gathers the facts of ``[expect]``: the file before and after an attempt, the patterns found.

Invariants: nothing here blocks the loop, and no pattern of a manifest can hold a thread for longer
than ``SEARCH_S``. That is why the matching is not done with ``re``: it holds the interpreter for as
long as a pattern backtracks, which may be for ever.
"""

from __future__ import annotations

import asyncio
import os
import stat
from datetime import tzinfo

from dotagent.core.expect import Facts, Look, Search
from dotagent.core.manifest import Expect
from dotagent.core.model import Ended

SEARCH_S = 1.0
"""Longest search for one pattern in one output tail (64 KiB)."""


async def before(expect: Expect, cwd: str) -> Look:
    """The expected file as it is before the attempt; ``cwd`` is the attempt's working folder."""
    return await _look(expect, cwd)


async def facts(
    expect: Expect, cwd: str, *, before: Look, ended: Ended, started_at: int, zone: tzinfo
) -> Facts:
    """Everything ``core.expect.unmet`` asks for, once the attempt has ended."""
    return Facts(
        ended_at=ended.ended_at,
        duration_ms=ended.lasted_since(started_at),
        zone=zone,
        stdout=ended.stdout,
        match=await _search(expect.output_match, ended.stdout.text),
        not_match=await _search(expect.output_not_match, ended.stdout.text),
        before=before,
        after=await _look(expect, cwd),
    )


async def _look(expect: Expect, cwd: str) -> Look:
    if expect.file is None:
        return Look()
    # A stat may wait for a network share that has gone away: not on the loop.
    return await asyncio.to_thread(look, os.path.join(cwd, expect.file.path))


def look(path: str) -> Look:
    """The file at ``path``, links followed. Never raises for what it finds."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Look()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return Look(problem=f"cannot be looked at: {why}")
    if not stat.S_ISREG(found.st_mode):
        return Look(problem="is not a regular file")
    return Look(
        stamp=(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns),
        size=found.st_size,
        modified_at=found.st_mtime_ns // 1_000_000,
    )


async def _search(pattern: str | None, text: str) -> Search:
    return Search() if pattern is None else await asyncio.to_thread(search, pattern, text)


def search(pattern: str, text: str, limit_s: float = SEARCH_S) -> Search:
    """Look for ``pattern`` (Python's syntax, ``^`` and ``$`` at every line) in ``text``."""
    # Loaded only where a pattern is looked for, as in core/pattern.py.
    import regex

    try:
        # concurrent: other threads, and so the loop, run on while it searches.
        found = regex.search(pattern, text, flags=regex.MULTILINE, timeout=limit_s, concurrent=True)
    except regex.error as error:
        return Search(problem=f"it is no valid pattern: {error}")
    except (RecursionError, OverflowError) as error:
        return Search(problem=f"it is no usable pattern: {error}")
    except TimeoutError:
        return Search(problem=f"the search took longer than {limit_s:g} s; simplify the pattern")
    return Search() if found is None else Search(matched=found.group())
