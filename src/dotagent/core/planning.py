"""What a planning pass does with one schedule: cursor, new window, gap, older window (rules R3, R4,
R7–R9). Pure: what the store knows and the time in, a named plan with its reasons out.

Invariants: every instant between two positions of the cursor is planned exactly once within one
plan epoch, as the new window or in the gap, however the passes fall; the cursor goes back only
with a new epoch; a running window is never closed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Literal

from dotagent.core import moment, schedule
from dotagent.core.duration import HOUR_MS, MINUTE_MS
from dotagent.core.ending import Ending
from dotagent.core.model import WindowState
from dotagent.core.when import Every, When, definition

ON_TIME_MS = MINUTE_MS
"""So late a window still counts as on time: a busy machine, a restart of the daemon, or a clock
step noticed within 30 s (product §7) is neither downtime nor sleep."""

# ----------------------------------------------------------------------------------------- facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a schedule wants to be treated. ``stale_is_default``: nobody set ``stale_after``; then a
    window that is late has it from the moment it could first be tried (product §7)."""

    catch_up: Literal["last", "none"] = "last"
    overlap: Literal["skip", "queue"] = "skip"
    stale_after_ms: int = 2 * HOUR_MS
    stale_is_default: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a schedule is planned: every instant up to ``planned_through`` has been decided."""

    planned_through: int
    plan_epoch: int
    anchor_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The schedule's ``waiting`` or ``running`` window. ``by_hand``: it waits for a run that a
    person asked for."""

    state: WindowState
    attempts: int
    by_hand: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One schedule as a planning pass finds it.

    A pause must hold, or not hold, over the whole time since the cursor: plan once up to the
    moment a pause begins or ends, and then on from there. A schedule whose root has vanished is
    held: it is not planned at all until the root is back.
    """

    when: When
    name: str
    """``agent/schedule``."""
    zone: tzinfo
    """The machine's."""
    policy: Policy
    cursor: Cursor | None
    """``None`` the first time the schedule is seen."""
    planned_as: When | None = None
    """What the cursor was made for, where that is not ``when`` itself (an edited manifest)."""
    enabled: bool = True
    was_away: bool = False
    """It was disabled or removed until now, so that nothing was due in between."""
    paused: str | None = None
    """Who paused it and why."""
    live: Live | None = None
    freed_at: int | None = None
    """When the schedule's last attempt ended, unless a crash lost it: ``queue`` waits for it."""


# -------------------------------------------------------------------------------------- decisions


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWindow:
    """A window to run. ``late``: more than ``ON_TIME_MS`` after its time. Where it stands in for
    older ones, how many these are (as exact as the plan's gap) and the first of them."""

    expected_at: int
    deadline_at: int
    late: bool = False
    caught_up_count: int = 0
    caught_up_first_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Instants that get no run, as one row: ``missed`` (told, once) or ``skipped`` (not told)."""

    first_at: int
    latest_at: int
    count: int
    count_is_exact: bool
    state: WindowState
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """How the live window ends in the same commit."""

    state: WindowState
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One planning commit. There is nothing to commit where the cursor, the definition and
    ``next_at`` are as before and all else is empty.

    ``next_at``: when to plan again; ``None`` for never."""

    cursor: Cursor
    next_at: int | None
    new_window: NewWindow | None = None
    gap: Gap | None = None
    closes_live: Closing | None = None
    clock_changed: bool = False


def plan(sighting: Sighting, now: int) -> Plan:
    """What is to be done with this schedule at ``now``.

    1. First seen: the cursor starts here; ``run_at_start`` makes a window at once.
    2. Disabled: a waiting window ends; nothing else happens.
    3. The cursor is too far ahead: the clock was wrong; start again here in a new epoch.
    4. Edited, or back after an absence: go on from here, so that nothing false is missed.
    5. Else what fell due since the cursor is decided, and the cursor follows.
    """
    cursor = sighting.cursor
    if cursor is None:
        return _first_seen(sighting, now)
    if not sighting.enabled:
        return Plan(
            cursor=cursor, next_at=None, closes_live=_end_waiting(sighting, Ending.DISABLED)
        )
    if _is_ahead(sighting, cursor, now):
        restarted = Cursor(
            planned_through=now,
            plan_epoch=cursor.plan_epoch + 1,
            anchor_at=min(cursor.anchor_at, now),
        )
        return Plan(
            cursor=restarted,
            next_at=_next(sighting, restarted, now),
            closes_live=_pause(sighting),
            clock_changed=True,
        )
    if _is_another(sighting):
        return _carry_on(sighting, cursor, now)
    return _decide(sighting, cursor, now)


