"""The outbox: which deliveries may go now (rules R14, R17, R18).

A claim takes a row whose ``turn`` it is (P4) from a destination that is up, paced and not full,
marks it ``sending`` under this holder's epoch and opens its ledger row, all in one transaction.
Invariant: at most one unsettled row of an order key has its turn, and it is the earliest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from sqlite3 import Row

from dotagent.core import share
from dotagent.core.fold import GRAVITY, Why
from dotagent.store import ledger
from dotagent.store.actor import Actor
from dotagent.store.company import COLUMNS, TABLES, company, hushed
from dotagent.store.database import Tx
from dotagent.store.event_row import PRINTED, Content, content_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A delivery that goes in another's message; its own place in the ledger."""

    delivery_id: int
    number: int
    event_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A delivery that this holder must send now; ``number`` is its place in the ledger. With
    ``others`` it leads them: all of them are one message, in event order. ``why`` they are one."""

    delivery_id: int
    number: int
    event_seq: int
    scope: str
    manifest_sha256: str
    """Of the manifest in force, where ``scope`` is an agent; its notifier is in there."""
    notifier: str
    name: str
    driver: str
    fingerprint: str
    plain: bool
    may_repeat: bool
    others: tuple[Member, ...] = ()
    why: Why | None = None
    arrived: frozenset[str] = frozenset()
    """Fingerprints of the recipients that have it by earlier tries."""
    resent: bool = False
    """A person wanted it sent again."""
    content: Content | None = field(default=None, repr=False)
    """What it says, where it goes alone."""

    @property
    def ids(self) -> list[int]:
        """All that this message is about."""
        return [self.delivery_id, *(each.delivery_id for each in self.others)]

    @property
    def lead(self) -> Member:
        return Member(delivery_id=self.delivery_id, number=self.number, event_seq=self.event_seq)


# ------------------------------------------------------------------------------------------ claim

_TURN = "state = 'pending' AND turn = 1"
# From one destination that something waits for to the next, along an index: the others, of which
# there may be ten thousand, are not looked at (https://www.sqlite.org/lang_with.html). The index is
# named, for SQLite would else read all that waits to find one that has its turn.
_WAITED_FOR = f"""
WITH RECURSIVE waited_for (fingerprint) AS (
  SELECT min(fingerprint) FROM deliveries INDEXED BY deliveries_free WHERE {_TURN}
  UNION ALL
  SELECT (SELECT min(d.fingerprint) FROM deliveries d INDEXED BY deliveries_free
          WHERE {_TURN} AND d.fingerprint > waited_for.fingerprint)
  FROM waited_for WHERE waited_for.fingerprint IS NOT NULL)
"""
LEVELS = tuple(sorted(GRAVITY.values(), reverse=True))
"""Urgencies, the greatest first: one look-up along an index for each."""


def _first(level: int) -> str:
    return f"""
(SELECT d.id FROM deliveries d WHERE d.fingerprint = t.fingerprint AND {_TURN}
 AND d.urgency = {level} AND d.hold_until <= ?1 ORDER BY d.hold_until, d.id LIMIT 1)
AS first_{level}
"""


_FIRSTS = ", ".join(_first(level) for level in LEVELS)
_BUSY = """
(SELECT count(*) FROM deliveries b INDEXED BY deliveries_sending
 WHERE b.fingerprint = t.fingerprint AND b.state = 'sending' AND b.led_by IS NULL)
