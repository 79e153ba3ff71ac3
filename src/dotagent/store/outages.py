"""Outages: one open row a schedule, from the first bad news to the next success (rules R13), and
the reminders that speak while it lasts (product §6, rules R15).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from sqlite3 import Row

from dotagent.core import events
from dotagent.core.events import OutageSoFar, Source
from dotagent.core.match import Route, wants
from dotagent.core.model import Event, Kind
from dotagent.store import record
from dotagent.store.actor import Actor
from dotagent.store.database import Tx
from dotagent.store.tell import order_key_of, reminder_waits, routes, tell

HELD_BACK_MOST = 100
"""So many earlier outages are counted at most."""
OUTPUT_MOST = 2_000
"""So many characters of output go with a reminder."""

_OPEN = "SELECT * FROM outages WHERE agent = ? AND schedule = ? AND closed_at IS NULL"


def current(tx: Tx, agent: str, schedule: str) -> Row | None:
    """The open outage's row, if there is one."""
    return tx.one(_OPEN, agent, schedule)


def so_far(row: Row) -> OutageSoFar:
    """The row as events need it."""
    return OutageSoFar(opened_at=row["opened_at"], failures=row["failures"], windows=row["windows"])


def without(schedule: Row) -> events.Without:
    """For how long a schedule has been without success, as the message of an overdue one says."""
    last_at = schedule["last_success_at"]
    since_at = schedule["first_seen_at"] if last_at is None else last_at
    return events.Without(since_at=since_at, ever=last_at is not None)


def bad_news(
    tx: Tx, now: int, agent: str, schedule: str, *, by: str, failures: int = 0, windows: int = 0
) -> Row:
    """Count failed attempts and lost windows; open the outage if none is. Its row."""
    row = tx.one(
        "UPDATE outages SET failures = failures + ?, windows = windows + ?"
        " WHERE agent = ? AND schedule = ? AND closed_at IS NULL RETURNING *",
        failures,
        windows,
        agent,
        schedule,
    )
    if row is None:
        row = tx.one(
            "INSERT INTO outages (agent, schedule, opened_at, opened_by, failures, windows)"
            " VALUES (?, ?, ?, ?, ?, ?) RETURNING *",
            agent,
            schedule,
            now,
            by,
            failures,
            windows,
        )
        assert row is not None
        _set_reminders(tx, now, row)
    return row


def close(tx: Tx, now: int, agent: str, schedule: str, by: str) -> Row | None:
    """End the open outage, if there is one; its last state."""
    row = current(tx, agent, schedule)
    if row is not None:
        tx.run("UPDATE outages SET closed_at = ?, closed_by = ? WHERE id = ?", now, by, row["id"])
        tx.run("DELETE FROM reminders WHERE outage_id = ?", row["id"])
        tx.run("DELETE FROM owed WHERE outage_id = ?", row["id"])
    return row


def ack(tx: Tx, actor: Actor, now: int, agent: str, schedule: str | None, reason: str) -> list[str]:
    """A person knows of what fails: no reminders until it succeeds (product §6). The schedules
    that this is about."""
    failing = tx.all(
        "SELECT * FROM outages WHERE closed_at IS NULL AND agent = ?1"
        " AND (?2 IS NULL OR schedule = ?2) ORDER BY schedule",
        agent,
        schedule,
    )
    for row in failing:
        tx.run(
            "UPDATE outages SET acked_at = ?, acked_why = ? WHERE id = ?", now, reason, row["id"]
        )
        tx.run("DELETE FROM reminders WHERE outage_id = ?", row["id"])
        names = {"agent": agent, "schedule": row["schedule"]}
        record.append(tx, actor, now, "notice", "outage_acknowledged", **names, reason=reason)
    return [row["schedule"] for row in failing]


# --------------------------------------------------------------------------------------- reminders


def _probe(row: Row) -> Event:
    return Event(
        kind=Kind.STILL_FAILING,
        at=row["opened_at"],
        agent=row["agent"],
        schedule_id=row["schedule"],
        outage_id=row["id"],
    )


def _set_reminders(tx: Tx, now: int, row: Row) -> None:
    probe = _probe(row)
    for route in routes(tx, probe):
        if wants(route, probe):
            _set(tx, row["id"], route, 0, now)


def _set(tx: Tx, outage_id: int, route: Route, step: int, now: int) -> None:
    pause = route.remind[min(step, len(route.remind) - 1)]
    tx.run(
        "INSERT OR REPLACE INTO reminders (outage_id, scope, notifier, step, due_at)"
        " VALUES (?, ?, ?, ?, ?)",
        outage_id,
        route.scope,
        route.notifier,
        step,
        now + pause,
    )


def remind(tx: Tx, actor: Actor, now: int) -> set[str]:
    """Speak for every outage whose reminder is due, once each, however many were missed. Returns
    destinations with something to send."""
    touched: set[str] = set()
    due = tx.all("SELECT DISTINCT outage_id FROM reminders WHERE due_at <= ?", now)
    for (outage_id,) in due:
        row = tx.one("SELECT * FROM outages WHERE id = ?", outage_id)
        assert row is not None
        touched |= _remind(tx, actor, now, row)
    return touched


