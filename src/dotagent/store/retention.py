"""What ended long ago goes, a few rows at a time (product §10).

What is new is decided by a schedule's cursor, never by whether a window's row exists: so no run
comes again because its row has gone (rules R3). Invariants: what has not settled stays, with all
that its telling needs; so do each schedule's last two windows and its last attempt, with their
events, for ``why`` of what holds now; of an outage that lasts stays its row and, per notifier, what
decides whether its end is told (rules R14); a batch reads and removes a bounded number of rows,
found by their keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from sqlite3 import Row

from dotagent.core.chain import stamped_at
from dotagent.core.ending import Ending
from dotagent.core.span import DAY_MS
from dotagent.store import away
from dotagent.store.database import Tx

BATCH = 100
"""Rows that one transaction looks at: few enough that nobody who commits has to wait."""
REQUESTS_MS = DAY_MS
"""Whoever asked has read the answer long ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """Before when each kind of row must have ended to go."""

    history_at: int
    messages_at: int
    requests_at: int
    sealed_seq: int = 0
    """The last audit row that lies in a sealed file. It stays: the next file goes on from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a pass has come. ``removed`` rows so far."""

    step: int = 0
    after: int = 0
    also_after: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """One table: its next rows after a place, whether one of them is old, and how it goes."""

    sql: str
    key: str
    is_old: Callable[[Row, Until], bool]
    remove: Callable[[Tx, Row, Until], int]
    also_key: str = ""
    is_ordered: bool = True
    """Where one batch has nothing old, the next has not either."""


def until(now: int, *, history_ms: int, messages_ms: int, sealed_seq: int = 0) -> Until:
    """What is kept, as instants."""
    return Until(
        history_at=now - history_ms,
        messages_at=now - messages_ms,
        requests_at=now - REQUESTS_MS,
        sealed_seq=sealed_seq,
    )


def prune(tx: Tx, limits: Until, place: Place) -> Place | None:
    """The next batch; where to go on, None when all is done."""
    if place.step == len(_WALKS):
        return None
    walk = _WALKS[place.step]
    rows = tx.all(walk.sql, place.after, place.also_after, BATCH)
    removed = place.removed
    old = [row for row in rows if walk.is_old(row, limits)]
    for row in old:
        removed += walk.remove(tx, row, limits)
    if (walk.is_ordered and not old) or len(rows) < BATCH:
        return Place(step=place.step + 1, removed=removed)
    last = rows[-1]
    also_after = last[walk.also_key] if walk.also_key else 0
    return replace(place, after=last[walk.key], also_after=also_after, removed=removed)


def _any(tx: Tx, sql: str, *params: str | int | None) -> bool:
    return tx.one(f"{sql} LIMIT 1", *params) is not None


# -------------------------------------------------------------------------------------- messages


def _event(tx: Tx, row: Row, limits: Until) -> int:
    """An event with its deliveries and their sends."""
    seq = row["seq"]
    busy = (
        "SELECT 1 FROM deliveries d WHERE d.event_seq = ? AND (d.ended_at IS NULL OR"
        " d.ended_at >= ? OR EXISTS (SELECT 1 FROM silences s WHERE s.id = d.silence"
        " AND s.ended_at IS NULL))"
    )
    if _any(tx, busy, seq, limits.messages_at) or _is_present(tx, row, limits):
        return 0
    if row["outage_id"] is not None and _outage_needs(tx, row):
        return 0
    tx.run(
        "DELETE FROM sends WHERE delivery_id IN (SELECT id FROM deliveries WHERE event_seq = ?)",
        seq,
    )
    gone = tx.change("DELETE FROM deliveries WHERE event_seq = ?", seq)
    return gone + tx.change("DELETE FROM events WHERE seq = ?", seq)


def _is_present(tx: Tx, row: Row, limits: Until) -> bool:
    """Whether it is about a schedule's last window or attempt: that is how it stands now."""
    names = row["agent"], row["schedule"]
    if not _lives(tx, *names, limits):
        return False
    if row["window_id"] in _last_windows(tx, *names):
        return True
    return row["attempt_id"] is not None and row["attempt_id"] == _last_attempt(tx, *names)


