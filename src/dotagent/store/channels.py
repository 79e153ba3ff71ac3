"""What a send does to its destination, and what the others are told of it (rules R19–R21).

A destination rests (``down_until``), is parked, or recovers. Its first dead letter or parking opens
an episode, which is announced once, never to itself; a ``sent`` closes it. Invariants: nothing
expires unless its destination was just tried and failed; an announcement that dies is not
announced, and hides no death that must be.
"""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Row

from dotagent.core import events
from dotagent.core.decide import PROBE_EVERY_MS, Settle
from dotagent.core.match import ANNOUNCEMENTS
from dotagent.core.model import SEVERITY, Kind, Severity
from dotagent.store import parked
from dotagent.store.actor import Actor
from dotagent.store.database import Tx
from dotagent.store.tell import tell
from dotagent.store.turn import end


def known(tx: Tx, row: Row, fingerprint: str) -> Row:
    """The destination's row; made like the delivery's own where the address is new (rules R16)."""
    found = tx.one("SELECT * FROM destinations WHERE fingerprint = ?", fingerprint)
    if found is not None:
        return found
    tx.run(
        "INSERT INTO destinations (fingerprint, driver, name, burst, every_ms, parallel)"
        " SELECT ?, driver, name, burst, every_ms, parallel FROM destinations"
        " WHERE fingerprint = ?",
        fingerprint,
        row["fingerprint"],
    )
    return known(tx, row, fingerprint)


def failures_before(destination: Row, now: int) -> int:
    """How often in a row it had failed before a send that fails now: several that fail together
    are one failure of the destination, not several steps of its backoff."""
    failures = int(destination["failures"])
    return failures - 1 if failures and destination["down_until"] > now else failures


def after(
    tx: Tx,
    actor: Actor,
    now: int,
    row: Row,
    destination: Row,
    verdict: Settle,
    tried_at: int,
    lost: Sequence[Row],
) -> set[str]:
    """Move the destination; announce what must be. ``tried_at``: when the try began; ``lost``: what
    died of it. Returns destinations with something to send."""
    fingerprint: str = destination["fingerprint"]
    _move(tx, now, fingerprint, verdict)
    touched: set[str] = set()
    unsupported = verdict.park is not None and verdict.row == "rejected"
    if verdict.park is not None:
        touched |= park(tx, actor, now, destination, verdict.park, row)
        tx.run(
            "UPDATE destinations SET unsupported = ? WHERE fingerprint = ?",
            int(unsupported),
            fingerprint,
        )
    dead_now = [*lost]
    if verdict.down_ms is not None:
        dead_now += _bury(tx, now, tried_at, fingerprint, row, verdict.why, everything=unsupported)
    if dead_now:
        touched |= dead(tx, actor, now, fingerprint, dead_now, verdict.why)
    return touched


def _move(tx: Tx, now: int, fingerprint: str, verdict: Settle) -> None:
    if verdict.rest_ms:
        tx.run(
            "UPDATE destinations SET told_until ="
            " max(?2, CASE WHEN told_until > ?1 THEN told_until ELSE 0 END) WHERE fingerprint = ?3",
            now,
            now + verdict.rest_ms,
            fingerprint,
        )
    if verdict.healthy:
        _recover(tx, now, fingerprint, sent=verdict.row == "sent")
    elif verdict.down_ms is not None:
        tx.run(
            "UPDATE destinations SET failures = failures + (down_until <= ?1 OR failures = 0),"
            " down_until = max(?2, CASE WHEN down_until > ?1 THEN down_until ELSE 0 END),"
            # What keeps it parked is what the last try met, not what the first did.
            " parked_why = CASE WHEN parked_at IS NOT NULL THEN ?4 END"
            " WHERE fingerprint = ?3",
            now,
            now + verdict.down_ms,
            fingerprint,
            verdict.why,
        )


def _recover(tx: Tx, now: int, fingerprint: str, *, sent: bool) -> None:
    # What the service itself asked for still holds: this send may have begun before it said so.
    over = _EPISODE_OVER if sent else ""
    tx.run(
        "UPDATE destinations SET back_at = CASE WHEN failures > 0 THEN ?1 ELSE back_at END,"
        " failures = 0, down_until = CASE WHEN told_until > ?1 THEN told_until ELSE 0 END"
        f"{over} WHERE fingerprint = ?2",
        now,
        fingerprint,
    )


_EPISODE_OVER = (
    ", parked_at = NULL, parked_why = NULL, unsupported = 0, episode_at = NULL, dead = 0,"
    " sent_at = ?1"
)


