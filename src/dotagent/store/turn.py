"""Whose turn it is: a delivery ends, and the next of its order key may go (promise P4)."""

from __future__ import annotations

from sqlite3 import Row

from dotagent.store.database import Tx

_SEEN_BEHIND = 64
"""So many that wait in one key are looked at for the gravest of them."""


def end(tx: Tx, now: int, row: Row, state: str, reason: str) -> None:
    """A delivery reaches a terminal state; the next of its order key gets its turn."""
    tx.run(
        "UPDATE deliveries SET state = ?, reason = ?, ended_at = ?, epoch = NULL, turn = 0"
        " WHERE id = ?",
        state,
        reason,
        now,
        row["id"],
    )
    tx.run(
        "UPDATE deliveries SET turn = 1, urgency ="
        " (SELECT max(gravity) FROM (SELECT gravity FROM deliveries WHERE order_key = ?1"
        " AND state IN ('pending', 'sending') ORDER BY id LIMIT ?2))"
        " WHERE id = (SELECT min(id) FROM deliveries"
        " WHERE order_key = ?1 AND state IN ('pending', 'sending'))",
        row["order_key"],
        _SEEN_BEHIND,
    )