def _outage_needs(tx: Tx, row: Row) -> bool:
    """Until an outage's end is told, whether it must be told follows from its failures (R14). Of
    each kind and notifier the first that was told, else the first at all, says as much as all."""
    outage = row["outage_id"]
    if not _any(tx, "SELECT 1 FROM outages WHERE id = ? AND closed_at IS NULL", outage):
        untold = (
            "SELECT 1 FROM events e CROSS JOIN deliveries d ON d.event_seq = e.seq"
            " WHERE e.outage_id = ? AND e.kind = 'recovered' AND d.ended_at IS NULL"
        )
        return _any(tx, untold, outage)
    # What came before is what earlier passes and this one have left: little.
    earlier = (
        "SELECT 1 FROM events e CROSS JOIN deliveries o ON o.event_seq = e.seq"
        " WHERE e.outage_id = ?1 AND e.kind = ?2 AND e.seq < ?3"
        " AND o.scope = d.scope AND o.notifier = d.notifier"
        " AND (o.state != 'suppressed' OR d.state = 'suppressed')"
    )
    first = f"SELECT 1 FROM deliveries d WHERE d.event_seq = ?3 AND NOT EXISTS ({earlier})"
    return _any(tx, first, outage, row["kind"], row["seq"])


# --------------------------------------------------------------------------------------- history


def _lives(tx: Tx, agent: str, schedule: str, limits: Until) -> bool:
    """Whether the schedule is there, or has not been gone for long."""
    return _any(
        tx,
        "SELECT 1 FROM schedules WHERE agent = ? AND id = ? AND (gone_at IS NULL OR gone_at >= ?)",
        agent,
        schedule,
        limits.history_at,
    )


def _last_windows(tx: Tx, agent: str, schedule: str) -> set[int]:
    """The last two: the one that is live, and the one before it, which says how it stands."""
    last = (
        "SELECT id FROM windows WHERE agent = ? AND schedule = ?"
        " ORDER BY plan_epoch DESC, expected_at DESC LIMIT 1"
    )
    found = (tx.value(sql, agent, schedule) for sql in (last, f"{last} OFFSET 1"))
    return {each for each in found if each is not None}


def _last_attempt(tx: Tx, agent: str, schedule: str) -> int | None:
    found: int | None = tx.value(
        "SELECT id FROM attempts WHERE agent = ? AND schedule = ? ORDER BY id DESC LIMIT 1",
        agent,
        schedule,
    )
    return found


def _window(tx: Tx, row: Row, limits: Until) -> int:
    """A closed window with its attempts."""
    if away.needs(tx, row["closed_at"]):
        return 0
    names = row["agent"], row["schedule"]
    tries = tx.all("SELECT id, ended_at FROM attempts WHERE window_id = ?", row["id"])
    if _lives(tx, *names, limits):
        if row["id"] in _last_windows(tx, *names):
            return 0
        last = _last_attempt(tx, *names)
        if any(each["id"] == last for each in tries):
            return 0
    told = "SELECT 1 FROM events WHERE attempt_id = ?"
    if any(each["ended_at"] is None or _any(tx, told, each["id"]) for each in tries):
        return 0  # what is still to be told shows its output
    gone = tx.change("DELETE FROM attempts WHERE window_id = ?", row["id"])
    return gone + tx.change("DELETE FROM windows WHERE id = ?", row["id"])


def _attempt(tx: Tx, row: Row, limits: Until) -> int:
    """An attempt without a window: a person's run."""
    names = row["agent"], row["schedule"]
    if row["window_id"] is not None or row["ended_at"] is None:
        return 0
    if _lives(tx, *names, limits) and row["id"] == _last_attempt(tx, *names):
        return 0
    if _any(tx, "SELECT 1 FROM events WHERE attempt_id = ?", row["id"]):
        return 0
    return tx.change("DELETE FROM attempts WHERE id = ?", row["id"])


def _outage(tx: Tx, row: Row, limits: Until) -> int:
    ended = row["closed_at"]
    if ended is None or ended >= limits.history_at:
        return 0
    if _any(tx, "SELECT 1 FROM events WHERE outage_id = ?", row["id"]):
        return 0
    for table in ("reminders", "owed"):  # who closes an outage ends these; none may hold it here
        tx.run(f"DELETE FROM {table} WHERE outage_id = ?", row["id"])
    return tx.change("DELETE FROM outages WHERE id = ?", row["id"])


def _schedule(tx: Tx, row: Row, limits: Until) -> int:
    """A schedule that is long gone, with nothing left of it. One that is only disabled is not:
    enabled again it goes on where it was (rules R3)."""
    if row["gone_why"] == Ending.DISABLED:
        return 0
    names = row["agent"], row["id"]
    for table in ("windows", "attempts", "events"):
        if _any(tx, f"SELECT 1 FROM {table} WHERE agent = ? AND schedule = ?", *names):
            return 0
    tx.run("DELETE FROM said WHERE agent = ? AND schedule = ?", *names)
    tx.run("DELETE FROM tallies WHERE what = 'attempt' AND one = ? AND two = ?", *names)
    return tx.change("DELETE FROM schedules WHERE agent = ? AND id = ?", *names)


