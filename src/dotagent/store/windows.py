"""Windows: closing one, and what must be said when it did not succeed (promise P1).

Every way in which a window ends unsuccessfully without an attempt to settle passes through here:
overtaken, stale, missed gaps, removal. Planning and attempts share it.
"""

from __future__ import annotations

import json
from sqlite3 import Row

from dotagent.core import events, exits, health
from dotagent.core.decide import allowance
from dotagent.core.ending import Ending
from dotagent.core.events import Source
from dotagent.core.model import WindowState
from dotagent.store import outages, record
from dotagent.store.actor import Actor
from dotagent.store.database import Tx
from dotagent.store.tell import tell


def unless_gone(value: str, column: str) -> str:
    """What ``column`` of ``schedules`` becomes: ``value``, unless that is null, or the schedule is
    not wanted any more; such a one stays ``off``."""
    return f"CASE WHEN gone_at IS NULL THEN coalesce({value}, {column}) ELSE {column} END"


def set_health(tx: Tx, agent: str, schedule: str, word: str, reason: str) -> None:
    """The word that ``status`` shows."""
    tx.run(
        f"UPDATE schedules SET health = {unless_gone('?', 'health')},"
        f" reason = {unless_gone('?', 'reason')} WHERE agent = ? AND id = ?",
        word,
        reason,
        agent,
        schedule,
    )


BY_HAND = """EXISTS (SELECT 1 FROM attempts a WHERE a.agent = w.agent
 AND a.schedule = w.schedule AND a.ended_at IS NULL)"""
"""Of a window ``w`` that waits: a run that a person asked for holds its schedule's run lock."""


def only_skipped(tx: Tx, agent: str, schedule: str, reason: str) -> None:
    """Something was skipped: all there is to say of a schedule that had nothing else yet."""
    tx.run(
        "UPDATE schedules SET health = 'skipped', reason = ? WHERE agent = ? AND id = ?"
        " AND health IN ('new', 'skipped') AND gone_at IS NULL",
        reason,
        agent,
        schedule,
    )


def shut(tx: Tx, now: int, window_id: int, state: WindowState, reason: str) -> None:
    """The bare row: terminal state and reason. Whoever calls says what must be said."""
    tx.run(
        "UPDATE windows SET state = ?, reason = ?, closed_at = ?, next_at = NULL WHERE id = ?",
        state,
        reason,
        now,
        window_id,
    )


def give_up(tx: Tx, actor: Actor, now: int, window: Row, why: str) -> set[str]:
    """Close a waiting window without success: ``given_up`` where something was tried, else
    ``missed``. Returns destinations with something to send."""
    if not window["attempts"]:
        return miss(tx, actor, now, window, why)
    shut(tx, now, window["id"], WindowState.GIVEN_UP, why)
    outage = outages.bad_news(
        tx, now, window["agent"], window["schedule"], by="given_up", windows=1
    )
    last = _last_attempt(tx, window)
    attempt_id, facts = (last["id"], _last_facts(last)) if last is not None else (None, _UNTOLD)
    event = events.given_up(
        _source(actor, window, outage["id"], attempt_id),
        now,
        why=why,
        attempts=window["attempts"],
        max_attempts=_max_attempts(tx, window),
        last=facts,
        expected_at=window["expected_at"],
        outage=outages.so_far(outage),
    )
    audit_given_up(
        tx,
        actor,
        now,
        window,
        code=int(str(facts["code"])),
        stderr=last["stderr_tail"] if last is not None else "",
    )
    set_health(tx, window["agent"], window["schedule"], health.FAILING, f"gave up: {why}")
    return tell(tx, actor, now, [event])


_UNTOLD: dict[str, object] = {"words": "not known", "code": exits.LOST_CODE, "duration_ms": 0}


def miss(tx: Tx, actor: Actor, now: int, window: Row, why: str) -> set[str]:
    """Close a window (or a range of them) that nothing could run, and say so once."""
    shut(tx, now, window["id"], WindowState.MISSED, why)
    agent, schedule = window["agent"], window["schedule"]
    outage = outages.bad_news(tx, now, agent, schedule, by="missed", windows=window["count"])
    event = events.missed(
        _source(actor, window, outage["id"], None),
        now,
        why=why,
        first_at=window["expected_at"],
        last_at=window["expected_to"] or window["expected_at"],
        count=window["count"],
        exact=bool(window["exact"]),
        outage=outages.so_far(outage),
    )
    set_health(tx, agent, schedule, health.STALE, f"missed: {why}")
    return tell(tx, actor, now, [event])


