"""Planning: what fell due becomes windows, and what was passed over is said (rules R3, R4, R8).

The decision is ``core.planning``'s; here it is looked up and written down, cursor and windows in
one transaction.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from sqlite3 import Row

from dotagent.core import events, exits
from dotagent.core.decide import OBEYED_MOST_MS
from dotagent.core.model import Kind, Lost, WindowState
from dotagent.core.planning import Closing, Cursor, Gap, Live, NewWindow, Plan, Policy, Sighting
from dotagent.core.planning import plan as decide
from dotagent.core.planning import upcoming as next_due
from dotagent.core.quiet import HELD_MOST_MS
from dotagent.core.schedule import next_after
from dotagent.core.silence import SLACK_MS
from dotagent.core.when import Every, from_definition
from dotagent.store import facts, overdue, pauses, windows
from dotagent.store.actor import Actor
from dotagent.store.database import Tx
from dotagent.store.due import AT_ONCE
from dotagent.store.tell import BUDGET_MOST_MS, tell

PASS = 50
"""Schedules planned in one transaction, which takes some 25 ms: what starts or settles meanwhile
waits for no more than that, however many are new or were away for a week."""

_HOUR = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One pass. ``more``: further schedules are due; ``touched``: destinations with news."""

    touched: set[str]
    more: bool


def plan_due(tx: Tx, actor: Actor, now: int) -> Planned:
    """End the pauses whose time is over, plan every schedule whose next instant has come, close
    what can no longer start, and open the outages of what is overdue."""
    touched, jumped = _end_pauses(tx, actor, now)
    due = tx.all(
        "SELECT * FROM schedules WHERE next_due_at <= ? AND gone_at IS NULL AND held_at IS NULL"
        " ORDER BY next_due_at LIMIT ?",
        now,
        PASS,
    )
    for schedule in due:
        planned = plan_one(tx, actor, now, schedule)
        touched |= planned.touched
        jumped += planned.jumped
    touched |= windows.close_stale(tx, actor, now)
    if len(due) < PASS:  # what has just fallen due comes before what has not come for too long
        touched |= overdue.open_due(tx, actor, now)
    if jumped:
        line = "the clock was set back; schedules go on from the present"
        event = events.of_system(Kind.CLOCK_CHANGED, now, line, "\n".join(jumped))
        touched |= tell(tx, actor, now, [event])
    return Planned(touched=touched, more=len(due) == PASS)


@dataclass(frozen=True, slots=True, kw_only=True)
class One:
    """One schedule planned. ``jumped``: its name, if the clock had been wrong."""

    touched: set[str]
    jumped: list[str]


def plan_one(tx: Tx, actor: Actor, now: int, schedule: Row, through: int | None = None) -> One:
    """Plan one schedule, up to now or, where a pause begins or ends on the way, ``through`` that
    instant: a pause must hold or not hold for all that a pass decides."""
    until = now if through is None or _is_another(schedule) else through
    sighting = _sighting(tx, actor, schedule, until)
    made = decide(sighting, until)
    touched = _apply(tx, actor, now, schedule, made)
    overdue.follow(tx, until, schedule, sighting, made)
    name = f"{schedule['agent']}/{schedule['id']}"
    return One(touched=touched, jumped=[name] if made.clock_changed else [])


def _is_another(schedule: Row) -> bool:
    """Whether it was edited or is back: what lies before that is not planned at all, also where a
    pause ended in between (rules R3)."""
    edited = schedule["planned_as"] not in (None, schedule["definition"])
    return edited or bool(schedule["was_away"])


def _end_pauses(tx: Tx, actor: Actor, now: int) -> tuple[set[str], list[str]]:
    """What fell due before the end of a pause is skipped, what falls due after it runs."""
    touched: set[str] = set()
    jumped: list[str] = []
    for pause in pauses.over(tx, now):
        planned = end_pause(tx, actor, now, pause, pause["until_at"], pauses.IN_TIME)
        touched |= planned.touched
        jumped += planned.jumped
    return touched, jumped


def end_pause(tx: Tx, actor: Actor, now: int, pause: Row, at: int, why: str) -> One:
    """End one pause (or skip) at this instant, which may have passed."""
    touched: set[str] = set()
    jumped: list[str] = []
    under = pauses.schedules(tx, pause)
    for schedule in under:
        if schedule["planned_through"] is not None and schedule["held_at"] is None:
            planned = plan_one(tx, actor, now, schedule, at - 1)
            touched |= planned.touched
            jumped += planned.jumped
    pauses.end(tx, at, pause["id"], why)
    for schedule in under:
        if pause["kind"] == pauses.PAUSE:
            overdue.thaw(tx, at, schedule["agent"], schedule["id"])
        else:
            overdue.passed_over(tx, at - 1, schedule["agent"], schedule["id"])
    return One(touched=touched, jumped=jumped)


