"""A ``still_failing`` that a notifier is owed: its rate limit skipped a failure, and is over while
the outage lasts (rules R22). It gets that one, asked for or not.
"""

from __future__ import annotations

from dotagent.store import outages
from dotagent.store.actor import Actor
from dotagent.store.database import Tx


def look(tx: Tx, actor: Actor, now: int) -> set[str]:
    """Say what is owed by now. Returns destinations with something to send."""
    touched: set[str] = set()
    due = tx.all("SELECT * FROM owed WHERE due_at <= ?", now)
    tx.run("DELETE FROM owed WHERE due_at <= ?", now)
    for row in due:
        outage = tx.one(
            "SELECT * FROM outages WHERE id = ? AND closed_at IS NULL AND acked_at IS NULL",
            row["outage_id"],
        )
        if outage is not None:
            keys = {(row["scope"], row["notifier"])}
            touched |= outages.speak_up(tx, actor, now, outage, keys, owed=True)
    return touched


def next_wake(tx: Tx) -> int | None:
    """When the next limit ends that somebody is owed for."""
    at: int | None = tx.value("SELECT min(due_at) FROM owed")
    return at