def audit_given_up(tx: Tx, actor: Actor, now: int, window: Row, *, code: int, stderr: str) -> None:
    record.append(
        tx,
        actor,
        now,
        "critical",
        "agent_given_up",
        agent=window["agent"],
        schedule=window["schedule"],
        attempts=window["attempts"],
        last_exit=code,
        stderr_tail=stderr[-AUDIT_TAIL:],
    )


AUDIT_TAIL = 4_096
"""Characters of a tail that the record keeps: the log has the rest."""


def _source(actor: Actor, window: Row, outage_id: int, attempt_id: int | None) -> Source:
    return Source(
        agent=window["agent"],
        schedule_id=window["schedule"],
        host=actor.host,
        window_id=window["id"],
        attempt_id=attempt_id,
        outage_id=outage_id,
    )


def waiting(tx: Tx, agent: str, schedule: str) -> Row | None:
    """The schedule's waiting window, if it has one."""
    live = tx.one(
        "SELECT * FROM windows WHERE agent = ? AND schedule = ?"
        " AND state IN ('waiting', 'running')",
        agent,
        schedule,
    )
    return live if live is not None and live["state"] == WindowState.WAITING else None


def _last_attempt(tx: Tx, window: Row) -> Row | None:
    return tx.one(
        "SELECT * FROM attempts WHERE agent = ? AND schedule = ? AND window_id = ?"
        " AND ended_at IS NOT NULL AND verdict != 'interrupted' ORDER BY id DESC LIMIT 1",
        window["agent"],
        window["schedule"],
        window["id"],
    )


def _last_facts(attempt: Row) -> dict[str, object]:
    return {
        "words": attempt["words"],
        "code": exits.legacy_code(exits.from_data(json.loads(attempt["exit"]))),
        "duration_ms": attempt["lasted_ms"],
    }


def _max_attempts(tx: Tx, window: Row) -> int:
    found = tx.value(
        "SELECT max_attempts FROM schedules WHERE agent = ? AND id = ?",
        window["agent"],
        window["schedule"],
    )
    return int(found or window["attempts"])


def close_used_up(tx: Tx, actor: Actor, now: int, agent: str) -> set[str]:
    """Waiting windows that have used all attempts which an edited manifest leaves them: none waits
    for a try that it may not make (rules R7)."""
    touched: set[str] = set()
    used_up = (
        "SELECT w.*, s.max_attempts FROM windows w"
        " JOIN schedules s ON s.agent = w.agent AND s.id = w.schedule"
        " WHERE w.agent = ? AND w.state IN ('waiting', 'running') AND +w.state = 'waiting'"
        " AND w.attempts >= s.max_attempts"
    )
    for window in tx.all(used_up, agent):
        allowed = allowance(window["max_attempts"], window["losses"])
        if window["attempts"] >= allowed:
            why = f"{Ending.USED_UP} ({window['attempts']} of {allowed})"
            touched |= give_up(tx, actor, now, window, why)
    return touched


def close_stale(tx: Tx, actor: Actor, now: int) -> set[str]:
    """Waiting windows whose deadline has passed can start no attempt any more (rules R7). Those of
    a vanished root have no ``next_at``: they are judged when it returns (rules R9). A person's own
    run that was in the way is no reason for an alarm (rules R4, R6)."""
    touched: set[str] = set()
    late = (
        f"SELECT w.*, w.attempts = 0 AND {BY_HAND} AS by_hand FROM windows w"
        " WHERE state = 'waiting' AND next_at <= ?1 AND deadline_at < ?1"
    )
    for window in tx.all(late, now):
        if window["by_hand"]:
            shut(tx, now, window["id"], WindowState.SKIPPED, Ending.OVERLAP)
            only_skipped(tx, window["agent"], window["schedule"], Ending.OVERLAP)
        else:
            touched |= give_up(tx, actor, now, window, Ending.STALE)
    return touched


def next_wake(tx: Tx) -> int | None:
    """When the next waiting window may be tried. One whose schedule's run lock is held is not
    looked at: the end of that run frees it."""
    at: int | None = tx.value(
        f"SELECT min(w.next_at) FROM windows w WHERE w.state = 'waiting' AND NOT {BY_HAND}"
    )
    return at
