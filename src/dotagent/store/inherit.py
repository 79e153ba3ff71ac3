"""What dotagent 0.1.x left becomes rows, in the transaction that adopts its agents.

Invariants: only a schedule that has no past here takes one over, so that doing it twice changes
nothing; nothing that 0.1.x has told is told again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dotagent.core import events, exits
from dotagent.core.decide import Verdict
from dotagent.core.fold import gravity
from dotagent.core.legacy import BY, Beat, Left, Row, Rules, Taken, Window, exit_words, take
from dotagent.core.model import AttemptKind, Event, Exit, Exited, Kind, Lost, WindowState
from dotagent.core.when import Every, from_definition
from dotagent.store import facts, outages, record, windows
from dotagent.store.actor import Actor
from dotagent.store.database import Tx

if TYPE_CHECKING:
    from dotagent.store.adopt import AgentRows, ScheduleRow

STRAY = "legacy_stray"
BAD = "legacy_bad"


def inherit(tx: Tx, actor: Actor, now: int, left: Left, heir: AgentRows) -> None:
    """Take over what 0.1.x knew of this agent's schedules."""
    count = 0
    for schedule in heir.schedules:
        names = (heir.name, schedule.id)
        if not _is_without_past(tx, *names):
            continue
        beat, window = left.beats.get(names), left.windows.get(names)
        taken = take(beat, window, _rules(schedule), now)
        if taken is None:
            continue
        count += 1
        _schedule(tx, *names, taken, beat, window)
        if taken.row is not None and window is not None:
            _window(tx, actor, now, names, taken.row, window, beat)
        if taken.outage_at is not None:
            _outage(tx, now, names, taken, window)
    if count:
        entry = {"agent": heir.name, "schedules": count}
        record.append(tx, actor, now, "notice", "state_taken_over", **entry)
    for route in heir.routes:
        sent_at = left.sent.get(route.fingerprint)
        if sent_at is not None:
            _said(tx, now, heir, route.fingerprint, sent_at)


def news(tx: Tx, now: int, left: Left) -> list[Event]:
    """What people must hear of the takeover, once: agents that are no longer looked for, and files
    that could not be read."""
    told = []
    if left.stray and facts.remember(tx, STRAY, json.dumps(sorted(left.stray))):
        told.append(_told_stray(now, sorted(left.stray)))
    if left.bad and facts.remember(tx, BAD, json.dumps(sorted(left.bad))):
        line = f"state of {BY} could not be read, and is begun anew"
        told.append(events.of_system(Kind.STORE_ERROR, now, line, "\n".join(left.bad)))
    return told


def _told_stray(now: int, stray: Sequence[tuple[str, str]]) -> Event:
    """Nobody runs them any more: that must not look like success."""
    names = ", ".join(name for name, _ in stray)
    if len(stray) == 1:
        line = f"the agent {names} does not run any more: its folder is not looked into"
    else:
        line = f"{len(stray)} agents do not run any more: their folders are not looked into"
    detail = "\n".join(f"{name}: {path}" for name, path in stray)
    why = (
        f"{BY} also looked into the folder that it was started in. Move them into the home's"
        " agents folder, or name theirs in DOTAGENT_ROOT."
    )
    return events.of_system(Kind.ROOT_VANISHED, now, line, f"{detail}\n{why}")


# ---------------------------------------------------------------------------------------- the rows


def _is_without_past(tx: Tx, agent: str, schedule: str) -> bool:
    return bool(
        tx.value(
            "SELECT 1 FROM schedules s WHERE agent = ? AND id = ? AND planned_through IS NULL"
            " AND gone_at IS NULL AND NOT EXISTS (SELECT 1 FROM attempts a"
            " WHERE a.agent = s.agent AND a.schedule = s.id)",
            agent,
            schedule,
        )
    )


def _rules(schedule: ScheduleRow) -> Rules:
    return Rules(
        max_attempts=schedule.max_attempts,
        backoff_ms=schedule.backoff_ms,
        stale_after_ms=schedule.stale_after_ms,
        is_interval=isinstance(from_definition(schedule.definition), Every),
    )


