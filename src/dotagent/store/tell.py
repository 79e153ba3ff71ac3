"""Events into the store, and with them, in the same transaction, their deliveries (promise P1).

Every notifier that asked gets a row: to be sent, or ``suppressed`` with the reason. A row whose
order key is free has its ``turn`` at once; the outbox claims it in this very commit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Set
from dataclasses import replace
from functools import lru_cache

from dotagent.core.compact import loose
from dotagent.core.fold import gravity
from dotagent.core.manifest_notifier import QuietHours
from dotagent.core.match import Match, Route, match
from dotagent.core.model import AGENT_EVENTS, Event, Kind
from dotagent.core.quiet import REASON, held_until
from dotagent.core.silence import Silence, holding
from dotagent.store.actor import Actor
from dotagent.store.database import Tx
from dotagent.store.parked import of_parked

_HOUR = 3_600_000
BUDGET_MS = {
    Kind.ATTEMPT_FAILED: _HOUR,
    Kind.TIMED_OUT: _HOUR,
    Kind.PREFLIGHT: _HOUR,
    Kind.SUCCESS: _HOUR // 4,
    Kind.TEST: 0,  # one try: whoever asked for it waits for the answer
}
"""How long an undelivered message is still worth sending (product §6)."""
BUDGET_MOST_MS = 24 * _HOUR
"""The same for all other kinds."""


def tell(
    tx: Tx,
    actor: Actor,
    now: int,
    events: Iterable[Event],
    *,
    only: Set[tuple[str, str]] | None = None,
    owed: bool = False,
) -> set[str]:
    """Insert the events and a delivery for every notifier that asked, or for ``only`` these, and
    then also where it is ``owed`` to who did not ask. Returns the fingerprints of the destinations
    that now have something to send."""
    touched: set[str] = set()
    for event in events:
        seq = insert(tx, event)
        tx.audited |= event.kind not in AGENT_EVENTS  # the daemon's log has these too
        told = _end_told(tx, event)
        answers = match(
            event,
            routes(tx, event),
            end_told=told,
            only=only,
            owed=owed,
            silence=holding(silences(tx, event.agent), event, now),
        )
        for each in answers:
            found = _unless_reminded(tx, event, each)
            hold = held_until(found.route.quiet_hours, event.kind, now, actor.zone)
            deliver(tx, now, event, seq, found, hold_until=hold)
            if found.quiet is None:
                touched.add(found.route.fingerprint)
            if found.quiet is None and found.route.untold:
                news = of_parked(tx, now, found.route.fingerprint)
                touched |= tell(tx, actor, now, news)
    return touched


def _unless_reminded(tx: Tx, event: Event, found: Match) -> Match:
    """Who stands in for a parked channel has reminders of its own: one at a time (rules R15)."""
    if not found.stand_in or event.kind is not Kind.STILL_FAILING:
        return found
    route = found.route
    key = order_key_of(route.scope, route.notifier, event.agent, event.schedule_id)
    waits = "a reminder waits to be sent there already" if reminder_waits(tx, key) else None
    return replace(found, quiet=waits)


def reminder_waits(tx: Tx, order_key: str) -> bool:
    """Whether a reminder of this schedule still waits to be sent there."""
    return bool(
        tx.value(
            "SELECT 1 FROM deliveries d JOIN events e ON e.seq = d.event_seq"
            " WHERE d.order_key = ? AND d.state IN ('pending', 'sending')"
            " AND e.kind = 'still_failing' LIMIT 1",
            order_key,
        )
    )


def insert(tx: Tx, event: Event) -> int:
    """The event itself; its number."""
    return tx.run(
        "INSERT INTO events (kind, severity, at, agent, schedule, window_id, attempt_id,"
        " outage_id, about, facts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        event.kind,
        event.severity,
        event.at,
        event.agent,
        event.schedule_id,
        event.window_id,
        event.attempt_id,
        event.outage_id,
        event.about,
        loose(dict(event.facts)),
    )


def _end_told(tx: Tx, event: Event) -> bool:
    """Whether this outage's first ``given_up`` or ``missed`` came before; remembers this one."""
    if event.outage_id is None or event.kind not in (Kind.GIVEN_UP, Kind.MISSED):
        return False
    told = bool(tx.value("SELECT told FROM outages WHERE id = ?", event.outage_id))
    tx.run("UPDATE outages SET told = 1 WHERE id = ?", event.outage_id)
    return told


def silences(tx: Tx, agent: str) -> list[Silence]:
    """What a person holds back of this agent."""
    rows = tx.all("SELECT * FROM silences WHERE agent = ? AND ended_at IS NULL", agent)
    return [
        Silence(
            id=row["id"],
            agent=row["agent"],
            schedule=row["schedule"],
            until_at=row["until_at"],
            reason=row["reason"],
        )
        for row in rows
    ]


