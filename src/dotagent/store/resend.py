"""A person's say over deliveries: send a dead one again, cancel a waiting one (rules R18, R20)."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Row

from dotagent.core.errors import NotFound, UsageError
from dotagent.core.match import Match, Route
from dotagent.core.model import Event, Kind
from dotagent.store import record
from dotagent.store.actor import Actor
from dotagent.store.database import Tx
from dotagent.store.tell import deliver, release
from dotagent.store.turn import end

_UNSETTLED = ("pending", "sending")


def again(tx: Tx, now: int, ids: Sequence[int]) -> list[int]:
    """A new row for each; the old one keeps its end. One that still waits is let go at once, and
    its destination with it. Raises ``NotFound``."""
    made = []
    for delivery_id in ids:
        row = _row(tx, delivery_id)
        if row["state"] in _UNSETTLED:
            free(tx, row["fingerprint"])
            release(tx, now, row["order_key"])  # what must go before it comes along
            made.append(delivery_id)
        else:
            made.append(_copy(tx, now, row))
    return made


def dead(tx: Tx) -> list[int]:
    """Every dead letter that was not yet sent again; a test was for who asked for it then."""
    rows = tx.all(
        "SELECT id FROM deliveries d WHERE state IN ('expired', 'rejected') AND NOT EXISTS"
        " (SELECT 1 FROM deliveries r WHERE r.resend_of = d.id) AND NOT EXISTS"
        " (SELECT 1 FROM events e WHERE e.seq = d.event_seq AND e.kind = 'test') ORDER BY id"
    )
    return [row["id"] for row in rows]


def waiting_for_parked(tx: Tx) -> list[int]:
    """What waits for parked channels."""
    rows = tx.all(
        "SELECT d.id FROM deliveries d JOIN destinations t USING (fingerprint)"
        " WHERE d.state = 'pending' AND t.parked_at IS NOT NULL ORDER BY d.id"
    )
    return [row["id"] for row in rows]


def free(tx: Tx, fingerprint: str) -> None:
    """Let the destination be tried now, whatever it said before."""
    tx.run(
        "UPDATE destinations SET down_until = 0, told_until = 0 WHERE fingerprint = ?", fingerprint
    )


def cancel(tx: Tx, actor: Actor, now: int, ids: Sequence[int], why: str) -> list[int]:
    """End what waits; the record keeps who wanted it so. One that is being sent cannot be called
    back. Raises ``UsageError``."""
    for delivery_id in ids:
        row = _row(tx, delivery_id)
        if row["state"] != "pending":
            raise UsageError(f"delivery {delivery_id} is {row['state']}: it can't be cancelled")
        end(tx, now, row, "cancelled", why)
        names = tx.one("SELECT agent, schedule FROM events WHERE seq = ?", row["event_seq"])
        assert names is not None
        fields = {**dict(names), "delivery": row["id"], "notifier": row["name"], "reason": why}
        record.append(tx, actor, now, "notice", "delivery_cancelled", **fields)
    return list(ids)


def _row(tx: Tx, delivery_id: int) -> Row:
    row = tx.one("SELECT * FROM deliveries WHERE id = ?", delivery_id)
    if row is None:
        raise NotFound(f"there is no delivery {delivery_id}", "See: dotagent deliveries")
    return row


def _copy(tx: Tx, now: int, row: Row) -> int:
    about = tx.one("SELECT * FROM events WHERE seq = ?", row["event_seq"])
    assert about is not None
    event = Event(
        kind=Kind(about["kind"]),
        at=about["at"],
        agent=about["agent"],
        schedule_id=about["schedule"],
    )
    # The notifier may have another address by now (rules R16).
    here = tx.one(
        "SELECT name, fingerprint FROM routing WHERE scope = ? AND notifier = ?",
        row["scope"],
        row["notifier"],
    )
    route = Route(
        scope=row["scope"],
        notifier=row["notifier"],
        name=(here or row)["name"],
        driver=row["driver"],
        fingerprint=(here or row)["fingerprint"],
    )
    free(tx, route.fingerprint)
    made = deliver(tx, now, event, row["event_seq"], Match(route=route), resend_of=row["id"])
    tx.run("UPDATE deliveries SET arrived = ? WHERE id = ?", row["arrived"], made)
    return made