"""
_READY = f"""
{_WAITED_FOR}
SELECT t.*, {_BUSY} AS busy, {_FIRSTS} FROM waited_for JOIN destinations t USING (fingerprint)
WHERE t.down_until <= ?1
"""
_READY_ONE = f"""
SELECT t.*, {_BUSY} AS busy, {_FIRSTS} FROM destinations t
WHERE t.fingerprint = ?2 AND t.down_until <= ?1
"""
_SUSPECT_IN_FLIGHT = "SELECT 1 FROM deliveries WHERE state = 'sending' AND suspect > 0"


def claim(
    tx: Tx, actor: Actor, now: int, room: int, only: Iterable[str] | None = None
) -> list[Claim]:
    """Take up to ``room`` deliveries that may go now, of all destinations or of ``only`` these.
    Where room is short, what is gravest comes first, then what has waited longest."""
    if only is None:
        ready = tx.all(_READY, now)
    else:
        ready = [row for each in sorted(set(only)) for row in tx.all(_READY_ONE, now, each)]
    ranked = sorted((rank, row) for row in ready if (rank := _rank(row)) is not None)
    if not ranked:
        return []
    flow = _flow(tx)
    claims: list[Claim] = []
    for _, destination in ranked:
        if len(claims) >= room:
            break
        claims += _claim_from(tx, actor, now, destination, room - len(claims), flow)
    return claims


def _rank(destination: Row) -> tuple[int, int] | None:
    """Which of two destinations is served first; None where nothing may go."""
    for level in LEVELS:
        first = destination[f"first_{level}"]
        if first is not None:
            return (-level, first)
    return None


def _claim_from(
    tx: Tx, actor: Actor, now: int, destination: Row, room: int, flow: share.Flow
) -> list[Claim]:
    fingerprint = destination["fingerprint"]
    sick = _is_sick(destination)
    most = share.slots(flow, parallel=destination["parallel"], sick=sick)
    slots = min(room, most - destination["busy"])
    claims: list[Claim] = []
    paced_at = destination["paced_at"]
    levels: Sequence[int] = [level for level in LEVELS if destination[f"first_{level}"] is not None]
    # A row may turn out quiet when it is looked at: one by one, until the slots are used.
    while len(claims) < slots:
        row, levels = _next(tx, fingerprint, now, levels, slots - len(claims))
        paced = _pace(destination, paced_at, now)
        if row is None or paced is None:
            break
        is_hushed = hushed(tx, actor, now, row)
        if is_hushed or row["folds"]:
            levels = LEVELS  # what ended here, or in its company, gave a turn to others
        if not is_hushed:
            paced_at = paced
            rows, why = company(tx, actor, now, destination, row)
            content = content_of(row) if len(rows) == 1 else None
            claims.append(_take(tx, actor, now, rows, why, content))
    flow.more(len(claims), sick=sick)
    if claims and destination["every_ms"]:
        tx.run("UPDATE destinations SET paced_at = ? WHERE fingerprint = ?", paced_at, fingerprint)
    return claims


_FLOW = """
SELECT count(*), count(*) FILTER (WHERE t.failures > 0 OR t.parked_at IS NOT NULL)
FROM deliveries d INDEXED BY deliveries_sending CROSS JOIN destinations t USING (fingerprint)
WHERE d.state = 'sending' AND d.led_by IS NULL
"""


def _flow(tx: Tx) -> share.Flow:
    """What is on its way; at most as much as is sent at once."""
    found = tx.one(_FLOW)
    assert found is not None
    return share.Flow(sending=found[0], probing=found[1])


def _is_sick(destination: Row) -> bool:
    return destination["failures"] > 0 or destination["parked_at"] is not None


def _next(
    tx: Tx, fingerprint: str, now: int, levels: Sequence[int], wanted: int
) -> tuple[Row | None, Sequence[int]]:
    """The row to go next, of the gravest key, and of those the one that has waited longest; and
    the levels at which more may be free, looked for only where more is ``wanted``."""
    for at, level in enumerate(levels):
        rows = tx.all(_FREE, fingerprint, level, now, min(wanted, 2))
        if rows:
            return rows[0], levels[at + (len(rows) < 2) :]
    return None, ()


# Of the suspects one message at a time is sent, over all destinations; everything else flows
# (rules R17).
_FREE = f"""
SELECT {COLUMNS}, {PRINTED} {TABLES} LEFT JOIN attempts a ON a.id = e.attempt_id
WHERE d.fingerprint = ? AND d.state = 'pending' AND d.turn = 1 AND d.urgency = ?
  AND d.hold_until <= ? AND (d.suspect = 0 OR NOT EXISTS ({_SUSPECT_IN_FLIGHT}))
ORDER BY d.hold_until, d.id LIMIT ?
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


def _take(
    tx: Tx, actor: Actor, now: int, rows: Sequence[Row], why: Why | None, content: Content | None
) -> Claim:
    """Mark them as sending, the first of them leading, and open their ledger rows."""
    lead, *others = rows
    folded = "" if why is None else why.said(len(others))
    for row in rows:
        led_by = None if row is lead else lead["id"]
        number = ledger.begin(tx, actor, now, row, led_by)
        tx.run(
            "UPDATE deliveries SET state = 'sending', tries = ?, epoch = ?, led_by = ?, folded = ?"
            " WHERE id = ?",
            number,
            actor.epoch,
            led_by,
            folded,
            row["id"],
        )
    return Claim(
        delivery_id=lead["id"],
        number=lead["tries"] + 1,
        event_seq=lead["event_seq"],
        scope=lead["scope"],
        manifest_sha256=lead["manifest_sha256"] or "",
        notifier=lead["notifier"],
        name=lead["name"],
        driver=lead["driver"],
        fingerprint=lead["fingerprint"],
        plain=bool(lead["plain"]),
        may_repeat=any(row["doubtful"] for row in rows),
        arrived=frozenset(lead["arrived"].split()),
        resent=lead["resend_of"] is not None,
        others=tuple(
            Member(delivery_id=row["id"], number=row["tries"] + 1, event_seq=row["event_seq"])
            for row in others
        ),
        why=why,
        content=content,
    )


# ------------------------------------------------------------------------------------------- wake


def _soonest(level: int) -> str:
    return f"""
coalesce((SELECT d.hold_until FROM deliveries d WHERE d.fingerprint = w.fingerprint AND {_TURN}
          AND d.urgency = {level}
          AND (d.suspect = 0 OR NOT EXISTS ({_SUSPECT_IN_FLIGHT}))
          ORDER BY d.hold_until LIMIT 1), {_NEVER})
"""


_NEVER = 2**62
_WAKE = f"""
{_WAITED_FOR}
SELECT min(max(t.down_until, first.at, CASE WHEN t.every_ms = 0 THEN 0
           ELSE t.paced_at + t.every_ms - t.every_ms * t.burst END))
FROM destinations t JOIN (
  SELECT w.fingerprint AS fingerprint,
         min({", ".join(_soonest(level) for level in LEVELS)}) AS at
  FROM waited_for w) AS first USING (fingerprint)
WHERE first.at < {_NEVER}
  AND {_BUSY}
      < CASE WHEN t.failures > 0 OR t.parked_at IS NOT NULL THEN ?1 ELSE min(t.parallel, ?2) END
"""


def next_wake(tx: Tx) -> int | None:
    """When the next delivery may become free by time alone; one look-up for each destination that
    something waits for. One that is full is not looked at: the settle of what it is sending claims
    the next. Nor is a suspect while another is in flight: its settle wakes the engine."""
    flow = _flow(tx)
    sick = share.slots(flow, parallel=1, sick=True)
    well = share.slots(flow, parallel=share.SENDS_AT_ONCE, sick=False)
    at: int | None = tx.value(_WAKE, sick, well)
    return at