def park(tx: Tx, actor: Actor, now: int, destination: Row, why: str, row: Row) -> set[str]:
    """Stop asking a dead channel but for a daily probe; announce it once an episode, also where it
    was an announcement that found it out: this one is about another channel. ``row``: what found
    it; a test tells nobody but who asked for it, as long as no message waits for the channel."""
    fingerprint = destination["fingerprint"]
    tx.run(
        "UPDATE destinations SET parked_at = coalesce(parked_at, ?1), parked_why = ?2,"
        " down_until = ?3 WHERE fingerprint = ?4",
        now,
        why,
        now + PROBE_EVERY_MS,
        fingerprint,
    )
    if _kind(tx, row) == Kind.TEST and not tx.value(_WAITING, fingerprint):
        return set()
    return tell(tx, actor, now, parked.of_parked(tx, now, fingerprint))


_WAITING = (
    "SELECT 1 FROM deliveries d INDEXED BY deliveries_overdue JOIN events e ON e.seq = d.event_seq"
    " WHERE d.fingerprint = ? AND d.state = 'pending' AND e.kind != 'test' LIMIT 1"
)


def _bury(
    tx: Tx, now: int, tried_at: int, fingerprint: str, but: Row, why: str, *, everything: bool
) -> list[Row]:
    """A failed try also ends the destination's other overdue rows (rules R19); where the driver
    is not supported at all, every row that waits for it."""
    state = "rejected" if everything else "expired"
    waiting = tx.all(
        "SELECT * FROM deliveries INDEXED BY deliveries_overdue WHERE fingerprint = ?"
        " AND state = 'pending' AND id != ? AND (expires_at <= ? OR ?)",
        fingerprint,
        but["id"],
        tried_at,
        int(everything),
    )
    for row in waiting:
        end(tx, now, row, state, why)
    return waiting


def dead(
    tx: Tx, actor: Actor, now: int, fingerprint: str, lost: Sequence[Row], why: str
) -> set[str]:
    """Count dead letters; the first of an episode is announced, the others join it (R21). Of
    announcements that died themselves nothing is said: the inbox and the record have them. A test
    is no letter: whoever asked for it sees what came of it."""
    lost = [row for row in lost if _kind(tx, row) != Kind.TEST]
    tx.run("UPDATE destinations SET dead = dead + ? WHERE fingerprint = ?", len(lost), fingerprint)
    news = [row for row in lost if _kind(tx, row) not in ANNOUNCEMENTS]
    if not news:
        return set()
    messages = "a message" if len(news) == 1 else f"{len(news)} messages"
    destination = tx.one("SELECT * FROM destinations WHERE fingerprint = ?", fingerprint)
    assert destination is not None
    line = (
        f"{messages} to the channel {parked.called(tx, destination)} could not be delivered: {why}"
    )
    detail = "See: dotagent deliveries --dead"
    said = parked.news(tx, now, destination, Kind.DELIVERY_EXPIRED, line, detail)
    return tell(tx, actor, now, said)


def _kind(tx: Tx, row: Row) -> Kind:
    return Kind(tx.value("SELECT kind FROM events WHERE seq = ?", row["event_seq"]))


def removed(tx: Tx, actor: Actor, now: int, row: Row, gone: str) -> set[str]:
    """The notifier is no longer in a manifest that still exists: what else waits for it ends too,
    and that critical news was dropped is told once (rules R16). The channel itself is not at fault:
    another notifier may well use it."""
    waiting = tx.all(
        "SELECT * FROM deliveries INDEXED BY deliveries_overdue WHERE fingerprint = ?"
        " AND state = 'pending' AND scope = ? AND notifier = ? AND id != ?",
        row["fingerprint"],
        row["scope"],
        row["notifier"],
        row["id"],
    )
    for each in waiting:
        end(tx, now, each, "suppressed", f"notifier removed: {gone}")
    kinds = [_kind(tx, each) for each in (row, *waiting)]
    grave = sum(SEVERITY[kind] is Severity.CRITICAL for kind in kinds if kind not in ANNOUNCEMENTS)
    if not grave:
        return set()
    messages = "a message" if grave == 1 else f"{grave} messages"
    was = "was" if grave == 1 else "were"
    line = f"{messages} to the channel “{row['name']}” {was} not sent: {gone}"
    event = events.of_system(Kind.DELIVERY_EXPIRED, now, line)
    return tell(tx, actor, now, [event])