_AHEAD = (
    (
        "UPDATE schedules SET next_due_at = ?1 WHERE planned_through > ?1 + ?2"
        " AND gone_at IS NULL AND held_at IS NULL",
        _HOUR,
    ),
    # Where the next look does not follow from the cursor: it waited for a run.
    (
        "UPDATE schedules SET next_due_at = ?1 WHERE next_due_at > ?1 + ?2 AND gone_at IS NULL"
        " AND held_at IS NULL AND overlap = 'queue'",
        _HOUR,
    ),
    # A waiting window is tried by its deadline at the latest; if that lies before now, planning
    # closes it, else the wait was within what the manifest asked for. One that is held has no
    # next try at all (rules R9).
    (
        "UPDATE windows SET next_at = ?1 WHERE state = 'waiting' AND next_at > ?1"
        " AND planned_at > ?1 + ?2",
        _HOUR,
    ),
    # Since when a schedule counts as without success is never to come; nor is a pause's beginning.
    (
        "UPDATE schedules SET sound_at = min(sound_at, ?1), watched_at = min(watched_at, ?1),"
        " frozen_at = min(frozen_at, ?1), ready_at = NULL, stale_at = NULL,"
        " next_due_at = CASE WHEN next_due_at IS NOT NULL THEN min(next_due_at, ?1) END"
        " WHERE max(sound_at, watched_at, coalesce(frozen_at, 0)) > ?1 + ?2",
        _HOUR,
    ),
    (
        "UPDATE pauses SET until_at = ?1 WHERE ended_at IS NULL AND kind = 'pause'"
        " AND from_at > ?1 + ?2",
        _HOUR,
    ),
    ("UPDATE destinations SET down_until = ?1 WHERE down_until > ?1 + ?2", OBEYED_MOST_MS),
    ("UPDATE destinations SET told_until = ?1 WHERE told_until > ?1 + ?2", OBEYED_MOST_MS),
    (
        "UPDATE deliveries SET expires_at = ?1 WHERE state = 'pending' AND expires_at > ?1 + ?2",
        BUDGET_MOST_MS + HELD_MOST_MS,
    ),
    (
        "UPDATE deliveries SET hold_until = ?1 WHERE state = 'pending' AND hold_until > 0"
        " AND hold_until > ?1 + ?2",
        HELD_MOST_MS,
    ),
    (
        "UPDATE owed SET due_at = ?1 WHERE due_at > ?1 + ?2 + coalesce("
        "(SELECT r.rate_limit_ms FROM routing r WHERE r.scope = owed.scope"
        " AND r.notifier = owed.notifier), 0)",
        0,
    ),
    (
        "UPDATE reminders SET due_at = ?1 WHERE due_at > ?1 + ?2 + coalesce("
        "(SELECT max(step.value) FROM routing r, json_each(r.remind) step"
        " WHERE r.scope = reminders.scope AND r.notifier = reminders.notifier), 0)",
        0,
    ),
    # Its length is bounded from when it was made, so a maximum ahead is one of that instant.
    (
        "UPDATE silences SET until_at = ?1 WHERE ended_at IS NULL AND made_at > ?1 + ?2",
        SLACK_MS,
    ),
)


def recheck(tx: Tx, now: int) -> None:
    """After a step of the clock and at start: cursors and stored instants that lie further ahead
    than they ever may were made by a wrong clock and are due now (rules R3)."""
    for statement, most_ms in _AHEAD:
        tx.run(statement, now, most_ms)


def rezone(tx: Tx, mark: str) -> None:
    """The machine is in the zone of this mark: where it was in another one, each schedule is looked
    at, for its next instant may be another. What was planned stays planned."""
    if facts.remember(tx, "zone", mark):
        tx.run("UPDATE schedules SET next_due_at = ? WHERE next_due_at IS NOT NULL", AT_ONCE)


def next_wake(tx: Tx) -> int | None:
    """When the next schedule is due."""
    at: int | None = tx.value(
        "SELECT min(next_due_at) FROM schedules WHERE next_due_at IS NOT NULL"
    )
    return at


def next_look(tx: Tx) -> int | None:
    """When planning has something to do next: a schedule is due or overdue, or a pause ends."""
    known = [next_wake(tx), overdue.next_wake(tx), pauses.next_wake(tx)]
    return min((at for at in known if at is not None), default=None)


def upcoming(tx: Tx, actor: Actor, now: int, schedule: Row) -> int | None:
    """When the schedule's first window falls due that is not planned yet. Not its ``next_due_at``:
    that is only when to look, and may be set to look at once."""
    return next_due(_sighting(tx, actor, schedule, now), now)


def following(tx: Tx, actor: Actor, now: int, schedule: Row, after: int) -> int | None:
    """The schedule's first instant later than ``after``, planned or not."""
    sighting = _sighting(tx, actor, schedule, now)
    return (
        None
        if sighting.cursor is None
        else next_after(
            sighting.when,
            after,
            anchor_at=sighting.cursor.anchor_at,
            name=sighting.name,
            zone=sighting.zone,
        )
    )


# ---------------------------------------------------------------------------------- fact gathering