_ROUTES = """
SELECT r.*, t.parked_at IS NOT NULL AS parked,
       t.parked_at IS NOT NULL AND t.episode_at IS NULL AS untold,
       (SELECT inherits FROM agents WHERE name = ?1) AS inherits
FROM routing r LEFT JOIN destinations t USING (fingerprint)
WHERE r.scope IN (?1, '') ORDER BY r.scope = '', r.position
"""


def routes(tx: Tx, event: Event) -> list[Route]:
    """The notifiers that may be asked: the agent's own, then the global ones it inherits."""
    rows = tx.all(_ROUTES, event.agent)
    if event.kind in AGENT_EVENTS:
        rows = [row for row in rows if row["scope"] or row["inherits"] != 0]
    return [
        Route(
            scope=row["scope"],
            notifier=row["notifier"],
            name=row["name"],
            driver=row["driver"],
            fingerprint=row["fingerprint"],
            events=_kinds(row["events"]),
            remind=_pauses(row["remind"]),
            quiet_hours=_quiet_hours(row["quiet_hours"]),
            parked=bool(row["parked"]),
            untold=bool(row["untold"]),
        )
        for row in rows
    ]


# Every event reads its notifiers, which all say the same few things.


@lru_cache(maxsize=1_000)
def _kinds(text: str) -> frozenset[Kind]:
    return frozenset(Kind(kind) for kind in json.loads(text))


@lru_cache(maxsize=1_000)
def _pauses(text: str) -> tuple[int, ...]:
    return tuple(json.loads(text))


@lru_cache(maxsize=1_000)
def _quiet_hours(text: str) -> QuietHours | None:
    data = json.loads(text)
    if data is None:
        return None
    return QuietHours(**{**data, "events": tuple(Kind(kind) for kind in data["events"])})


_PART = "\x1f"
"""Between the parts of an order key; no name holds a control character."""


def order_key_of(scope: str, notifier: str, agent: str, schedule: str) -> str:
    """Deliveries of one key go in event order (promise P4)."""
    return _PART.join((scope, notifier, agent, schedule))


def order_keys(scope: str, notifier: str) -> tuple[str, str]:
    """The two texts between which all order keys of a notifier lie."""
    before = f"{scope}{_PART}{notifier}"
    return before + _PART, before + chr(ord(_PART) + 1)


def deliver(
    tx: Tx,
    now: int,
    event: Event,
    seq: int,
    found: Match,
    *,
    hold_until: int | None = None,
    resend_of: int | None = None,
) -> int:
    """Insert one delivery: pending, perhaps held for a while, or suppressed with its reason. Its
    id."""
    route, quiet = found.route, found.quiet
    order_key = order_key_of(route.scope, route.notifier, event.agent, event.schedule_id)
    grave = gravity(event.kind)
    has_turn = quiet is None and not _queue(tx, now, order_key, grave, hold_until)
    budget = BUDGET_MS.get(event.kind, BUDGET_MOST_MS)
    return tx.run(
        "INSERT INTO deliveries (event_seq, scope, notifier, name, driver, order_key, fingerprint,"
        " state, reason, turn, gravity, urgency, created_at, hold_until, expires_at, resend_of,"
        " silence, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        seq,
        route.scope,
        route.notifier,
        route.name,
        route.driver,
        order_key,
        route.fingerprint,
        "pending" if quiet is None else "suppressed",
        _reason(found, hold_until),
        int(has_turn),
        grave,
        grave,
        now,
        hold_until or 0,
        (hold_until or now) + budget,
        resend_of,
        found.silence,
        None if quiet is None else now,
    )


def _reason(found: Match, hold_until: int | None) -> str:
    if found.quiet is not None:
        return found.quiet
    if hold_until is not None:
        return REASON
    return "standing in for a parked channel" if found.stand_in else ""


def _queue(tx: Tx, now: int, order_key: str, grave: int, hold_until: int | None) -> bool:
    """Whether others of the key wait already. What is grave hurries them on, and what need not wait
    for the end of quiet hours takes them along: it may not overtake them (rules R18)."""
    first = tx.value(
        "SELECT min(id) FROM deliveries WHERE order_key = ? AND state IN ('pending', 'sending')",
        order_key,
    )
    if first is None:
        return False
    tx.run("UPDATE deliveries SET urgency = max(urgency, ?) WHERE id = ?", grave, first)
    if hold_until is None:
        release(tx, now, order_key)
    return True


def release(tx: Tx, now: int, order_key: str) -> None:
    """Quiet hours are over for what waits in this key."""
    tx.run(
        "UPDATE deliveries SET hold_until = ?1 WHERE order_key = ?2 AND state = 'pending'"
        " AND hold_until > 0 AND hold_until > ?1",
        now,
        order_key,
    )
