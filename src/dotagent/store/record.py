"""The record's truth: audit rows, chained by hash in the transaction of what they attest."""

from __future__ import annotations

from typing import Any

from dotagent.core import chain
from dotagent.core.moment import stamp
from dotagent.store.actor import Actor
from dotagent.store.database import Tx


def append(tx: Tx, actor: Actor, now: int, severity: str, event_type: str, **fields: Any) -> None:
    """Add one line to the chain; ``fields`` in the order of contract §13."""
    last = tx.one("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
    before = last["hash"] if last else tx.value("SELECT anchor FROM home")
    line = chain.line(stamp(now, actor.zone), severity, event_type, fields, before)
    tx.run(
        "INSERT INTO audit (seq, line, hash) VALUES (?, ?, ?)",
        (last["seq"] if last else 0) + 1,
        line,
        chain.digest(line),
    )
    tx.audited = True