def _sighting(tx: Tx, actor: Actor, row: Row, at: int) -> Sighting:
    live = tx.one(
        f"SELECT state, attempts, state = 'waiting' AND {windows.BY_HAND} AS by_hand"
        " FROM windows w WHERE agent = ? AND schedule = ? AND state IN ('waiting', 'running')",
        row["agent"],
        row["id"],
    )
    cursor = None
    if row["planned_through"] is not None:
        cursor = Cursor(
            planned_through=row["planned_through"],
            plan_epoch=row["plan_epoch"],
            anchor_at=row["anchor_at"],
        )
    when = from_definition(row["definition"])
    if isinstance(when, Every) and row["run_at_start"]:
        when = replace(when, run_at_start=True)
    return Sighting(
        when=when,
        name=f"{row['agent']}/{row['id']}",
        zone=actor.zone,
        policy=Policy(
            catch_up=row["catch_up"],
            overlap=row["overlap"],
            stale_after_ms=row["stale_after_ms"],
            stale_is_default=bool(row["stale_is_default"]),
        ),
        cursor=cursor,
        planned_as=from_definition(row["planned_as"]) if row["planned_as"] else None,
        was_away=bool(row["was_away"]),
        paused=pauses.said(tx, row["agent"], row["id"], at),
        live=_live(live) if live else None,
        freed_at=_freed_at(tx, row),
    )


def _live(row: Row) -> Live:
    state, by_hand = WindowState(row["state"]), bool(row["by_hand"])
    return Live(state=state, attempts=row["attempts"], by_hand=by_hand)


def _freed_at(tx: Tx, row: Row) -> int | None:
    """When the last attempt ended; not where a crash lost it: nobody was there to queue then."""
    if row["overlap"] != "queue":
        return None
    last = tx.one(
        "SELECT ended_at, exit FROM attempts WHERE agent = ? AND schedule = ?"
        " ORDER BY id DESC LIMIT 1",
        row["agent"],
        row["id"],
    )
    if last is None or last["ended_at"] is None:
        return None
    lost = isinstance(exits.from_data(json.loads(last["exit"])), Lost)
    return None if lost else int(last["ended_at"])


# ----------------------------------------------------------------------------------------- effects


def _apply(tx: Tx, actor: Actor, now: int, schedule: Row, made: Plan) -> set[str]:
    touched: set[str] = set()
    if made.closes_live is not None:
        touched |= _close(tx, actor, now, schedule, made.closes_live)
    if made.gap is not None:
        touched |= _gap(tx, actor, now, schedule, made.gap, made.cursor.plan_epoch)
        if made.new_window is None and made.gap.state is WindowState.SKIPPED:
            windows.only_skipped(tx, schedule["agent"], schedule["id"], made.gap.reason)
    if made.new_window is not None:
        _open(tx, now, schedule, made.new_window, made.cursor.plan_epoch)
    tx.run(
        "UPDATE schedules SET planned_through = ?, plan_epoch = ?, anchor_at = ?, next_due_at = ?,"
        " planned_as = NULL, was_away = 0 WHERE agent = ? AND id = ?",
        made.cursor.planned_through,
        made.cursor.plan_epoch,
        made.cursor.anchor_at,
        made.next_at,
        schedule["agent"],
        schedule["id"],
    )
    return touched


def _close(tx: Tx, actor: Actor, now: int, schedule: Row, closing: Closing) -> set[str]:
    live = windows.waiting(tx, schedule["agent"], schedule["id"])
    assert live is not None
    if closing.state is WindowState.SKIPPED:
        windows.shut(tx, now, live["id"], closing.state, closing.reason)
        windows.only_skipped(tx, schedule["agent"], schedule["id"], closing.reason)
        return set()
    return windows.give_up(tx, actor, now, live, closing.reason)


def _open(tx: Tx, now: int, schedule: Row, new: NewWindow, plan_epoch: int) -> None:
    tx.run(
        "INSERT INTO windows (agent, schedule, plan_epoch, expected_at, planned_at, late,"
        " caught_up, deadline_at, state, next_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?)",
        schedule["agent"],
        schedule["id"],
        plan_epoch,
        new.expected_at,
        now,
        int(new.late),
        new.caught_up_count,
        new.deadline_at,
        now,
    )


def _gap(tx: Tx, actor: Actor, now: int, schedule: Row, gap: Gap, plan_epoch: int) -> set[str]:
    """One row for the whole range; ``missed`` is told, once."""
    window_id = tx.run(
        "INSERT INTO windows (agent, schedule, plan_epoch, expected_at, expected_to, count, exact,"
        " planned_at, deadline_at, state, reason, closed_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        schedule["agent"],
        schedule["id"],
        plan_epoch,
        gap.first_at,
        gap.latest_at,
        gap.count,
        int(gap.count_is_exact),
        now,
        gap.latest_at,
        gap.state,
        gap.reason,
        now,
    )
    if gap.state is not WindowState.MISSED:
        return set()
    row = tx.one("SELECT * FROM windows WHERE id = ?", window_id)
    assert row is not None
    return windows.miss(tx, actor, now, row, gap.reason)