def upcoming(sighting: Sighting, now: int) -> int | None:
    """When the first window falls due that no pass has planned yet; ``None`` for never. It may
    have fallen due already: a pass is late, or a queued window waits for a run."""
    cursor = sighting.cursor
    if cursor is None or not sighting.enabled or _is_ahead(sighting, cursor, now):
        return plan(sighting, now).next_at
    if _is_another(sighting):
        return _carry_on(sighting, cursor, now).next_at
    return _next(sighting, cursor, cursor.planned_through)


# ------------------------------------------------------------------------------ cursor (rules R3)


def _first_seen(sighting: Sighting, now: int) -> Plan:
    cursor = Cursor(planned_through=now, plan_epoch=0, anchor_at=now)
    made = Plan(cursor=cursor, next_at=_next(sighting, cursor, now))
    if not (sighting.enabled and isinstance(sighting.when, Every) and sighting.when.run_at_start):
        return made if sighting.enabled else replace(made, next_at=None)
    at_once = schedule.Due(first_at=now, latest_at=now, count=1, count_is_exact=True)
    if sighting.paused is not None:
        return replace(made, gap=_gap(at_once, WindowState.SKIPPED, sighting.paused))
    window = NewWindow(expected_at=now, deadline_at=_deadline(sighting.policy, now, now))
    return replace(made, new_window=window)


def _is_ahead(sighting: Sighting, cursor: Cursor, now: int) -> bool:
    """Whether the clock must have been wrong when the cursor was set."""
    ahead_ms = cursor.planned_through - now
    if ahead_ms <= HOUR_MS:
        return False
    period_ms = schedule.period_ms(
        sighting.when, now, anchor_at=cursor.anchor_at, name=sighting.name, zone=sighting.zone
    )
    return ahead_ms > max(HOUR_MS, 2 * period_ms)


def _is_another(sighting: Sighting) -> bool:
    """Whether the cursor was not made for this schedule as it is now: edited, or back again."""
    planned_as = sighting.planned_as or sighting.when
    return sighting.was_away or definition(planned_as) != definition(sighting.when)


def _carry_on(sighting: Sighting, cursor: Cursor, now: int) -> Plan:
    # A cursor that is a little ahead of now stays there: what it has passed was planned.
    through = max(cursor.planned_through, now)
    was = sighting.planned_as or sighting.when
    same_grid = not isinstance(sighting.when, Every) or (
        isinstance(was, Every) and was.every_ms == sighting.when.every_ms
    )
    moved = replace(
        cursor, planned_through=through, anchor_at=cursor.anchor_at if same_grid else now
    )
    return Plan(cursor=moved, next_at=_next(sighting, moved, through), closes_live=_pause(sighting))


# ---------------------------------------------------------------------- what is due (rules R4, R8)


def _decide(sighting: Sighting, cursor: Cursor, now: int) -> Plan:
    due = schedule.latest_due(
        sighting.when,
        cursor.planned_through,
        now,
        anchor_at=cursor.anchor_at,
        name=sighting.name,
        zone=sighting.zone,
    )
    if due is None:
        next_at = _next(sighting, cursor, cursor.planned_through)
        return Plan(cursor=cursor, next_at=next_at, closes_live=_pause(sighting))
    is_running = sighting.live is not None and sighting.live.state is WindowState.RUNNING
    if is_running and sighting.policy.overlap == "queue" and sighting.paused is None:
        # The end of the run is what wakes the planner; the next instant is only a second bell.
        return Plan(cursor=cursor, next_at=_next(sighting, cursor, now))
    moved = replace(cursor, planned_through=due.latest_at)
    made = Plan(cursor=moved, next_at=_next(sighting, moved, due.latest_at))
    if sighting.paused is not None:
        gap = _gap(due, WindowState.SKIPPED, sighting.paused)
        return replace(made, gap=gap, closes_live=_pause(sighting))
    if is_running:
        return replace(made, gap=_gap(due, WindowState.SKIPPED, Ending.OVERLAP))
    window, passed = _window_and_gap(sighting, cursor, due, now)
    return replace(made, new_window=window, gap=passed, closes_live=_overtake(sighting))


