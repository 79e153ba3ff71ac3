"""The pieces of a log: how they are named, which comes after which, which are compressed and which
have gone.

A log is one file that is written to, ``NAME``, and older pieces ``NAME.2026-11-25.1``, later
``.gz``: the day it was written on, and its number on that day. Those that dotagent 0.1.x left have
no number, and count as the first of their day. Invariants: names order the pieces
as they were written; what is not named so is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from dotagent.core.moment import local

PACKED = ".gz"
TIMES = 10
"""An agent's older pieces together are at most so many times as large as one may be."""

_SUFFIX = re.compile(r"\.(\d{4}-\d\d-\d\d)(?:\.(\d{1,9}))?(\.gz)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """An older piece of a log, by its file name."""

    name: str
    day: str
    number: int
    is_packed: bool
    size: int = 0
    written_at: int = 0

    @property
    def key(self) -> tuple[str, int, bool]:
        """Orders pieces as they were written."""
        return self.day, self.number, self.is_packed


def day_of(at: int, zone: tzinfo) -> str:
    """The day as a piece's name has it."""
    return f"{local(at, zone):%Y-%m-%d}"


def day_ends_at(at: int, zone: tzinfo) -> int:
    """The first instant of the next local day."""
    tomorrow: date = local(at, zone).date() + timedelta(days=1)
    midnight = datetime.combine(tomorrow, time(), zone)
    return max(int(midnight.timestamp() * 1000), at + 1)


def parse(log: str, name: str, *, size: int = 0, written_at: int = 0) -> Piece | None:
    """``name`` as a piece of the log with this file name; None if it is none."""
    found = _SUFFIX.fullmatch(name[len(log) :]) if name.startswith(log) else None
    if found is None:
        return None
    return Piece(
        name=name,
        day=found[1],
        number=int(found[2] or 0),
        is_packed=found[3] is not None,
        size=size,
        written_at=written_at,
    )


def in_order(pieces: Iterable[Piece]) -> list[Piece]:
    """Oldest first. Of a piece that is there both ways (its packing was cut short by a crash) only
    the plain one: it is whole."""
    known = {(piece.day, piece.number): piece for piece in sorted(pieces, key=_packed_first)}
    return sorted(known.values(), key=lambda piece: piece.key)


def _packed_first(piece: Piece) -> bool:
    return not piece.is_packed


def next_name(log: str, day: str, pieces: Iterable[Piece]) -> str:
    """The name of the next piece of that day."""
    last = max((piece.number for piece in pieces if piece.day == day), default=0)
    return f"{log}.{day}.{last + 1}"


def beyond(pieces: Sequence[Piece], most_bytes: int) -> list[Piece]:
    """The oldest, as far as all of them together are larger than allowed."""
    total, gone = sum(piece.size for piece in pieces), []
    for piece in in_order(pieces):
        if total <= most_bytes:
            break
        total -= piece.size
        gone.append(piece)
    return gone


def expired(pieces: Iterable[Piece], now: int, keep_ms: int) -> list[Piece]:
    """Those whose last line is older than what is kept."""
    return [piece for piece in pieces if piece.written_at < now - keep_ms]


def to_pack(pieces: Iterable[Piece], now: int, after_ms: int) -> list[Piece]:
    """Those that are old enough to be compressed."""
    return [piece for piece in pieces if not piece.is_packed and piece.written_at <= now - after_ms]