def _remind(tx: Tx, actor: Actor, now: int, row: Row) -> set[str]:
    probe = _probe(row)
    able = {(r.scope, r.notifier): r for r in routes(tx, probe) if wants(r, probe)}
    speak: set[tuple[str, str]] = set()
    due = tx.all("SELECT * FROM reminders WHERE outage_id = ? AND due_at <= ?", row["id"], now)
    for reminder in due:
        key = (reminder["scope"], reminder["notifier"])
        if key not in able:
            tx.run(
                "DELETE FROM reminders WHERE outage_id = ? AND scope = ? AND notifier = ?",
                row["id"],
                *key,
            )
            continue
        _set(tx, row["id"], able[key], reminder["step"] + 1, now)
        speak.add(key)
    return speak_up(tx, actor, now, row, speak)


def speak_up(
    tx: Tx,
    actor: Actor,
    now: int,
    row: Row,
    keys: Iterable[tuple[str, str]],
    *,
    owed: bool = False,
) -> set[str]:
    """One ``still_failing`` of the outage to these (scope, notifier)s, but to none for which one
    still waits to be sent (rules R15). ``owed``: also where it was not asked for."""
    schedule_key = (row["agent"], row["schedule"])
    speak = {key for key in keys if not reminder_waits(tx, order_key_of(*key, *schedule_key))}
    if not speak:
        return set()
    schedule = tx.one(
        "SELECT * FROM schedules WHERE agent = ? AND id = ?", row["agent"], row["schedule"]
    )
    last = None if schedule is None else schedule["last_result"]
    quiet = schedule is not None and not (row["failures"] or row["windows"])
    source = Source(
        agent=row["agent"], schedule_id=row["schedule"], host=actor.host, outage_id=row["id"]
    )
    event = events.still_failing(
        source,
        now,
        so_far(row),
        words=last or "",
        without=without(schedule) if quiet and schedule is not None else None,
        output=_last_output(tx, row),
        held_back=_held_back(tx, row, {order_key_of(*key, *schedule_key) for key in speak}),
    )
    return tell(tx, actor, now, [event], only=speak, owed=owed)


def _last_output(tx: Tx, outage: Row) -> str:
    """The end of what the last failed attempt of the outage printed."""
    last = tx.one(
        "SELECT stdout_tail, stderr_tail FROM attempts WHERE agent = ? AND schedule = ?"
        " AND verdict = 'failed' AND ended_at >= ? ORDER BY id DESC LIMIT 1",
        outage["agent"],
        outage["schedule"],
        outage["opened_at"],
    )
    if last is None:
        return ""
    text = str(last["stderr_tail"] or last["stdout_tail"])
    return text if len(text) <= OUTPUT_MOST else text[-OUTPUT_MOST:].partition("\n")[2]


def _held_back(tx: Tx, outage: Row, order_keys: Collection[str]) -> events.HeldBack | None:
    """Outages of the schedule before this one, but later than what was last told to these, of which
    they were told nothing."""
    found = 0
    first = outage
    while found < HELD_BACK_MOST and (before := _before(tx, first)) is not None:
        states = {row["state"] for row in tx.all(_TOLD_OF, before["id"]) if row[0] in order_keys}
        if states != {"suppressed"}:
            break
        found, first = found + 1, before
    return events.HeldBack(outages=found, since_at=first["opened_at"]) if found else None


def _before(tx: Tx, outage: Row) -> Row | None:
    return tx.one(
        "SELECT * FROM outages WHERE agent = ? AND schedule = ? AND id < ?"
        " ORDER BY id DESC LIMIT 1",
        outage["agent"],
        outage["schedule"],
        outage["id"],
    )


_TOLD_OF = (
    "SELECT d.order_key, d.state FROM events e JOIN deliveries d ON d.event_seq = e.seq"
    " WHERE e.outage_id = ? AND e.kind NOT IN ('recovered', 'success')"
)


def reroute(tx: Tx, now: int, agent: str) -> None:
    """The notifiers of an agent (or, for ``''``, the global ones) have changed: reminders of open
    outages follow, so that a notifier added during an outage reminds too."""
    where = "" if not agent else " AND agent = ?"
    params = () if not agent else (agent,)
    unheard = f"SELECT * FROM outages WHERE closed_at IS NULL AND acked_at IS NULL{where}"
    for row in tx.all(unheard, *params):
        probe = _probe(row)
        known = {
            (r["scope"], r["notifier"])
            for r in tx.all("SELECT * FROM reminders WHERE outage_id = ?", row["id"])
        }
        for route in routes(tx, probe):
            if wants(route, probe) and (route.scope, route.notifier) not in known:
                _set(tx, row["id"], route, 0, now)


def next_wake(tx: Tx) -> int | None:
    """When the next reminder is due."""
    at: int | None = tx.value("SELECT min(due_at) FROM reminders")
    return at