def _window_and_gap(
    sighting: Sighting, cursor: Cursor, due: schedule.Due, now: int
) -> tuple[NewWindow | None, Gap | None]:
    policy = sighting.policy
    latest = due.latest_at
    # A queued window was not late for want of a daemon: it waited for the run before it.
    queued = policy.overlap == "queue" and latest <= (sighting.freed_at or 0) <= now
    on_time = queued or now - latest <= ON_TIME_MS
    if policy.catch_up == "none" and not on_time:
        return None, _gap(due, WindowState.MISSED, Ending.NOT_CAUGHT_UP)
    deadline_at = _deadline(policy, latest, now)
    if now > deadline_at:
        return None, _gap(due, WindowState.MISSED, Ending.TOO_LATE)
    window = NewWindow(expected_at=latest, deadline_at=deadline_at, late=now - latest > ON_TIME_MS)
    if due.count == 1:
        return window, None
    older = _older(sighting, cursor, due)
    if policy.catch_up == "none":
        state, reason = (
            (WindowState.SKIPPED, Ending.OVERLAP)
            if queued
            else (WindowState.MISSED, Ending.NOT_CAUGHT_UP)
        )
        return window, _gap(older, state, reason)
    run = f"{moment.local(latest, sighting.zone):%Y-%m-%d %H:%M}"
    window = replace(window, caught_up_count=older.count, caught_up_first_at=older.first_at)
    return window, _gap(older, WindowState.SKIPPED, f"{Ending.CAUGHT_UP} {run}")


def _older(sighting: Sighting, cursor: Cursor, due: schedule.Due) -> schedule.Due:
    """All that is due but the latest."""
    before = schedule.previous_before(
        sighting.when,
        due.latest_at,
        anchor_at=cursor.anchor_at,
        name=sighting.name,
        zone=sighting.zone,
    )
    return replace(
        due,
        latest_at=due.first_at if before is None else before,
        count=due.count - 1 if due.count_is_exact else due.count,
    )


def started_by(at: int, stale_after_ms: int) -> int:
    """When what could start at ``at`` has to be started. ``stale_after = 0`` has always meant "in
    its own minute or not at all" (contract §7)."""
    return at + (stale_after_ms or MINUTE_MS)


def _deadline(policy: Policy, expected_at: int, now: int) -> int:
    stale_after_ms = policy.stale_after_ms or MINUTE_MS
    is_late = now - expected_at > min(ON_TIME_MS, stale_after_ms)
    from_at = now if policy.stale_is_default and is_late else expected_at
    return started_by(from_at, stale_after_ms)


# -------------------------------------------------------------------------------- smaller pieces


def _overtake(sighting: Sighting) -> Closing | None:
    if sighting.live is None:
        return None
    tried = sighting.live.attempts > 0
    if sighting.live.by_hand and not tried:  # a person's own run is no reason for an alarm
        return Closing(state=WindowState.SKIPPED, reason=Ending.OVERLAP)
    return Closing(
        state=WindowState.GIVEN_UP if tried else WindowState.MISSED, reason=Ending.OVERTAKEN
    )


def _pause(sighting: Sighting) -> Closing | None:
    return None if sighting.paused is None else _end_waiting(sighting, sighting.paused)


def _end_waiting(sighting: Sighting, reason: str) -> Closing | None:
    if sighting.live is None or sighting.live.state is not WindowState.WAITING:
        return None
    return Closing(state=WindowState.SKIPPED, reason=reason)


def _gap(due: schedule.Due, state: WindowState, reason: str) -> Gap:
    return Gap(
        first_at=due.first_at,
        latest_at=due.latest_at,
        count=due.count,
        count_is_exact=due.count_is_exact,
        state=state,
        reason=reason,
    )


def _next(sighting: Sighting, cursor: Cursor, after: int) -> int | None:
    return schedule.next_after(
        sighting.when, after, anchor_at=cursor.anchor_at, name=sighting.name, zone=sighting.zone
    )
