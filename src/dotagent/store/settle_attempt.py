"""The line's single commit: an attempt ends (architecture §4, rules R5, R7, R9–R11).

The attempt, its window, the outage, the events, their deliveries and the audit rows are written
together; what is free to go comes back claimed. Invariant: an attempt is settled once; settling it
again, after a commit whose answer was lost, changes nothing.
"""

from __future__ import annotations

import json
from sqlite3 import Row

from dotagent.core import decide, events, exits, health
from dotagent.core.compact import loose
from dotagent.core.decide import GOOD, Close, Judgement, Situation, Verdict, Wait
from dotagent.core.ending import Ending
from dotagent.core.model import (
    AttemptKind,
    Blocked,
    Ended,
    Event,
    Interrupted,
    Kind,
    Lost,
    TimedOut,
    WindowState,
)
from dotagent.store import outages, outbox, overdue, plan, record, windows
from dotagent.store.actor import Actor
from dotagent.store.database import Tx
from dotagent.store.outbox import Claim
from dotagent.store.tell import tell


def settle(
    tx: Tx, actor: Actor, attempt_id: int, judgement: Judgement, ended: Ended, *, room: int
) -> list[Claim]:
    """The line's single commit (architecture §4). Returns the deliveries to send at once."""
    attempt = _close_attempt(tx, attempt_id, judgement, ended)
    if attempt is None:
        return []
    now = ended.ended_at
    if attempt["kind"] == AttemptKind.TRIAL:
        return []
    window = _window(tx, attempt)
    schedule = tx.one(
        "SELECT * FROM schedules WHERE agent = ? AND id = ?", attempt["agent"], attempt["schedule"]
    )
    if window is None:
        decision = _settle_manual(tx, now, attempt, judgement)
    else:
        decision = _settle_window(tx, actor, now, window, schedule, judgement)
    outage = _settle_outage(tx, now, attempt, judgement, decision)
    gone = _gone(schedule)
    if gone is not None:  # nobody waits for its next success any more (R9)
        outages.close(tx, now, attempt["agent"], attempt["schedule"], gone)
    told = _told(tx, attempt, window, schedule, ended, judgement)
    found = _events(actor, attempt, judgement, decision, told, outage, ended)
    _audit(tx, actor, attempt, schedule, judgement, ended, outage)
    _settle_schedule(tx, now, attempt, schedule, judgement, decision)
    touched = tell(tx, actor, now, found)
    if not decision.counted:  # an edit meanwhile may have left its window no further try
        touched |= windows.close_used_up(tx, actor, now, attempt["agent"])
    return outbox.claim(tx, actor, now, room, touched)


def _window(tx: Tx, attempt: Row) -> Row | None:
    """As it stands now; a run that a person asked for has none."""
    if attempt["window_id"] is None:
        return None
    return tx.one("SELECT * FROM windows WHERE id = ?", attempt["window_id"])


def _close_attempt(tx: Tx, attempt_id: int, judgement: Judgement, ended: Ended) -> Row | None:
    """Its row, but for what it brought; None where it has ended before."""
    return tx.one(
        "UPDATE attempts SET ended_at = ?1,"
        " lasted_ms = coalesce(?2, max(?1 - coalesce(spawned_at, claimed_at), 0)), verdict = ?3,"
        " exit = ?4, words = ?5, stdout_tail = ?6, stderr_tail = ?7, dropped = ?8, result = ?9,"
        " remarks = ?10 WHERE id = ?11 AND ended_at IS NULL"
        " RETURNING id, agent, schedule, window_id, number, kind, manifest_sha256, claimed_at,"
        " spawned_at, lasted_ms",
        ended.ended_at,
        ended.lasted_ms,
        judgement.verdict,
        loose(exits.to_data(judgement.exit)),
        judgement.words,
        ended.stdout.text,
        ended.stderr.text,
        loose([ended.stdout.dropped, ended.stderr.dropped]),
        loose(dict(ended.result)),
        loose([*ended.problems, *([ended.result_problem] if ended.result_problem else [])]),
        attempt_id,
    )