def _agent(tx: Tx, row: Row, limits: Until) -> int:
    """The same of an agent; with its routing."""
    name = row["name"]
    for table in ("schedules", "windows", "attempts", "events"):
        if _any(tx, f"SELECT 1 FROM {table} WHERE agent = ?", name):
            return 0
    tx.run("DELETE FROM routing WHERE scope = ?", name)
    tx.run("DELETE FROM said WHERE agent = ?", name)
    return tx.change("DELETE FROM agents WHERE name = ?", name)


def _simply(table: str, key: str) -> Callable[[Tx, Row, Until], int]:
    def remove(tx: Tx, row: Row, limits: Until) -> int:
        if row["ended_at"] is None or row["ended_at"] >= limits.history_at:
            return 0
        return tx.change(f"DELETE FROM {table} WHERE {key} = ?", row[key])

    return remove


def _request(tx: Tx, row: Row, limits: Until) -> int:
    if row["state"] != "done":
        return 0
    return tx.change("DELETE FROM requests WHERE id = ?", row["id"])


def _is_sealed(row: Row, limits: Until) -> bool:
    """Whether an audit row is old, and there to be read elsewhere."""
    if row["seq"] >= limits.sealed_seq:
        return False
    made_at = stamped_at(row["head"])
    return made_at is None or made_at < limits.history_at


def _audit(tx: Tx, row: Row, limits: Until) -> int:
    return tx.change("DELETE FROM audit WHERE seq = ?", row["seq"])


# ----------------------------------------------------------------------------------------- tables


def _of_history(row: Row, limits: Until) -> bool:
    return bool(row["since"] < limits.history_at)


def _walk(
    table: str,
    key: str,
    since: str,
    remove: Callable[[Tx, Row, Until], int],
    is_old: Callable[[Row, Until], bool] = _of_history,
    what: str = "*",
) -> _Walk:
    """Rows in the order in which they were made; ``since``: what their age goes by."""
    sql = (
        f"SELECT {what}, {since} AS since FROM {table} WHERE {key} > ?1 AND ?2 = ?2"
        f" ORDER BY {key} LIMIT ?3"
    )
    return _Walk(sql=sql, key=key, is_old=is_old, remove=remove)


def _gone(table: str, key: str, remove: Callable[[Tx, Row, Until], int]) -> _Walk:
    """Those that are gone, in no order of their age."""
    sql = (
        f"SELECT rowid, {key}, gone_at AS since FROM {table} WHERE rowid > ?1 AND ?2 = ?2"
        " AND gone_at IS NOT NULL ORDER BY rowid LIMIT ?3"
    )
    return _Walk(sql=sql, key="rowid", is_old=_of_history, remove=remove, is_ordered=False)


_ATTEMPT = "id, agent, schedule, window_id, ended_at"

_WALKS: Sequence[_Walk] = (
    _walk("events", "seq", "at", _event, lambda row, limits: row["since"] < limits.messages_at),
    _Walk(
        sql="SELECT id, agent, schedule, closed_at, closed_at AS since FROM windows"
        " WHERE closed_at IS NOT NULL AND (closed_at, id) > (?1, ?2)"
        " ORDER BY closed_at, id LIMIT ?3",
        key="closed_at",
        also_key="id",
        is_old=_of_history,
        remove=_window,
    ),
    _walk("attempts", "id", "claimed_at", _attempt, what=_ATTEMPT),
    _walk("outages", "id", "opened_at", _outage),
    _walk("spans", "id", "to_at", _simply("spans", "id"), what="id, to_at AS ended_at"),
    _walk("holders", "epoch", "began_at", _simply("holders", "epoch")),
    _walk("pauses", "id", "from_at", _simply("pauses", "id")),
    _walk("silences", "id", "made_at", _simply("silences", "id")),
    _gone("schedules", "agent, id, gone_why", _schedule),
    _gone("agents", "name", _agent),
    _walk(
        "requests",
        "id",
        "coalesce(ended_at, created_at)",
        _request,
        lambda row, limits: row["since"] < limits.requests_at,
    ),
    _walk("audit", "seq", "seq", _audit, _is_sealed, what="seq, substr(line, 1, 40) AS head"),
)