def _schedule(
    tx: Tx, agent: str, schedule: str, taken: Taken, beat: Beat | None, window: Window | None
) -> None:
    tx.run(
        "UPDATE schedules SET planned_through = ?, anchor_at = coalesce(?, anchor_at), health = ?,"
        " reason = ?, last_started_at = ?, last_ended_at = ?, last_success_at = ?, last_result = ?"
        " WHERE agent = ? AND id = ?",
        taken.planned_through,
        taken.anchor_at,
        taken.health,
        taken.reason,
        beat.started_at if beat is not None else None,
        beat.finished_at if beat is not None else None,
        beat.last_success_at if beat is not None else None,
        _result(beat, window),
        agent,
        schedule,
    )


def _result(beat: Beat | None, window: Window | None) -> str | None:
    if beat is not None and beat.finished_at is not None:
        return exit_words(beat.exit_code)
    return None if window is None else exit_words(window.last_exit)


def _window(
    tx: Tx,
    actor: Actor,
    now: int,
    names: tuple[str, str],
    row: Row,
    window: Window,
    beat: Beat | None,
) -> None:
    window_id = tx.run(
        "INSERT INTO windows (agent, schedule, plan_epoch, expected_at, planned_at, deadline_at,"
        " state, reason, attempts, next_at, closed_at) VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)",
        *names,
        row.expected_at,
        row.expected_at,
        row.deadline_at,
        row.state,
        row.reason,
        row.attempts,
        row.next_at,
        row.closed_at,
    )
    _last_attempt(tx, actor, now, window_id, names, row, window, beat)


def _last_attempt(
    tx: Tx,
    actor: Actor,
    now: int,
    window_id: int,
    names: tuple[str, str],
    row: Row,
    window: Window,
    beat: Beat | None,
) -> None:
    """The one attempt that is known: what a later message of this window refers to."""
    good = row.state is WindowState.SUCCEEDED
    began_at = window.last_attempt_at or row.expected_at
    ended_at = began_at
    if beat is not None and beat.finished_at is not None:
        began_at, ended_at = beat.started_at, beat.finished_at
    exit: Exit = Lost(why=f"how it ended under {BY} is not known")
    if good:
        exit = Exited(code=0)
    elif window.last_exit is not None and window.last_exit >= 0:
        exit = Exited(code=window.last_exit)
    tx.run(
        "INSERT INTO attempts (agent, schedule, window_id, number, kind, epoch, manifest_sha256,"
        " claimed_at, spawned_at, ended_at, lasted_ms, verdict, exit, words, stderr_tail)"
        " VALUES (?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?, ?, ?, ?, ?)",
        *names,
        window_id,
        max(row.attempts, 1),
        AttemptKind.WINDOW,
        actor.epoch,
        min(began_at, now),
        min(began_at, now),
        min(max(ended_at, began_at), now),
        max(ended_at - began_at, 0),
        Verdict.SUCCEEDED if good else Verdict.FAILED,
        json.dumps(exits.to_data(exit)),
        "exit 0" if good else exit_words(window.last_exit),
        "" if good else window.last_stderr[-windows.AUDIT_TAIL :],
    )


def _outage(tx: Tx, now: int, names: tuple[str, str], taken: Taken, window: Window | None) -> None:
    """It fails since then; reminders begin now, and its end will be told."""
    ended = taken.row is not None and taken.row.state is WindowState.GIVEN_UP
    tries = window.attempts if window is not None else 0
    outage = outages.bad_news(
        tx, now, *names, by="attempt_failed", failures=tries, windows=int(ended)
    )
    tx.run(
        "UPDATE outages SET opened_at = ?, told = ? WHERE id = ?",
        taken.outage_at,
        int(taken.told),
        outage["id"],
    )


def _said(tx: Tx, now: int, heir: AgentRows, fingerprint: str, at: int) -> None:
    """0.1.x noted the recipient alone: it may have been about any schedule, and a failure."""
    for schedule in heir.schedules:
        tx.run(
            "INSERT OR IGNORE INTO said (fingerprint, agent, schedule, gravity, at)"
            " VALUES (?, ?, ?, ?, ?)",
            fingerprint,
            heir.name,
            schedule.id,
            gravity(Kind.ATTEMPT_FAILED),
            min(at, now),
        )
