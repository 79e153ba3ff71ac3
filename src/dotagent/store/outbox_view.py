"""Deliveries as people ask for them: what a request caused, what waits, what died, one in full.

Nothing here writes. Invariant: what is said to wait, waits for exactly as long as the outbox holds
it back: its own hold, its channel's rest, and those of whatever must go before it (promise P4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Row

from dotagent.core.fold import Why
from dotagent.core.model import DeliveryState, Kind
from dotagent.store.reading import Reader

DEAD = (DeliveryState.EXPIRED, DeliveryState.REJECTED)
WAITING = (DeliveryState.PENDING, DeliveryState.SENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery. ``name``: the channel, as people call it; ``scope``: whose it is, empty for
    everybody's; ``notifier``: its key there. ``free_at``: when it may go, at the
    earliest; None unless it waits. ``tried_why``: what came of the last try, if it did not go.
    ``folded``: with how many others it is one message, and why."""

    id: int
    event_seq: int
    kind: Kind
    at: int
    agent: str
    schedule_id: str
    scope: str
    notifier: str
    name: str
    driver: str
    state: DeliveryState
    reason: str
    tries: int
    created_at: int
    ended_at: int | None
    expires_at: int
    free_at: int | None
    tried_why: str
    parked_why: str | None
    doubtful: bool
    resend_of: int | None
    hold_until: int
    folded: str

    @property
    def took_ms(self) -> int | None:
        """From the commit that made it to its end; None while it has none."""
        return None if self.ended_at is None else self.ended_at - self.created_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """One try, as the ledger has it. ``outcome`` is None while it is under way."""

    number: int
    started_at: int
    ended_at: int | None
    outcome: str | None
    why: str
    may_repeat: bool


_ALL = """
SELECT d.*, e.kind, e.at, e.agent, e.schedule, t.parked_at, t.parked_why,
       CASE WHEN d.state = 'pending' THEN
         (SELECT max(max(p.hold_until, pt.down_until)) FROM deliveries p
          JOIN destinations pt USING (fingerprint)
          WHERE p.order_key = d.order_key AND p.state IN ('pending', 'sending')
            AND +p.state = 'pending' AND p.id <= d.id) END AS free_at,
       (SELECT s.why FROM sends s WHERE s.delivery_id = d.id AND s.outcome != 'sent'
        ORDER BY s.number DESC LIMIT 1) AS tried_why
FROM deliveries d JOIN events e ON e.seq = d.event_seq
JOIN destinations t ON t.fingerprint = d.fingerprint
"""


def of_attempt(reader: Reader, attempt_id: int) -> list[Delivery]:
    """What an attempt made people hear, in order."""
    rows = reader.execute(f"{_ALL} WHERE e.attempt_id = ? ORDER BY d.id", (attempt_id,))
    return [_delivery(row) for row in rows]


def of_ids(reader: Reader, ids: Sequence[int]) -> list[Delivery]:
    """These deliveries, in order; those that do not exist are left out."""
    wanted = ",".join(str(int(each)) for each in ids)
    return [_delivery(row) for row in reader.execute(f"{_ALL} WHERE d.id IN ({wanted})")]


def latest(
    reader: Reader, states: Sequence[DeliveryState], limit: int, *, held_at: int | None = None
) -> list[Delivery]:
    """The latest ``limit`` deliveries in any of ``states`` (none: in any state), oldest first; with
    ``held_at`` those that quiet hours hold then."""
    where = _among(states, held_at)
    sql = f"{_ALL} WHERE {where} ORDER BY d.id DESC LIMIT ?"
    return [_delivery(row) for row in reader.execute(sql, (limit,))][::-1]


def count(reader: Reader, states: Sequence[DeliveryState], *, held_at: int | None = None) -> int:
    """How many deliveries that are."""
    where = _among(states, held_at)
    found = reader.execute(f"SELECT count(*) FROM deliveries d WHERE {where}")
    return int(found.fetchone()[0])


def _among(states: Sequence[DeliveryState], held_at: int | None) -> str:
    """A dead letter that was sent again is no longer one of the dead: the later one stands for
    it. A test is none: whoever asked for it knows."""
    if held_at is not None:
        return f"d.state = 'pending' AND d.hold_until > {held_at}"
    if not states:
        return "true"
    dead, wanted = (", ".join(f"'{each}'" for each in some) for some in (DEAD, states))
    again = "EXISTS (SELECT 1 FROM deliveries r WHERE r.resend_of = d.id)"
    test = "EXISTS (SELECT 1 FROM events t WHERE t.seq = d.event_seq AND t.kind = 'test')"
    return f"d.state IN ({wanted}) AND NOT (d.state IN ({dead}) AND ({again} OR {test}))"


def sends(reader: Reader, delivery_id: int) -> list[Send]:
    """The ledger of one delivery, in order."""
    rows = reader.execute(
        "SELECT * FROM sends WHERE delivery_id = ? ORDER BY number", (delivery_id,)
    )
    return [
        Send(
            number=row["number"],
            started_at=row["started_at"],
            ended_at=row["ended_at"],
            outcome=row["outcome"],
            why=row["why"] or "",
            may_repeat=bool(row["may_repeat"]),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What goes as one message: the events' numbers, that of the leader first."""

    seqs: Sequence[int]
    why: Why | None = None
    doubtful: bool = False
    resent: bool = False


def unit_of(reader: Reader, delivery_id: int) -> Unit:
    """The message in which the delivery went, or goes next as far as is known."""
    rows = reader.execute(
        "SELECT m.* FROM deliveries d JOIN deliveries m"
        " ON m.id = coalesce(d.led_by, d.id) OR m.led_by = coalesce(d.led_by, d.id)"
        " WHERE d.id = ? ORDER BY m.led_by IS NOT NULL, m.id",
        (delivery_id,),
    ).fetchall()
    lead = rows[0]
    return Unit(
        seqs=[row["event_seq"] for row in rows],
        why=Why.of(lead["folded"]) if lead["folded"] and len(rows) > 1 else None,
        doubtful=any(row["doubtful"] for row in rows),
        resent=lead["resend_of"] is not None,
    )


def may_go(reader: Reader, now: int, since: int, patience_ms: int) -> bool:
    """Whether anything is on its way, or may go before ``patience_ms`` have passed since it was
    made, or since ``since`` where that is later."""
    found = reader.execute(
        "SELECT 1 FROM deliveries d JOIN destinations t USING (fingerprint)"
        " WHERE d.state = 'sending' OR (d.state = 'pending' AND d.turn = 1"
        " AND max(d.created_at, ?1) + ?2 >= max(d.hold_until, t.down_until, ?3)) LIMIT 1",
        (since, patience_ms, now),
    )
    return found.fetchone() is not None


def _delivery(row: Row) -> Delivery:
    return Delivery(
        id=row["id"],
        event_seq=row["event_seq"],
        kind=Kind(row["kind"]),
        at=row["at"],
        agent=row["agent"],
        schedule_id=row["schedule"],
        scope=row["scope"],
        notifier=row["notifier"],
        name=row["name"],
        driver=row["driver"],
        state=DeliveryState(row["state"]),
        reason=row["reason"],
        tries=row["tries"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
        expires_at=row["expires_at"],
        free_at=row["free_at"],
        tried_why=row["tried_why"] or "",
        parked_why=row["parked_why"] if row["parked_at"] is not None else None,
        doubtful=bool(row["doubtful"]),
        resend_of=row["resend_of"],
        hold_until=row["hold_until"],
        folded=row["folded"],
    )
