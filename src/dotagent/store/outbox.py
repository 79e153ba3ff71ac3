"""The outbox: which deliveries may go now (rules R14, R17, R18).

A claim takes a row whose ``turn`` it is (P4) from a destination that is up, paced and not full,
marks it ``sending`` under this holder's epoch and opens its ledger row, all in one transaction.
Invariant: at most one unsettled row of an order key has its turn, and it is the earliest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from sqlite3 import Row

from dotagent.store.actor import Actor
from dotagent.store.database import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A delivery that this holder must send now; ``number`` is its place in the ledger."""

    delivery_id: int
    number: int
    event_seq: int
    scope: str
    notifier: str
    name: str
    driver: str
    fingerprint: str
    plain: bool
    may_repeat: bool
    arrived: frozenset[str] = frozenset()
    """Fingerprints of the recipients that have it by earlier tries."""


# ------------------------------------------------------------------------------------------ claim

_TURN = "state = 'pending' AND turn = 1"
# From one destination that something waits for to the next, along an index: the others, of which
# there may be ten thousand, are not looked at (https://www.sqlite.org/lang_with.html).
_WAITED_FOR = f"""
WITH RECURSIVE waited_for (fingerprint) AS (
  SELECT min(fingerprint) FROM deliveries WHERE {_TURN}
  UNION ALL
  SELECT (SELECT min(d.fingerprint) FROM deliveries d
          WHERE {_TURN} AND d.fingerprint > waited_for.fingerprint)
  FROM waited_for WHERE waited_for.fingerprint IS NOT NULL)
"""
_FIRST = f"""
(SELECT d.id FROM deliveries d WHERE d.fingerprint = t.fingerprint AND {_TURN}
 AND d.hold_until <= ?1 ORDER BY d.hold_until, d.id LIMIT 1) AS first
"""
_READY = f"""
{_WAITED_FOR}
SELECT t.*, {_FIRST} FROM waited_for JOIN destinations t USING (fingerprint)
WHERE t.down_until <= ?1 AND first IS NOT NULL ORDER BY first
"""
_READY_ONE = f"""
SELECT t.*, {_FIRST} FROM destinations t
WHERE t.fingerprint = ?2 AND t.down_until <= ?1 AND first IS NOT NULL
"""
_SUSPECT_IN_FLIGHT = "SELECT 1 FROM deliveries WHERE state = 'sending' AND suspect > 0"


def claim(
    tx: Tx, actor: Actor, now: int, room: int, only: Iterable[str] | None = None
) -> list[Claim]:
    """Take up to ``room`` deliveries that may go now, of all destinations or of ``only`` these.
    Where room is short, the destination that has waited longest comes first."""
    if only is None:
        ready = tx.all(_READY, now)
    else:
        ready = [row for each in sorted(set(only)) for row in tx.all(_READY_ONE, now, each)]
    claims: list[Claim] = []
    for destination in ready:
        if len(claims) >= room:
            break
        claims += _claim_from(tx, actor, now, destination, room - len(claims))
    return claims


def _claim_from(tx: Tx, actor: Actor, now: int, destination: Row, room: int) -> list[Claim]:
    fingerprint = destination["fingerprint"]
    busy = tx.value(
        "SELECT count(*) FROM deliveries WHERE fingerprint = ? AND state = 'sending'", fingerprint
    )
    sick = destination["failures"] > 0 or destination["parked_at"] is not None
    slots = min(room, (1 if sick else destination["parallel"]) - busy)
    claims: list[Claim] = []
    paced_at = destination["paced_at"]
    # A row may turn out quiet when it is looked at: one by one, until the slots are used.
    while len(claims) < slots:
        row = tx.one(_FREE, fingerprint, now)
        paced = _pace(destination, paced_at, now)
        if row is None or paced is None:
            break
        if _quiet_recovery(tx, row):
            end(tx, now, row, "suppressed", "every failure message of this outage stayed quiet")
        else:
            paced_at = paced
            claims.append(_take(tx, actor, now, row))
    return _paced(tx, fingerprint, paced_at, claims)


