"""In whose company a delivery goes: what is claimed with it as one message, and what is not sent at
all when its turn comes (rules R14, R18, R22).

Invariants: who goes along is free to go, for the same destination, and no earlier delivery of its
order key is left behind; a delivery that is kept quiet here ends with its reason, recorded as a
success.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from sqlite3 import Row

from dotagent.core import limit
from dotagent.core.fold import (
    BACKLOG_MS,
    FOLDED_MOST,
    GRAVITY,
    PROBE_MOST,
    Channel,
    Waiting,
    Why,
    fold,
    leading,
)
from dotagent.core.model import FAILURES, Kind, Skipped
from dotagent.store import ledger
from dotagent.store.actor import Actor
from dotagent.store.database import Tx
from dotagent.store.turn import end

COLUMNS = """
       d.*, e.seq, e.kind, e.at, e.agent, e.schedule, e.window_id, e.outage_id,
       e.attempt_id, e.about, e.facts,
       coalesce(r.rate_limit_ms, 0) AS rate_limit_ms, coalesce(r.collapse, 0) AS collapse,
       coalesce(r.folds, 0) AS folds,
       (SELECT sha256 FROM agents WHERE name = d.scope) AS manifest_sha256
"""
TABLES = """
FROM deliveries d JOIN events e ON e.seq = d.event_seq
LEFT JOIN routing r ON r.scope = d.scope AND r.notifier = d.notifier
"""
ROWS = f"SELECT {COLUMNS} {TABLES}"
"""Deliveries with their events, and what their notifiers say of them."""

# ---------------------------------------------------------------------------------------- company


def company(
    tx: Tx, actor: Actor, now: int, destination: Row, row: Row
) -> tuple[list[Row], Why | None]:
    """What goes as one message together with ``row``, the leader first, and why; mostly ``row``
    alone."""
    if _is_alone(row):
        return [row], None
    rows, why = (
        _as_before(tx, now, row) if row["suspect"] else _anew(tx, actor, now, destination, row)
    )
    rows = [each for each in rows if each["id"] == row["id"] or not hushed(tx, actor, now, each)]
    return _led(rows, why)


def _anew(
    tx: Tx, actor: Actor, now: int, destination: Row, row: Row
) -> tuple[list[Row], Why | None]:
    """With what else waits for the destination."""
    queues = [_queue(tx, now, row, FOLDED_MOST)]
    if _may_be_wide(tx, actor, now, destination, row):
        queues += _others(tx, now, row, PROBE_MOST if destination["failures"] else FOLDED_MOST)
    channel = Channel(
        storm=actor.storm,
        failing=destination["failures"] > 0,
        back_at=destination["back_at"],
    )
    found = fold([[_waiting(each) for each in queue] for queue in queues], channel, now)
    if found is None:
        return [row], None
    taken = {each.id for each in found.rows}
    return [each for queue in queues for each in queue if each["id"] in taken], found.why


def _is_alone(row: Row) -> bool:
    """Whether it goes by itself: a program reads it, it was refused before, or some of those that
    it is for have it already."""
    return not row["folds"] or bool(row["apart"] or row["plain"] or row["arrived"])


def _led(rows: Sequence[Row], why: Why | None) -> tuple[list[Row], Why | None]:
    if len(rows) == 1 or why is None:
        return [*rows], None
    lead = leading([_waiting(each) for each in rows], why)
    first = [each for each in rows if each["id"] == lead.id]
    return [*first, *(each for each in rows if each["id"] != lead.id)], why


def _waiting(row: Row) -> Waiting:
    return Waiting(
        id=row["id"],
        key=row["order_key"],
        kind=Kind(row["kind"]),
        created_at=row["created_at"],
        held=row["hold_until"] > 0,
        collapse=bool(row["collapse"]),
        outage_id=row["outage_id"],
        attempt_id=row["attempt_id"],
    )


def _may_be_wide(tx: Tx, actor: Actor, now: int, destination: Row, row: Row) -> bool:
    """Whether it is worth looking at the other keys that wait for the destination."""
    if row["hold_until"] > 0:
        return True
    until = now if destination["failures"] else destination["back_at"]
    if until is not None and row["created_at"] + BACKLOG_MS <= until:
        return True
    waiting = tx.value(
        "SELECT count(*) FROM (SELECT 1 FROM deliveries INDEXED BY deliveries_overdue"
        " WHERE fingerprint = ? AND state = 'pending' LIMIT ?)",
        row["fingerprint"],
        actor.storm + 1,
    )
    return bool(waiting > actor.storm)


def _queue(tx: Tx, now: int, row: Row, most: int) -> list[Row]:
    """What may go with a row of its own key: it, and what stands free right behind it."""

    def free(each: Row) -> bool:
        alone = each["suspect"] or _is_alone(each)
        here = each["state"] == "pending" and each["fingerprint"] == row["fingerprint"]
        return here and not alone and each["hold_until"] <= now

    behind = tx.all(
        f"{ROWS} WHERE d.order_key = ? AND d.state IN ('pending', 'sending') AND d.id > ?"
        " ORDER BY d.id LIMIT ?",
        row["order_key"],
        row["id"],
        most,
    )
    return [row, *takewhile(free, behind)]


def _others(tx: Tx, now: int, row: Row, most: int) -> list[list[Row]]:
    """The queues of the other keys, as many as may hold ``most``; the gravest first."""
    found: list[list[Row]] = []
    for level in sorted(GRAVITY.values(), reverse=True):
        firsts = tx.all(
            f"{ROWS} WHERE d.fingerprint = ? AND d.state = 'pending' AND d.turn = 1"
            " AND d.urgency = ? AND d.hold_until <= ? ORDER BY d.hold_until, d.id LIMIT ?",
            row["fingerprint"],
            level,
            now,
            most,
        )
        for first in firsts:
            alone = first["suspect"] or _is_alone(first)
            if first["id"] != row["id"] and not alone and most > 0:
                found.append(_queue(tx, now, first, most))
                most -= len(found[-1])
    return found


def _as_before(tx: Tx, now: int, row: Row) -> tuple[list[Row], Why | None]:
    """Messages that a crash cut short together go together again, so that one repeat stays one."""
    unit = row["led_by"] or row["id"]
    mates = tx.all(
        f"{ROWS} WHERE d.id IN (SELECT ? UNION SELECT id FROM deliveries WHERE led_by = ?)"
        " AND +d.state = 'pending' AND d.suspect > 0 AND d.apart = 0 AND d.fingerprint = ?"
        " AND d.hold_until <= ? ORDER BY d.id",
        unit,
        unit,
        row["fingerprint"],
        now,
    )
    ids = {each["id"] for each in mates}
    free = {
        each
        for key in {each["order_key"] for each in mates}
        for each in takewhile(ids.__contains__, _in_order(tx, key, len(ids)))
    }
    rows = [each for each in mates if each["id"] in free]
    return (rows, Why.of(row["folded"])) if len(rows) > 1 else ([row], None)


def _in_order(tx: Tx, order_key: str, most: int) -> list[int]:
    """The first that have not ended of a key."""
    found = tx.all(
        "SELECT id FROM deliveries WHERE order_key = ? AND state IN ('pending', 'sending')"
        " ORDER BY id LIMIT ?",
        order_key,
        most,
    )
    return [each["id"] for each in found]


# ------------------------------------------------------------------------------------ kept quiet


def hushed(tx: Tx, actor: Actor, now: int, row: Row) -> bool:
    """Whether the delivery is kept quiet now that it is its turn; it has ended then."""
    if row["about"] == row["fingerprint"]:  # its notifier has come to point there (rules R21)
        end(tx, now, row, "suppressed", "it is about this very channel")
        return True
    if row["resend_of"] is not None:
        return False  # a person wants it
    if _is_quiet_recovery(tx, row):
        end(tx, now, row, "suppressed", "every failure message of this outage stayed quiet")
        return True
    return _is_limited(tx, actor, now, row)


def _is_quiet_recovery(tx: Tx, row: Row) -> bool:
    """Rules R14: good news only to those who heard, or could have heard, the bad."""
    if row["kind"] != "recovered" or row["outage_id"] is None:
        return False
    failures = tx.one(
        "SELECT count(*) AS all_, count(*) FILTER (WHERE d.state = 'suppressed') AS quiet"
        " FROM deliveries d JOIN events e ON e.seq = d.event_seq"
        " WHERE e.outage_id = ? AND e.kind NOT IN ('recovered', 'success')"
        " AND d.scope = ? AND d.notifier = ?",
        row["outage_id"],
        row["scope"],
        row["notifier"],
    )
    return failures is not None and failures["all_"] > 0 and failures["all_"] == failures["quiet"]


def _is_limited(tx: Tx, actor: Actor, now: int, row: Row) -> bool:
    """Rules R22. What dotagent says of itself is about no schedule, and has no limit."""
    if not row["rate_limit_ms"] or not row["agent"]:
        return False
    said_at = tx.value(
        "SELECT max(at) FROM said WHERE fingerprint = ? AND agent = ? AND schedule = ?"
        " AND gravity >= ? AND at <= ?",
        row["fingerprint"],
        row["agent"],
        row["schedule"],
        row["gravity"],
        now,
    )
    kind, limit_ms = Kind(row["kind"]), row["rate_limit_ms"]
    ends_at = limit.limited_until(kind, said_at, now, limit_ms)
    if ends_at is None:
        return False
    _skip(tx, actor, now, row, Skipped(why=limit.reason(said_at, now, limit_ms)))
    if kind in FAILURES:
        _owe(tx, row, ends_at)
    return True


def _owe(tx: Tx, row: Row, ends_at: int) -> None:
    """Should it still fail when the limit ends, that is told (store/owed.py); once an outage."""
    tx.run(
        "INSERT OR REPLACE INTO owed (outage_id, scope, notifier, due_at)"
        " SELECT id, ?, ?, ? FROM outages WHERE id = ? AND closed_at IS NULL",
        row["scope"],
        row["notifier"],
        ends_at,
        row["outage_id"],
    )


def _skip(tx: Tx, actor: Actor, now: int, row: Row, outcome: Skipped) -> None:
    """A skip is a success with its reason, in the ledger and in the record."""
    number = ledger.begin(tx, actor, now, row)
    ledger.fill(tx, now, row["id"], number, outcome, row["fingerprint"])
    tx.run("UPDATE deliveries SET tries = ? WHERE id = ?", number, row["id"])
    ledger.attest(tx, actor, now, row, number, outcome)
    end(tx, now, row, "suppressed", outcome.why)


def heard(tx: Tx, now: int, fingerprint: str, row: Row) -> None:
    """A message has reached a recipient: kept where somebody limits that one (``limited``: of the
    recipient that the row was claimed for)."""
    if not row["agent"] or (fingerprint == row["fingerprint"] and not row["limited"]):
        return
    tx.run(
        "INSERT OR REPLACE INTO said (fingerprint, agent, schedule, gravity, at)"
        " SELECT ?1, ?2, ?3, ?4, ?5"
        " WHERE EXISTS (SELECT 1 FROM routing WHERE fingerprint = ?1 AND rate_limit_ms > 0)",
        fingerprint,
        row["agent"],
        row["schedule"],
        row["gravity"],
        now,
    )
