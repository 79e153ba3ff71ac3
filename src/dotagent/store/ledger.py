"""The ledger, one row a try, and what the record says of each message that went out (rules R17)."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Row
from typing import Any

from dotagent.core.model import Outcome, Skipped
from dotagent.store import record
from dotagent.store.actor import Actor
from dotagent.store.database import Tx


def begin(tx: Tx, actor: Actor, now: int, row: Row, led_by: int | None = None) -> int:
    """A try begins; its number."""
    number = int(row["tries"]) + 1
    tx.run(
        "INSERT INTO sends (delivery_id, number, epoch, fingerprint, started_at, may_repeat,"
        " led_by) VALUES (?, ?, ?, ?, ?, ?, ?)",
        row["id"],
        number,
        actor.epoch,
        row["fingerprint"],
        now,
        row["doubtful"],
        led_by,
    )
    return number


def fill(
    tx: Tx, now: int, delivery_id: int, number: int, outcome: Outcome, fingerprint: str
) -> int:
    """What the try brought; when it began."""
    began_at: int = tx.value(
        "UPDATE sends SET ended_at = ?, outcome = ?, why = ?, fingerprint = ?"
        " WHERE delivery_id = ? AND number = ? RETURNING started_at",
        now,
        outcome_word(outcome),
        getattr(outcome, "why", None) or getattr(outcome, "receipt", None),
        fingerprint,
        delivery_id,
        number,
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
    others: Sequence[int] = (),
    plugin: str | None = None,
    purpose: str = "notify",
) -> None:
    """The record of one send (contract §9, §13): a plugin goes by its bare short name. ``row``: the
    delivery, with the ``agent`` of its event; ``others``: those that went in the same message."""
    word = outcome_word(outcome)
    ok = word in ("sent", "skipped")
    fields: dict[str, Any] = {
        "agent": row["agent"],
        "plugin": plugin or f"notifier:{row['driver']}",
        "plugin_kind": purpose,
        "ok": ok,
        "delivery": row["id"],
        "number": number,
        "outcome": word,
    }
    if others:
        fields["with"] = list(others)
    if isinstance(outcome, Skipped):
        fields["reason"] = outcome.why
    record.append(tx, actor, now, "info" if ok else "notice", "plugin_invoked", **fields)
