"""After a send: the ledger, the delivery, its destination, the record, and what may go next.

One transaction for all of it. Invariants: a delivery ends ``sent``, ``suppressed`` with a reason,
or dead and announced; the outcome stands in the ledger as the driver gave it; a send is settled
once, and again, after a commit whose answer was lost, changes nothing.
"""

from __future__ import annotations

from sqlite3 import Row
from typing import Any

from dotagent.core.decide import after_send
from dotagent.core.model import DeliveryState, Outcome, Skipped, Unknown
from dotagent.store import channels, outbox, record, routing
from dotagent.store.actor import Actor
from dotagent.store.database import Tx
from dotagent.store.outbox import Claim


def settle(
    tx: Tx,
    actor: Actor,
    now: int,
    claimed: Claim,
    outcome: Outcome,
    *,
    fingerprint: str,
    u: float,
    room: int,
    gone: str | None = None,
    plugin: str | None = None,
    purpose: str = "notify",
    remark: str = "",
) -> list[Claim]:
    """Record what a send brought; what may go next. ``fingerprint``: of the address really used;
    ``gone``: the notifier is no longer there; ``remark``: stands beside the reason."""
    row = tx.one("SELECT * FROM deliveries WHERE id = ?", claimed.delivery_id)
    assert row is not None
    if row["state"] != DeliveryState.SENDING or row["tries"] != claimed.number:
        return []
    destination = channels.known(tx, row, fingerprint)
    tried_at = _ledger(tx, now, claimed, outcome, fingerprint)
    verdict = after_send(
        outcome,
        tried_at=tried_at,
        expires_at=row["expires_at"],
        failures=channels.failures_before(destination, now),
        plain=claimed.plain or plugin is not None,  # which has no plainer rendering to try
        u=u,
    )
    attest(tx, actor, now, row, claimed.number, outcome, plugin=plugin, purpose=purpose)
    goes_on_at = routing.follow(tx, claimed, fingerprint)
    touched = {fingerprint, row["fingerprint"], goes_on_at}
    if verdict.row == "again":
        _again(tx, row, verdict.why, verdict.plain, goes_on_at, isinstance(outcome, Unknown))
    else:
        outbox.end(tx, now, row, verdict.row, "; ".join(filter(None, (verdict.why, remark))))
    if gone is not None:
        touched |= channels.removed(tx, actor, now, row, gone)
    touched |= channels.after(tx, actor, now, row, fingerprint, verdict, tried_at=tried_at)
    return outbox.claim(tx, actor, now, room, touched)


def _ledger(tx: Tx, now: int, claimed: Claim, outcome: Outcome, fingerprint: str) -> int:
    """Fill the ledger's row, and note who has it; when the try began."""
    why = getattr(outcome, "why", None) or getattr(outcome, "receipt", None)
    tx.run(
        "UPDATE sends SET ended_at = ?, outcome = ?, why = ?, fingerprint = ?"
        " WHERE delivery_id = ? AND number = ?",
        now,
        outcome_word(outcome),
        why,
        fingerprint,
        claimed.delivery_id,
        claimed.number,
    )
    _note_arrived(tx, claimed, outcome)
    began_at: int = tx.value(
        "SELECT started_at FROM sends WHERE delivery_id = ? AND number = ?",
        claimed.delivery_id,
        claimed.number,
    )
    return began_at


def outcome_word(outcome: Outcome) -> str:
    """``Sent`` → ``sent``, ``RejectMessage`` → ``reject_message``: the word of product §5."""
    name = type(outcome).__name__
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def attest(
    tx: Tx,
    actor: Actor,
    now: int,
    row: Row,
    number: int,
    outcome: Outcome,
    *,
    plugin: str | None = None,
    purpose: str = "notify",
) -> None:
    """The record of one send (contract §9, §13): a plugin goes by its bare short name."""
    word = outcome_word(outcome)
    ok = word in ("sent", "skipped")
    fields: dict[str, Any] = {
        "agent": tx.value("SELECT agent FROM events WHERE seq = ?", row["event_seq"]),
        "plugin": plugin or f"notifier:{row['driver']}",
        "plugin_kind": purpose,
        "ok": ok,
        "delivery": row["id"],
        "number": number,
        "outcome": word,
    }
    if isinstance(outcome, Skipped):
        fields["reason"] = outcome.why
    record.append(tx, actor, now, "info" if ok else "notice", "plugin_invoked", **fields)


def _note_arrived(tx: Tx, claimed: Claim, outcome: Outcome) -> None:
    """Who has it now is not sent it again, neither by the next try nor by a person's retry."""
    arrived = claimed.arrived | set(getattr(outcome, "arrived", ()))
    if arrived - claimed.arrived:
        text = " ".join(sorted(arrived))
        tx.run("UPDATE deliveries SET arrived = ? WHERE id = ?", text, claimed.delivery_id)


def _again(tx: Tx, row: Row, why: str, plain: bool, fingerprint: str, doubtful: bool) -> None:
    tx.run(
        "UPDATE deliveries SET state = 'pending', epoch = NULL, suspect = 0, crashes = 0,"
        " reason = ?, plain = max(plain, ?), doubtful = max(doubtful, ?), fingerprint = ?"
        " WHERE id = ?",
        why,
        int(plain),
        int(doubtful),
        fingerprint,
        row["id"],
    )
