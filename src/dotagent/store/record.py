"""The record's truth: audit rows, chained by hash in the transaction of what they attest."""

from __future__ import annotations

from typing import Any

from dotagent.core import chain
from dotagent.core.moment import stamp
from dotagent.store.actor import Actor
from dotagent.store.database import Tx


def append(tx: Tx, actor: Actor, now: int, severity: str, event_type: str, **fields: Any) -> None:
    """Add one line to the chain; ``fields`` in the order of contract §13."""
    seq, before = tx.head or _head(tx)
    line = chain.line(stamp(now, actor.zone), severity, event_type, fields, before)
    tx.head = seq + 1, chain.digest(line)
    tx.run("INSERT INTO audit (seq, line, hash) VALUES (?, ?, ?)", seq + 1, line, tx.head[1])
    tx.audited = True


def _head(tx: Tx) -> tuple[int, str]:
    """The last row's number and hash: what all further rows go on from."""
    last = tx.one("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
    return (last["seq"], last["hash"]) if last else (0, tx.value("SELECT anchor FROM home"))
