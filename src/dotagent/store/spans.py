"""The spans in which nothing could be started: ``why`` needs them (product §8)."""

from __future__ import annotations

from collections.abc import Iterable

from dotagent.core.passage import ASLEEP, HELD_UP, Passage, Span
from dotagent.store import away, record
from dotagent.store.actor import Actor
from dotagent.store.database import Tx

IDLE = (ASLEEP, HELD_UP)
"""What people are told of as an absence; a clock that was set forward is none."""


def add(tx: Tx, spans: Iterable[Span]) -> None:
    for span in spans:
        tx.run(
            "INSERT INTO spans (from_at, to_at, why) VALUES (?, ?, ?)",
            span.from_at,
            span.to_at,
            span.why,
        )


def note(tx: Tx, actor: Actor, now: int, passed: Passage) -> None:
    """What happened to time while a holder was there; a step of the clock is attested too, for all
    other times in the record rest on it."""
    add(tx, passed.spans)
    for span in passed.spans:
        if span.why in IDLE:
            away.over(tx, span.from_at, span.to_at)
    if passed.stepped_ms:
        record.append(tx, actor, now, "notice", "clock_stepped", milliseconds=passed.stepped_ms)
