"""After a send: the ledger, the delivery, its destination, the record, and what may go next.

One transaction for all of it, and for all deliveries that went as one message. Invariants: a
delivery ends ``sent``, ``suppressed`` with a reason, or dead and announced; the outcome stands in
the ledger as the driver gave it; a send is settled once, and again, after a commit whose answer was
lost, changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from sqlite3 import Row

from dotagent.core.decide import Settle, after_send
from dotagent.core.model import DeliveryState, Outcome, RejectMessage, Unknown
from dotagent.store import channels, ledger, outbox, routing
from dotagent.store.actor import Actor
from dotagent.store.company import TABLES, heard
from dotagent.store.database import Tx
from dotagent.store.outbox import Claim
from dotagent.store.turn import end

DEAD = (DeliveryState.EXPIRED, DeliveryState.REJECTED)


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
    unmade: bool = False,
    plugin: str | None = None,
    purpose: str = "notify",
    remark: str = "",
) -> list[Claim]:
    """Record what a send brought; what may go next. ``fingerprint``: of the address used; ``gone``:
    the notifier is no longer there; ``unmade``: several could not be made one, nothing was sent."""
    if not (rows := _rows(tx, claimed)):
        return []
    lead = rows[0]
    began_at = _record(tx, actor, now, claimed, lead, outcome, fingerprint, plugin, purpose)
    destination = channels.known(tx, lead, fingerprint)
    judge = partial(
        after_send,
        outcome,
        tried_at=began_at,
        failures=channels.failures_before(destination, now),
        plain=claimed.plain or plugin is not None,  # which has no plainer rendering to try
        u=u,
    )
    apart = unmade or (len(rows) > 1 and isinstance(outcome, RejectMessage))
    touched, lost = {fingerprint}, []
    for row in sorted(rows, key=lambda each: each["id"]):
        own = _remarked(judge(expires_at=row["expires_at"]), remark)
        touched |= _move(tx, now, row, own, outcome, used=fingerprint, apart=apart)
        lost += [row] if own.row in DEAD and not apart else []
        touched |= channels.removed(tx, actor, now, row, gone) if gone is not None else set()
    if not unmade:
        verdict = judge(expires_at=lead["expires_at"])
        touched |= channels.after(tx, actor, now, lead, destination, verdict, began_at, lost)
    return outbox.claim(tx, actor, now, room, touched)


def _remarked(verdict: Settle, remark: str) -> Settle:
    """With what else the record should say beside the reason."""
    return replace(verdict, why="; ".join(filter(None, (verdict.why, remark))))


_ROW = f"""
SELECT d.*, e.agent, e.schedule, r.fingerprint AS routed_to,
       EXISTS (SELECT 1 FROM routing l WHERE l.fingerprint = d.fingerprint AND l.rate_limit_ms > 0)
       AS limited
{TABLES}
WHERE d.id = ?
"""


def _rows(tx: Tx, claimed: Claim) -> list[Row]:
    """The deliveries of this send, the leader first; none if it was settled before."""
    rows = []
    for each in (claimed.lead, *claimed.others):
        row = tx.one(_ROW, each.delivery_id)
        assert row is not None
        if row["state"] == DeliveryState.SENDING and row["tries"] == each.number:
            rows.append(row)
    return rows


def _record(
    tx: Tx,
    actor: Actor,
    now: int,
    claimed: Claim,
    lead: Row,
    outcome: Outcome,
    fingerprint: str,
    plugin: str | None,
    purpose: str,
) -> int:
    """Ledger and record of one message; when it began."""
    arrived = claimed.arrived | set(getattr(outcome, "arrived", ()))
    if arrived - claimed.arrived:
        text = " ".join(sorted(arrived))
        for id in claimed.ids:  # who has it now is not sent it again, nor by a person's retry
            tx.run("UPDATE deliveries SET arrived = ? WHERE id = ?", text, id)
    for each in claimed.others:
        ledger.fill(tx, now, each.delivery_id, each.number, outcome, fingerprint)
    others = [each.delivery_id for each in claimed.others]
    ledger.attest(
        tx,
        actor,
        now,
        lead,
        claimed.number,
        outcome,
        others=others,
        plugin=plugin,
        purpose=purpose,
    )
    return ledger.fill(tx, now, lead["id"], claimed.number, outcome, fingerprint)


def _move(
    tx: Tx, now: int, row: Row, verdict: Settle, outcome: Outcome, *, used: str, apart: bool
) -> set[str]:
    """The delivery's next state; where it goes on."""
    goes_on_at = routing.follow(tx, row, used)
    if verdict.row == "again" or apart:
        tx.run(
            "UPDATE deliveries SET state = 'pending', epoch = NULL, suspect = 0, crashes = 0,"
            " led_by = NULL, folded = '', apart = max(apart, ?), reason = ?, plain = max(plain, ?),"
            " doubtful = max(doubtful, ?), fingerprint = ? WHERE id = ?",
            int(apart),
            verdict.why,
            int(verdict.plain and not apart),
            int(isinstance(outcome, Unknown)),
            goes_on_at,
            row["id"],
        )
    else:
        end(tx, now, row, verdict.row, verdict.why)
    if verdict.row == "sent":
        heard(tx, now, used, row)
    return {row["fingerprint"], goes_on_at}