def _settle_window(
    tx: Tx, actor: Actor, now: int, window: Row, schedule: Row | None, judgement: Judgement
) -> Wait | Close:
    losses = _losses(window, judgement)
    later_due_at = None
    if schedule is not None and judgement.verdict is Verdict.FAILED:
        later_due_at = plan.upcoming(tx, actor, now, schedule)
    situation = _situation(window, schedule, losses, later_due_at)
    decision = decide.after_attempt(judgement, situation, now)
    attempts = window["attempts"] - (0 if decision.counted else 1)
    if isinstance(decision, Wait):
        gone = _gone(schedule)
        if gone is not None:  # an interrupted try of a schedule that is no longer wanted (R9)
            decision = Close(state=WindowState.SKIPPED, why=gone, counted=False)
    if isinstance(decision, Wait):
        # While its root is away there is no next try; the root's return sets it (R9).
        held = schedule is not None and schedule["held_at"] is not None
        tx.run(
            "UPDATE windows SET state = 'waiting', attempts = ?, losses = ?, next_at = ?,"
            " reason = ? WHERE id = ?",
            attempts,
            losses,
            None if held else decision.at,
            decision.why,
            window["id"],
        )
    else:
        tx.run(
            "UPDATE windows SET attempts = ?, losses = ? WHERE id = ?",
            attempts,
            losses,
            window["id"],
        )
        windows.shut(tx, now, window["id"], decision.state, decision.why)
        if isinstance(judgement.exit, Interrupted):  # a person wanted it so
            names = window["agent"], window["schedule"]
            overdue.passed_over(tx, window["expected_at"], *names)
    return decision


def _losses(window: Row, judgement: Judgement) -> int:
    """Attempts of this window lost to a crash, this one counted."""
    return int(window["losses"]) + isinstance(judgement.exit, Lost)


def _situation(
    window: Row, schedule: Row | None, losses: int, later_due_at: int | None
) -> Situation:
    return Situation(
        attempts=window["attempts"],
        max_attempts=schedule["max_attempts"] if schedule is not None else 1,
        losses=losses,
        deadline_at=window["deadline_at"],
        later_due_at=later_due_at,
        backoff_ms=json.loads(schedule["backoff"]) if schedule is not None else (),
        gone=_gone(schedule),
    )


def _gone(schedule: Row | None) -> str | None:
    if schedule is None:
        return Ending.REMOVED
    return None if schedule["gone_at"] is None else str(schedule["gone_why"])


def _settle_manual(tx: Tx, now: int, attempt: Row, judgement: Judgement) -> Wait | Close:
    """Rules R10: a manual success closes the waiting window; a failure touches none."""
    if judgement.verdict not in GOOD:
        return Wait(at=now, why=judgement.words)
    waiting = windows.waiting(tx, attempt["agent"], attempt["schedule"])
    if waiting is not None:
        windows.shut(tx, now, waiting["id"], WindowState.SUCCEEDED, Ending.BY_HAND)
    return Close(state=WindowState.SUCCEEDED, why=Ending.BY_HAND)


def _settle_outage(
    tx: Tx, now: int, attempt: Row, judgement: Judgement, decision: Wait | Close
) -> Row | None:
    agent, schedule = attempt["agent"], attempt["schedule"]
    if judgement.verdict in GOOD:
        return outages.close(tx, now, agent, schedule, "success")
    if judgement.verdict is not Verdict.FAILED:
        return outages.current(tx, agent, schedule)
    lost = isinstance(decision, Close) and decision.state is WindowState.GIVEN_UP
    kind = events.failure_kind(judgement)
    return outages.bad_news(tx, now, agent, schedule, by=kind, failures=1, windows=1 if lost else 0)


def _told(
    tx: Tx,
    attempt: Row,
    window: Row | None,
    schedule: Row | None,
    ended: Ended,
    judgement: Judgement,
) -> events.Told:
    most = attempt["number"]
    if window is not None and schedule is not None:
        most = decide.allowance(schedule["max_attempts"], _losses(window, judgement))
    return events.Told(
        number=attempt["number"],
        max_attempts=most,
        ended_at=ended.ended_at,
        lasted_ms=attempt["lasted_ms"],
        expected_at=window["expected_at"] if window is not None else None,
        manual=attempt["kind"] == AttemptKind.MANUAL,
        result=ended.result,
        caught_up=_caught_up(tx, window) if window is not None else None,
        late_ms=_late_ms(attempt, window) if window is not None else None,
    )


def _late_ms(attempt: Row, window: Row) -> int | None:
    """How late its first try was, where the window was planned late."""
    if not window["late"] or attempt["number"] > 1:
        return None
    started_at = attempt["spawned_at"] or attempt["claimed_at"]
    return max(int(started_at) - int(window["expected_at"]), 0)


