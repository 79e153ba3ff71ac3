"""Which line of the record is not as it was written, and what was done to it. Pure.

The chain alone shows that something happened, at the line after it; beside what the database holds
it can be named. Invariant: equal lines are never accused, whatever follows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

FAR = 1_000
"""How many recorded lines are looked through for a line that stands in another place."""


class Deed(StrEnum):
    """What was done; ``CUT``: the found lines end before the recorded ones do."""

    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    SWAPPED = "swapped"
    ADDED = "added"
    CUT = "cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first difference. ``at``: the found line, counted from 1; ``count``: how many recorded
    lines are missing there (``REMOVED``, ``CUT``; at most ``FAR``)."""

    deed: Deed
    at: int
    count: int = 0


def difference(found: Iterable[bytes], recorded: Iterable[bytes]) -> Difference | None:
    """Compare line by line (without newlines); None where both are the same."""
    ours, theirs = iter(recorded), iter(found)
    at = 0
    for line in theirs:
        at += 1
        expected = next(ours, None)
        if line != expected:
            return _what(at, line, next(theirs, None), expected, ours)
    missing = sum(1 for _ in _most(ours))
    return Difference(deed=Deed.CUT, at=at + 1, count=missing) if missing else None


def _what(
    at: int, line: bytes, after: bytes | None, expected: bytes | None, ours: Iterator[bytes]
) -> Difference:
    """``line`` stands where ``expected`` was written; ``after`` it, and ``ours``, what follows."""
    if expected is None:
        return Difference(deed=Deed.ADDED, at=at)
    rest = list(_most(ours))
    following = rest[0] if rest else None
    if line == following and after == expected:
        return Difference(deed=Deed.SWAPPED, at=at)
    if line in rest:
        return Difference(deed=Deed.REMOVED, at=at, count=rest.index(line) + 1)
    if after == expected:
        return Difference(deed=Deed.INSERTED, at=at)
    return Difference(deed=Deed.CHANGED, at=at)


def _most(lines: Iterator[bytes]) -> Iterator[bytes]:
    for _, line in zip(range(FAR), lines, strict=False):
        yield line
