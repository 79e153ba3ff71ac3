"""Overdue schedules: nothing failed, and yet nothing has succeeded for too long (rules R13).

``stale_at`` is computed by planning and looked up here. Invariant: a schedule that is paused, held
or gone has none.
"""

from __future__ import annotations

from sqlite3 import Row

from dotagent.core import events, health
from dotagent.core import overdue as core
from dotagent.core.events import Source
from dotagent.core.planning import Plan, Sighting
from dotagent.store import outages, pauses, record, windows
from dotagent.store.actor import Actor
from dotagent.store.database import Tx
from dotagent.store.tell import tell

OVERDUE = "overdue"
REASON = "overdue: what fell due has not succeeded"


def follow(tx: Tx, now: int, row: Row, sighting: Sighting, made: Plan) -> None:
    """A planning pass has looked at this schedule: when is it overdue, as things stand now? One
    that is new, or has another definition, starts from here (rules R3)."""
    anew = row["sound_at"] is None or row["planned_as"] is not None or row["was_away"]
    sound_at = now if anew else row["sound_at"]
    watched_at = now if anew else row["watched_at"]
    # Once since the last success: who is never awake for long must not wait for ever.
    ready_at = core.ready_at(sighting, made, now) if row["ready_at"] is None else row["ready_at"]
    stale_at = None
    if row["frozen_at"] is None:
        stale_at = core.overdue_at(
            sighting.when,
            sound_at=sound_at,
            watched_at=watched_at,
            ready_at=ready_at,
            stale_after_ms=sighting.policy.stale_after_ms,
            anchor_at=made.cursor.anchor_at,
            name=sighting.name,
            zone=sighting.zone,
        )
    tx.run(
        "UPDATE schedules SET sound_at = ?, watched_at = ?, ready_at = ?, stale_at = ?"
        " WHERE agent = ? AND id = ?",
        sound_at,
        watched_at,
        ready_at,
        stale_at,
        row["agent"],
        row["id"],
    )
    if anew and pauses.is_paused(tx, row["agent"], row["id"], now):
        freeze(tx, now, row["agent"], row["id"])


def succeeded(tx: Tx, now: int, agent: str, schedule: str) -> None:
    """It counts anew from here; the next planning pass says until when."""
    tx.run(
        "UPDATE schedules SET sound_at = ?1, watched_at = ?1, ready_at = NULL, stale_at = NULL"
        " WHERE agent = ?2 AND id = ?3",
        now,
        agent,
        schedule,
    )


def passed_over(tx: Tx, at: int, agent: str, schedule: str) -> None:
    """The window at this instant was skipped by a person: that it did not succeed is no news."""
    tx.run(
        "UPDATE schedules SET watched_at = max(coalesce(watched_at, ?1), ?1), stale_at = NULL"
        " WHERE agent = ?2 AND id = ?3",
        at,
        agent,
        schedule,
    )


def freeze(tx: Tx, now: int, agent: str, schedule: str) -> None:
    """From here on time does not count: the schedule is paused, or its root has vanished."""
    tx.run(
        "UPDATE schedules SET frozen_at = coalesce(frozen_at, ?), stale_at = NULL"
        " WHERE agent = ? AND id = ?",
        now,
        agent,
        schedule,
    )


def thaw(tx: Tx, now: int, agent: str, schedule: str) -> None:
    """Time counts again, unless something else still freezes it."""
    row = tx.one(
        "SELECT * FROM schedules WHERE agent = ?1 AND id = ?2 AND frozen_at IS NOT NULL"
        " AND held_at IS NULL AND NOT EXISTS (SELECT 1 FROM pauses p WHERE p.agent = ?1"
        " AND p.schedule IN ('', ?2) AND p.kind = 'pause' AND p.ended_at IS NULL)",
        agent,
        schedule,
    )
    if row is None:
        return
    sound_at = row["sound_at"]
    tx.run(
        "UPDATE schedules SET sound_at = ?1, watched_at = max(coalesce(watched_at, ?2), ?2),"
        " frozen_at = NULL, stale_at = NULL WHERE agent = ?3 AND id = ?4",
        None if sound_at is None else core.thawed(sound_at, row["frozen_at"], now),
        now,
        agent,
        schedule,
    )


def open_due(tx: Tx, actor: Actor, now: int) -> set[str]:
    """Schedules that are overdue by now: each is an outage, and says so at once, for there was no
    other word before; reminders follow. Returns destinations with something to send."""
    touched: set[str] = set()
    for row in tx.all("SELECT * FROM schedules WHERE stale_at <= ? AND gone_at IS NULL", now):
        agent, schedule = row["agent"], row["id"]
        tx.run("UPDATE schedules SET stale_at = NULL WHERE agent = ? AND id = ?", agent, schedule)
        if outages.current(tx, agent, schedule) is None:
            touched |= _open(tx, actor, now, row)
    return touched


def _open(tx: Tx, actor: Actor, now: int, row: Row) -> set[str]:
    agent, schedule = row["agent"], row["id"]
    outage = outages.bad_news(tx, now, agent, schedule, by=OVERDUE)
    windows.set_health(tx, agent, schedule, health.STALE, REASON)
    record.append(tx, actor, now, "critical", "agent_overdue", agent=agent, schedule=schedule)
    source = Source(agent=agent, schedule_id=schedule, host=actor.host, outage_id=outage["id"])
    event = events.still_failing(
        source,
        now,
        outages.so_far(outage),
        words=row["last_result"] or "",
        without=outages.without(row),
    )
    return tell(tx, actor, now, [event])


def next_wake(tx: Tx) -> int | None:
    """When the next schedule becomes overdue."""
    at: int | None = tx.value(
        "SELECT min(stale_at) FROM schedules WHERE stale_at IS NOT NULL AND gone_at IS NULL"
    )
    return at
