"""Events, and who was told of them: for the inbox and for ``why``.

A message that was sent again by hand stands for the one before it. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from sqlite3 import Row

from dotagent.core.case import News, Sending, Telling
from dotagent.core.model import DeliveryState, Event
from dotagent.store.event_row import event_of
from dotagent.store.reading import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An event of the inbox: who was told, as counts by the state of the message."""

    event: Event
    told: tuple[tuple[DeliveryState, int], ...]


def inbox(reader: Reader, agent: str | None, limit: int) -> list[Line]:
    """The last events, newest last."""
    rows = reader.execute(
        "SELECT * FROM events WHERE (?1 IS NULL OR agent = ?1) ORDER BY seq DESC LIMIT ?2",
        (agent, limit),
    ).fetchall()
    counts: dict[int, list[tuple[DeliveryState, int]]] = {}
    for row in reader.execute(
        "SELECT event_seq, state, count(*) AS count FROM deliveries d"
        f" WHERE event_seq IN ({_list(row['seq'] for row in rows)}) AND {_STANDS}"
        " GROUP BY event_seq, state ORDER BY state",
    ):
        state = DeliveryState(row["state"])
        counts.setdefault(row["event_seq"], []).append((state, row["count"]))
    return [
        Line(event=event_of(row), told=tuple(counts.get(row["seq"], ()))) for row in reversed(rows)
    ]


_STANDS = "NOT EXISTS (SELECT 1 FROM deliveries r WHERE r.resend_of = d.id)"
"""Not sent again since: the later message stands for it."""

_HELD_UP_BY = (
    "CASE WHEN d.turn = 0 AND d.state = 'pending' THEN (SELECT f.reason FROM deliveries f"
    " WHERE f.order_key = d.order_key AND f.state IN ('pending', 'sending')"
    " ORDER BY f.id LIMIT 1) END"
)
"""What keeps the message before it from going keeps this one (promise P4)."""


def news(reader: Reader, where: str, params: Sequence[str | int]) -> list[News]:
    """The events that match, in order, with their deliveries and sends."""
    rows = reader.execute(f"SELECT * FROM events WHERE {where} ORDER BY seq", params).fetchall()
    told: dict[int, list[Telling]] = {row["seq"]: [] for row in rows}
    for row in reader.execute(
        "SELECT d.*, max(d.hold_until, t.down_until) AS next_at,"
        f" coalesce(nullif(d.reason, ''), {_HELD_UP_BY}, '') AS because FROM deliveries d"
        f" JOIN destinations t USING (fingerprint) WHERE event_seq IN ({_list(told)})"
        f" AND {_STANDS} ORDER BY d.id",
    ).fetchall():
        told[row["event_seq"]].append(_telling(reader, row))
    return [News(event=event_of(row), told=tuple(told[row["seq"]])) for row in rows]


def _telling(reader: Reader, row: Row) -> Telling:
    sends = reader.execute(
        "SELECT * FROM sends WHERE delivery_id = ? ORDER BY number", (row["id"],)
    ).fetchall()
    names = ("number", "started_at", "ended_at", "outcome", "why")
    state = DeliveryState(row["state"])
    return Telling(
        id=row["id"],
        name=row["name"],
        driver=row["driver"],
        scope=row["scope"],
        state=state,
        reason=row["because"],
        folded=row["folded"],
        ended_at=row["ended_at"],
        next_at=row["next_at"] if state is DeliveryState.PENDING and row["next_at"] else None,
        sends=tuple(
            Sending(**{name: send[name] for name in names}, may_repeat=bool(send["may_repeat"]))
            for send in sends
        ),
    )


def _list(ids: Iterable[int]) -> str:
    return ", ".join(str(each) for each in ids)