# Of the suspects one at a time is sent, over all destinations; everything else flows (rules R17).
_FREE = f"""
SELECT d.*, e.kind, e.outage_id FROM deliveries d JOIN events e ON e.seq = d.event_seq
WHERE d.fingerprint = ? AND d.state = 'pending' AND d.turn = 1 AND d.hold_until <= ?
  AND (d.suspect = 0 OR NOT EXISTS ({_SUSPECT_IN_FLIGHT}))
ORDER BY d.hold_until, d.id LIMIT 1
"""


def _pace(destination: Row, paced_at: int, now: int) -> int | None:
    """GCRA: the new theoretical arrival time, or None where sending now would be too fast.
    Source: ITU-T I.371, the generic cell rate algorithm."""
    every: int = destination["every_ms"]
    arrival = max(paced_at, now) + every
    # A stamp from a clock that ran ahead counts as none (rules R3).
    if paced_at > now + every * destination["burst"]:
        return now + every
    return arrival if arrival - now <= every * destination["burst"] else None


def _paced(tx: Tx, fingerprint: str, paced_at: int, claims: list[Claim]) -> list[Claim]:
    if claims:
        tx.run("UPDATE destinations SET paced_at = ? WHERE fingerprint = ?", paced_at, fingerprint)
    return claims


def _quiet_recovery(tx: Tx, row: Row) -> bool:
    """Rules R14: good news only to those who heard, or could have heard, the bad."""
    if row["kind"] != "recovered" or row["outage_id"] is None or row["resend_of"] is not None:
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


def _take(tx: Tx, actor: Actor, now: int, row: Row) -> Claim:
    number = row["tries"] + 1
    tx.run(
        "UPDATE deliveries SET state = 'sending', tries = ?, epoch = ? WHERE id = ?",
        number,
        actor.epoch,
        row["id"],
    )
    tx.run(
        "INSERT INTO sends (delivery_id, number, epoch, fingerprint, started_at, may_repeat)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        row["id"],
        number,
        actor.epoch,
        row["fingerprint"],
        now,
        row["doubtful"],
    )
    return Claim(
        delivery_id=row["id"],
        number=number,
        event_seq=row["event_seq"],
        scope=row["scope"],
        notifier=row["notifier"],
        name=row["name"],
        driver=row["driver"],
        fingerprint=row["fingerprint"],
        plain=bool(row["plain"]),
        may_repeat=bool(row["doubtful"]),
        arrived=frozenset(row["arrived"].split()),
    )


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
        "UPDATE deliveries SET turn = 1 WHERE id = (SELECT min(id) FROM deliveries"
        " WHERE order_key = ? AND state IN ('pending', 'sending'))",
        row["order_key"],
    )


# ------------------------------------------------------------------------------------------- wake

_WAKE = f"""
{_WAITED_FOR}
SELECT min(max(t.down_until, first.at, CASE WHEN t.every_ms = 0 THEN 0
           ELSE t.paced_at + t.every_ms - t.every_ms * t.burst END))
FROM destinations t JOIN (
  SELECT w.fingerprint AS fingerprint,
         (SELECT d.hold_until FROM deliveries d WHERE d.fingerprint = w.fingerprint AND {_TURN}
          AND (d.suspect = 0 OR NOT EXISTS ({_SUSPECT_IN_FLIGHT}))
          ORDER BY d.hold_until LIMIT 1) AS at
  FROM waited_for w) AS first USING (fingerprint)
WHERE first.at IS NOT NULL
  AND (SELECT count(*) FROM deliveries b WHERE b.fingerprint = t.fingerprint
       AND b.state = 'sending')
      < CASE WHEN t.failures > 0 OR t.parked_at IS NOT NULL THEN 1 ELSE t.parallel END
"""


def next_wake(tx: Tx) -> int | None:
    """When the next delivery may become free by time alone; one look-up for each destination that
    something waits for. One that is full is not looked at: the settle of what it is sending claims
    the next. Nor is a suspect while another is in flight: its settle wakes the engine."""
    at: int | None = tx.value(_WAKE)
    return at
