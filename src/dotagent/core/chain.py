"""The audit chain: each line names the hash of the line before it (contract §13).

Invariants: a hash is taken over the bytes as they are stored, never over what they would be if
written again; a line is one JSON object without a newline in it; whatever is done to a line shows
at the next one, and whatever is done to the last one shows against a head kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dotagent.core.compact import compact

GENESIS = "GENESIS"
"""What the very first line names as the one before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How far a chain holds. ``broken_at`` counts lines from 1; None: it holds to its end."""

    count: int
    """Lines that hold."""
    head: str
    """Hash of the last line, whether the chain holds or not; what it began from if it is empty."""
    broken_at: int | None = None
    reason: str = ""
    expected_prev_hash: str | None = None
    actual_prev_hash: str | None = None


def line(
    ts: str, severity: str, event_type: str, fields: Mapping[str, Any], prev_hash: str
) -> bytes:
    """One line, without its newline. ``ts`` as in the heartbeat; ``fields`` keep their order.

    ValueError for what JSON cannot say (NaN) or a field that would shadow ``event_type``.
    """
    if "event_type" in fields:
        raise ValueError("a field of an audit event cannot be called event_type")
    entry = {
        "ts": ts,
        "severity": severity,
        "event": {"event_type": event_type, **fields},
        "prev_hash": prev_hash,
    }
    return compact(entry).encode(errors="replace")  # a lone surrogate, from a path that is no text


_TS = b'{"ts":"'
_TS_LENGTH = len("2026-05-19T14:30:01-0300")


def stamped_at(line: bytes) -> int | None:
    """When an entry says that it was made; None where it does not begin as ours do."""
    text = line[len(_TS) : len(_TS) + _TS_LENGTH]
    try:
        stamp = datetime.fromisoformat(text.decode()) if line.startswith(_TS) else None
    except ValueError:
        return None
    return None if stamp is None or stamp.tzinfo is None else round(stamp.timestamp()) * 1_000


def digest(line: bytes) -> str:
    """What the next line must name: lowercase hex SHA-256 of the stored bytes without newline."""
    return hashlib.sha256(line).hexdigest()


def verify(
    lines: Iterable[bytes],
    *,
    first: str = GENESIS,
    last: str | None = None,
    blank_lines: bool = False,
) -> Verdict:
    """Follow the chain through ``lines`` (each with or without its newline) to its end.

    ``first``: what the first line must name. ``last``: the hash of the line that must be the last,
    as a database holds it. ``blank_lines``: pass over them, as dotagent 0.1.x does; else they are
    insertions. All lines are read even if the chain breaks early.
    """
    head = first
    count = number = 0
    last_at = 0 if head == last else None
    broken: Verdict | None = None
    for number, raw in enumerate(lines, 1):
        stored = raw.removesuffix(b"\n")
        if blank_lines and not stored.strip():
            continue
        if broken is None:
            broken = _break(stored, number, count, head)
            count += broken is None
        head = digest(stored)
        if head == last:
            last_at = number
    if broken is not None:
        return replace(broken, head=head)
    if last is None or head == last:
        return Verdict(count=count, head=head)
    return _wrong_end(count, head, last, number, last_at)


def _break(stored: bytes, number: int, count: int, expected: str) -> Verdict | None:
    """The break at line ``number``; None if it follows the line with the hash ``expected``."""
    flaw, actual = _flaw(stored, expected, count == 0)
    if flaw is None:
        return None
    return Verdict(
        count=count,
        head=expected,
        broken_at=number,
        reason=f"line {number} {flaw}",
        expected_prev_hash=expected,
        actual_prev_hash=actual,
    )


def _flaw(stored: bytes, expected: str, is_first: bool) -> tuple[str | None, str | None]:
    try:
        entry = json.loads(stored.decode())
    except (ValueError, RecursionError):
        return "is not JSON", None
    actual = entry.get("prev_hash") if isinstance(entry, dict) else None
    if not isinstance(actual, str):
        return "is no audit entry", None
    if actual == expected:
        return None, actual
    if is_first:
        return "is not the one that this log began with", actual
    return "does not follow the line before it: one was changed, removed, inserted or moved", actual


def _wrong_end(count: int, head: str, last: str, number: int, last_at: int | None) -> Verdict:
    """The verdict on a chain that holds but does not end with ``last``."""
    if last_at is None:
        at, reason = number + 1, f"the log ends after line {number}, before its last entry"
    else:
        at, reason = last_at + 1, f"line {last_at + 1} comes after the log's last entry"
    return Verdict(
        count=count,
        head=head,
        broken_at=at,
        reason=reason,
        expected_prev_hash=last,
        actual_prev_hash=head,
    )