def _caught_up(tx: Tx, window: Row) -> events.CaughtUp | None:
    """The range row that was made together with a window that stands in for others."""
    if not window["caught_up"]:
        return None
    older = tx.one(
        "SELECT expected_at, count, exact FROM windows WHERE agent = ? AND schedule = ?"
        " AND plan_epoch = ? AND expected_at < ? ORDER BY expected_at DESC LIMIT 1",
        window["agent"],
        window["schedule"],
        window["plan_epoch"],
        window["expected_at"],
    )
    if older is None:  # retention was quicker
        return None
    return events.CaughtUp(
        first_at=older["expected_at"], count=older["count"], exact=bool(older["exact"])
    )


def _events(
    actor: Actor,
    attempt: Row,
    judgement: Judgement,
    decision: Wait | Close,
    told: events.Told,
    outage: Row | None,
    ended: Ended,
) -> list[Event]:
    source = events.Source(
        agent=attempt["agent"],
        schedule_id=attempt["schedule"],
        host=actor.host,
        window_id=attempt["window_id"],
        attempt_id=attempt["id"],
        outage_id=outage["id"] if outage is not None else None,
    )
    so_far = outages.so_far(outage) if outage is not None else None
    found = events.of_attempt(source, judgement, decision, told, so_far)
    if ended.escaped:
        pids = ", ".join(str(pid) for pid in ended.escaped)
        line = f"{attempt['agent']}/{attempt['schedule']}: process {pids} could not be killed"
        found.append(events.of_system(Kind.PROCESS_ESCAPED, ended.ended_at, line))
    return found


def _audit(
    tx: Tx,
    actor: Actor,
    attempt: Row,
    schedule: Row | None,
    judgement: Judgement,
    ended: Ended,
    outage: Row | None,
) -> None:
    now, exit = ended.ended_at, judgement.exit
    names = {"agent": attempt["agent"], "schedule": attempt["schedule"]}
    if isinstance(exit, Blocked):
        more = {"plugin": exit.by, "suggest": exit.suggest}
        record.append(tx, actor, now, "critical", "preflight_failed", **names, **more)
    else:
        good = judgement.verdict in GOOD
        record.append(
            tx,
            actor,
            now,
            "notice" if good else "critical",
            "agent_run",
            **names,
            slug=(schedule["slug"] if schedule is not None else "") or "default",
            manifest_sha256=attempt["manifest_sha256"],
            exit_code=exits.legacy_code(exit),
            duration_seconds=attempt["lasted_ms"] // 1000,
            timed_out=isinstance(exit, TimedOut),
        )
    if judgement.verdict in GOOD and outage is not None:
        record.append(
            tx, actor, now, "notice", "agent_recovered", **names, attempts=attempt["number"]
        )
    closed = _window(tx, attempt)
    if closed is not None and closed["state"] == WindowState.GIVEN_UP:
        code = exits.legacy_code(exit)
        windows.audit_given_up(tx, actor, now, closed, code=code, stderr=ended.stderr.text)


# A queued window waits for this end (rules R4): let the planner look again. What is never due stays
# so, for the least of anything and null is null.
_LOOK = ", next_due_at = min(next_due_at, ?1)"


def _settle_schedule(
    tx: Tx,
    now: int,
    attempt: Row,
    before: Row | None,
    judgement: Judgement,
    decision: Wait | Close,
) -> None:
    agent, schedule = attempt["agent"], attempt["schedule"]
    manual = attempt["kind"] == AttemptKind.MANUAL
    was = before["health"] if before is not None else None
    found = health.after(judgement, decision, attempt["number"], manual=manual, was=was or "")
    word, reason = found or (None, None)
    success = now if judgement.verdict in GOOD else None
    if success is not None:
        overdue.succeeded(tx, now, agent, schedule)
    queued = before is not None and before["overlap"] == "queue"
    tx.run(
        "UPDATE schedules SET last_ended_at = ?1, last_result = ?2,"
        " last_success_at = coalesce(?3, last_success_at),"
        f" health = {windows.unless_gone('?6', 'health')},"
        f" reason = {windows.unless_gone('?7', 'reason')}{_LOOK if queued else ''}"
        " WHERE agent = ?4 AND id = ?5",
        now,
        judgement.words,
        success,
        agent,
        schedule,
        word,
        reason,
    )
