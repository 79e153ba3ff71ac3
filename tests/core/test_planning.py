"""What a planning pass decides, rule by rule, and that the passes add up however they fall."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotagent.core.ending import Ending
from dotagent.core.model import WindowState
from dotagent.core.planning import (
    ON_TIME_MS,
    Closing,
    Cursor,
    Gap,
    Live,
    NewWindow,
    Plan,
    Policy,
    Sighting,
    plan,
    upcoming,
)
from dotagent.core.schedule import next_after
from dotagent.core.when import Calendar, Every, When
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS, at

NOW = at("2026-06-03T08:00:00Z")
HOURLY = Calendar(expression="0 * * * *")
QUARTERS = Calendar(expression="0,15,30,45 * * * *")
NIGHTLY = Calendar(expression="0 3 * * *")
WAITING, RUNNING = WindowState.WAITING, WindowState.RUNNING


def seen(when: When, through: int | None, **other: object) -> Sighting:
    """A schedule in UTC whose cursor stands at ``through``; ``None``: first seen."""
    cursor = None if through is None else Cursor(planned_through=through, plan_epoch=3, anchor_at=0)
    base = Sighting(when=when, name="a/b", zone=UTC, policy=Policy(), cursor=cursor)
    return replace(base, **other)  # type: ignore[arg-type]


def gap(first_at: int, latest_at: int, count: int, state: WindowState, reason: str) -> Gap:
    return Gap(
        first_at=first_at,
        latest_at=latest_at,
        count=count,
        count_is_exact=True,
        state=state,
        reason=reason,
    )


# ------------------------------------------------------------------------- first sight and cursor


def test_first_seen() -> None:
    """What is first seen starts from here: nothing before it was ever due."""
    found = plan(seen(HOURLY, None), NOW)

    assert (
        Plan(cursor=Cursor(planned_through=NOW, plan_epoch=0, anchor_at=NOW), next_at=NOW + HOUR_MS)
        == found
    )


def test_first_interval() -> None:
    """An interval first runs one interval after it is first seen."""
    found = plan(seen(Every(every_ms=5_000), None), NOW)

    assert NOW + 5_000 == found.next_at
    assert found.new_window is None


def test_run_at_start() -> None:
    """With ``run_at_start`` the first run is at once, and the grid starts there."""
    found = plan(seen(Every(every_ms=5_000, run_at_start=True, spread_ms=4_000), None), NOW)

    assert NewWindow(expected_at=NOW, deadline_at=NOW + 2 * HOUR_MS) == found.new_window
    assert Cursor(planned_through=NOW, plan_epoch=0, anchor_at=NOW) == found.cursor
    assert found.next_at is not None
    assert NOW + 5_000 <= found.next_at < NOW + 9_000


def test_run_at_start_while_paused() -> None:
    """A pause holds for the very first run too."""
    found = plan(seen(Every(every_ms=5_000, run_at_start=True), None, paused="ann: move"), NOW)

    assert gap(NOW, NOW, 1, WindowState.SKIPPED, "ann: move") == found.gap
    assert found.new_window is None


def test_first_seen_disabled() -> None:
    """A schedule that is disabled from the start has a cursor and no next time."""
    found = plan(seen(Every(every_ms=5_000, run_at_start=True), None, enabled=False), NOW)

    assert (None, None) == (found.new_window, found.next_at)


def test_nothing_due() -> None:
    """With nothing due nothing changes, so that an idle daemon writes nothing."""
    found = plan(seen(HOURLY, NOW), NOW + 1)

    assert Plan(cursor=Cursor(planned_through=NOW, plan_epoch=3, anchor_at=0),
                next_at=NOW + HOUR_MS) == found  # fmt: skip


@pytest.mark.parametrize("ahead_ms", [1, HOUR_MS, 2 * HOUR_MS])
def test_small_step_back(ahead_ms: int) -> None:
    """A small step back of the clock re-runs nothing and forgets nothing."""
    found = plan(seen(HOURLY, NOW + ahead_ms), NOW)

    assert not found.clock_changed
    assert found.new_window is None
    assert NOW + ahead_ms == found.cursor.planned_through
    assert found.next_at is not None
    assert found.next_at > NOW + ahead_ms


def test_large_step_back() -> None:
    """A cursor more than two periods ahead means the clock was wrong: a new epoch starts now."""
    found = plan(seen(HOURLY, NOW + 2 * HOUR_MS + 1), NOW)

    assert (
        Plan(
            cursor=Cursor(planned_through=NOW, plan_epoch=4, anchor_at=0),
            next_at=NOW + HOUR_MS,
            clock_changed=True,
        )
        == found
    )


@pytest.mark.parametrize(("ahead_ms", "changed"), [(HOUR_MS, False), (HOUR_MS + 1, True)])
def test_step_back_of_a_fast_schedule(ahead_ms: int, changed: bool) -> None:
    """However short the period, an hour is always a small step."""
    found = plan(seen(Every(every_ms=1_000), NOW + ahead_ms), NOW)

    assert changed == found.clock_changed


def test_two_years_back() -> None:
    """First seen while the clock ran two years ahead, an interval runs again once it is right."""
    future = NOW + 730 * DAY_MS
    cursor = Cursor(planned_through=future, plan_epoch=0, anchor_at=future)
    found = plan(replace(seen(Every(every_ms=HOUR_MS), None), cursor=cursor), NOW)

    assert Cursor(planned_through=NOW, plan_epoch=1, anchor_at=NOW) == found.cursor
    assert NOW + HOUR_MS == found.next_at


# ------------------------------------------------------------------------------ edits and absence


def test_edit_makes_no_false_missed() -> None:
    """An edited schedule goes on from the edit, whatever the new one would have had before."""
    found = plan(seen(HOURLY, NOW - DAY_MS, planned_as=NIGHTLY), NOW)

    assert (
        Plan(cursor=Cursor(planned_through=NOW, plan_epoch=3, anchor_at=0), next_at=NOW + HOUR_MS)
        == found
    )


def test_edit_after_a_small_step_back() -> None:
    """An edit does not take the cursor back over what has been planned."""
    found = plan(seen(HOURLY, NOW + 1, planned_as=QUARTERS), NOW)

    assert NOW + 1 == found.cursor.planned_through


@pytest.mark.parametrize(
    ("before", "after", "anchor_at"),
    [
        (Every(every_ms=5_000), Every(every_ms=6_000), NOW),
        (HOURLY, Every(every_ms=6_000), NOW),
        (Every(every_ms=5_000), Every(every_ms=5_000, spread_ms=1_000), 0),
        (Every(every_ms=5_000), HOURLY, 0),
    ],
)
def test_grid_moves_with_its_interval_only(before: When, after: When, anchor_at: int) -> None:
    """The grid is anchored anew when the interval changes, and only then."""
    found = plan(seen(after, NOW - 1, planned_as=before), NOW)

    assert anchor_at == found.cursor.anchor_at


def test_run_at_start_added_later() -> None:
    """``run_at_start`` put into a known schedule is no edit."""
    when = Every(every_ms=HOUR_MS, run_at_start=True)
    found = plan(seen(when, NOW - 1, planned_as=Every(every_ms=HOUR_MS)), NOW)

    assert found.new_window == NewWindow(expected_at=NOW, deadline_at=NOW + 2 * HOUR_MS)


def test_back_after_an_absence() -> None:
    """What passed while a schedule was disabled or removed was not due."""
    found = plan(seen(HOURLY, NOW - DAY_MS, was_away=True), NOW)

    assert (None, None) == (found.new_window, found.gap)
    assert NOW == found.cursor.planned_through


def test_edit_leaves_the_live_window() -> None:
    """A live window keeps its row through an edit."""
    found = plan(
        seen(HOURLY, NOW - DAY_MS, planned_as=NIGHTLY, live=Live(state=WAITING, attempts=1)), NOW
    )

    assert found.closes_live is None


@pytest.mark.parametrize(
    ("state", "closing"),
    [(WAITING, Closing(state=WindowState.SKIPPED, reason=Ending.DISABLED)), (RUNNING, None)],
)
def test_disabled(state: WindowState, closing: Closing | None) -> None:
    """Disabled: a waiting window ends, a running one ends with its attempt, nothing is planned."""
    found = plan(seen(HOURLY, 0, enabled=False, live=Live(state=state, attempts=1)), NOW)

    assert closing == found.closes_live
    assert (None, None, None) == (found.next_at, found.new_window, found.gap)


# ------------------------------------------------------------------------------- due and catch-up


def test_on_time() -> None:
    """A due instant becomes a window with its deadline, and the cursor follows."""
    found = plan(seen(HOURLY, NOW - HOUR_MS), NOW + 5)

    assert (
        Plan(
            cursor=Cursor(planned_through=NOW, plan_epoch=3, anchor_at=0),
            next_at=NOW + HOUR_MS,
            new_window=NewWindow(expected_at=NOW, deadline_at=NOW + 2 * HOUR_MS),
        )
        == found
    )


def test_overnight_backup() -> None:
    """The 03:00 backup of a laptop asleep until 08:00 runs at wake, late, with its full time."""
    found = plan(seen(NIGHTLY, at("2026-06-02T03:00Z")), NOW)

    assert (
        NewWindow(expected_at=at("2026-06-03T03:00Z"), deadline_at=NOW + 2 * HOUR_MS, late=True)
        == found.new_window
    )
    assert found.gap is None


def test_quarters_overnight() -> None:
    """A 15-minute schedule asleep for 8 h: one run, one range row that says so, nothing missed."""
    found = plan(seen(QUARTERS, NOW - 8 * HOUR_MS), NOW + 2 * MINUTE_MS)
    first, older = NOW - 8 * HOUR_MS + 15 * MINUTE_MS, NOW - 15 * MINUTE_MS

    assert (
        NewWindow(
            expected_at=NOW,
            deadline_at=NOW + 2 * MINUTE_MS + 2 * HOUR_MS,
            late=True,
            caught_up_count=31,
            caught_up_first_at=first,
        )
        == found.new_window
    )
    assert (
        gap(first, older, 31, WindowState.SKIPPED, "caught up by the run of 2026-06-03 08:00")
        == found.gap
    )


def test_catch_up_past_its_own_deadline() -> None:
    """Where a set ``stale_after`` has run out for the latest too, the whole gap is missed, once."""
    policy = Policy(stale_after_ms=HOUR_MS, stale_is_default=False)
    found = plan(seen(NIGHTLY, at("2026-05-31T03:00Z"), policy=policy), NOW)

    assert found.new_window is None
    assert (
        gap(
            at("2026-06-01T03:00Z"), at("2026-06-03T03:00Z"), 3, WindowState.MISSED, Ending.TOO_LATE
        )
        == found.gap
    )
    assert at("2026-06-03T03:00Z") == found.cursor.planned_through


@pytest.mark.parametrize(("late_ms", "runs"), [(HOUR_MS, True), (HOUR_MS + 1, False)])
def test_set_deadline(late_ms: int, runs: bool) -> None:
    """A set ``stale_after`` counts from the window's own time, to the millisecond."""
    policy = Policy(stale_after_ms=HOUR_MS, stale_is_default=False)
    found = plan(seen(NIGHTLY, NOW - DAY_MS, policy=policy), at("2026-06-03T03:00Z") + late_ms)

    assert runs == (found.new_window is not None)
    if found.new_window is not None:
        assert at("2026-06-03T04:00Z") == found.new_window.deadline_at


@pytest.mark.parametrize(("late_ms", "runs"), [(MINUTE_MS, True), (MINUTE_MS + 1, False)])
def test_stale_after_zero(late_ms: int, runs: bool) -> None:
    """``stale_after = 0`` is "in its own minute or not at all", not "never"."""
    policy = Policy(stale_after_ms=0, stale_is_default=False)
    found = plan(seen(HOURLY, NOW - 1, policy=policy), NOW + late_ms)

    assert runs == (found.new_window is not None)


@pytest.mark.parametrize(("late_ms", "from_ms"), [(30_000, 0), (30_001, 30_001)])
def test_short_default_deadline(late_ms: int, from_ms: int) -> None:
    """A default deadline that has run out counts anew from now, however short it is."""
    policy = Policy(stale_after_ms=30_000, stale_is_default=True)
    found = plan(seen(HOURLY, NOW - 1, policy=policy), NOW + late_ms)

    assert NewWindow(expected_at=NOW, deadline_at=NOW + from_ms + 30_000) == found.new_window


@pytest.mark.parametrize(
    ("late_ms", "state"), [(0, None), (ON_TIME_MS, None), (ON_TIME_MS + 1, WindowState.MISSED)]
)
def test_no_catch_up(late_ms: int, state: WindowState | None) -> None:
    """With ``catch_up = "none"`` a window is missed after downtime, not after a slow wake-up."""
    found = plan(seen(HOURLY, NOW - 1, policy=Policy(catch_up="none")), NOW + late_ms)

    assert state == (found.gap and found.gap.state)
    assert (state is None) == (found.new_window is not None)


def test_no_catch_up_of_the_older() -> None:
    """With ``catch_up = "none"`` a latest window on time runs, and the older ones are missed."""
    found = plan(seen(HOURLY, NOW - 4 * HOUR_MS, policy=Policy(catch_up="none")), NOW)

    assert NewWindow(expected_at=NOW, deadline_at=NOW + 2 * HOUR_MS) == found.new_window
    assert (
        gap(NOW - 3 * HOUR_MS, NOW - HOUR_MS, 3, WindowState.MISSED, Ending.NOT_CAUGHT_UP)
        == found.gap
    )


def test_clock_years_ahead() -> None:
    """A clock that jumps two years ahead costs one run, and a count that owns up to its limit."""
    found = plan(seen(QUARTERS, NOW), NOW + 730 * DAY_MS)

    assert found.new_window is not None
    assert NOW + 730 * DAY_MS == found.new_window.expected_at
    assert found.gap is not None
    assert (1_000, False) == (found.gap.count, found.gap.count_is_exact)


# --------------------------------------------------------------------- the window before, a pause


@pytest.mark.parametrize(("attempts", "state"), [(0, "missed"), (1, "given_up"), (2, "given_up")])
def test_overtaken(attempts: int, state: str) -> None:
    """The next window ends an older waiting one: given up if it was tried, else missed."""
    found = plan(seen(HOURLY, NOW - 1, live=Live(state=WAITING, attempts=attempts)), NOW)

    assert Closing(state=WindowState(state), reason=Ending.OVERTAKEN) == found.closes_live
    assert found.new_window is not None


@pytest.mark.parametrize(
    ("attempts", "state", "reason"),
    [(0, "skipped", Ending.OVERLAP), (1, "given_up", Ending.OVERTAKEN)],
)
def test_overtaken_behind_a_run_by_hand(attempts: int, state: str, reason: str) -> None:
    """What waits for a person's own run was not missed; what has failed before has failed."""
    live = Live(state=WAITING, attempts=attempts, by_hand=True)
    found = plan(seen(HOURLY, NOW - 1, live=live), NOW)

    assert Closing(state=WindowState(state), reason=reason) == found.closes_live
    assert found.new_window is not None


def test_overlap_skip() -> None:
    """While the run before still goes on, what falls due is skipped, and the run is left alone."""
    live = Live(state=RUNNING, attempts=1)
    found = plan(seen(QUARTERS, NOW - HOUR_MS, live=live), NOW)

    assert (None, None) == (found.new_window, found.closes_live)
    assert gap(NOW - 45 * MINUTE_MS, NOW, 4, WindowState.SKIPPED, Ending.OVERLAP) == found.gap
    assert NOW == found.cursor.planned_through


def test_overlap_queue_holds_the_cursor() -> None:
    """With ``queue`` nothing is decided before the run ends."""
    sighting = seen(
        HOURLY, NOW - 1, policy=Policy(overlap="queue"), live=Live(state=RUNNING, attempts=1)
    )
    found = plan(sighting, NOW + 5)

    assert Plan(cursor=sighting.cursor or found.cursor, next_at=NOW + HOUR_MS) == found


@pytest.mark.parametrize("catch_up", ["last", "none"])
def test_overlap_queue_is_one_deep(catch_up: str) -> None:
    """When the run ends, the latest that waited runs, and no older one was missed."""
    policy = Policy(overlap="queue", catch_up="none" if catch_up == "none" else "last")
    ended = NOW + 10 * MINUTE_MS
    found = plan(seen(QUARTERS, NOW - HOUR_MS, policy=policy, freed_at=ended), ended + 3)

    assert found.new_window is not None
    assert NOW == found.new_window.expected_at
    assert found.gap is not None
    assert (3, WindowState.SKIPPED) == (found.gap.count, found.gap.state)


@pytest.mark.parametrize("freed_at", [None, NOW - HOUR_MS, NOW + 9 * DAY_MS])
def test_queue_does_not_excuse_downtime(freed_at: int | None) -> None:
    """A run that ended before the window, or in a future that never was, held nothing up."""
    policy = Policy(overlap="queue", catch_up="none")
    found = plan(seen(HOURLY, NOW - 1, policy=policy, freed_at=freed_at), NOW + 10 * MINUTE_MS)

    assert found.gap is not None
    assert WindowState.MISSED is found.gap.state


@pytest.mark.parametrize("overlap", ["skip", "queue"])
@pytest.mark.parametrize("state", [WAITING, RUNNING, None])
def test_paused(overlap: str, state: WindowState | None) -> None:
    """During a pause all that falls due is skipped with who and why; a waiting window ends too."""
    policy = Policy(overlap="queue" if overlap == "queue" else "skip")
    live = None if state is None else Live(state=state, attempts=1)
    found = plan(seen(HOURLY, NOW - 1, policy=policy, paused="ann: move", live=live), NOW)
    closing = Closing(state=WindowState.SKIPPED, reason="ann: move")

    assert found.new_window is None
    assert gap(NOW, NOW, 1, WindowState.SKIPPED, "ann: move") == found.gap
    assert (closing if state is WAITING else None) == found.closes_live


@pytest.mark.parametrize("through", [NOW, NOW + 9 * HOUR_MS])
def test_pause_ends_a_retry(through: int) -> None:
    """A pause ends a waiting window at once, before anything new falls due, whatever the clock."""
    live = Live(state=WAITING, attempts=1)
    found = plan(seen(HOURLY, through, paused="ann: move", live=live), NOW)

    assert Closing(state=WindowState.SKIPPED, reason="ann: move") == found.closes_live


# ------------------------------------------------------------------------------ how it all adds up

SCHEDULES: list[When] = [
    Every(every_ms=7 * MINUTE_MS),
    Every(every_ms=HOUR_MS, spread_ms=20 * MINUTE_MS),
    HOURLY,
    QUARTERS,
    Calendar(expression="30 2 * * *"),
    Calendar(expression="0,20,40 1-3 * * *", spread_ms=90_000),
    Calendar(expression="0 */2 * * *", timezone="Australia/Lord_Howe"),
    Calendar(expression="0,10,20,30,40,50 2 29 3 *"),
]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut"]
STARTS = [at("2026-03-28T20:00Z"), at("2026-10-24T20:00Z"), at("2026-04-04T13:00Z")]
"""A few hours before clock changes of these zones."""

wakes = st.lists(st.integers(0, 30 * 60_000), min_size=1, max_size=12)
"""Pauses between planning passes, in units of a tenth of a second: up to 50 minutes each."""

policies = st.builds(
    Policy,
    catch_up=st.sampled_from(["last", "none"]),
    overlap=st.sampled_from(["skip", "queue"]),
    stale_after_ms=st.sampled_from([0, 10 * MINUTE_MS, 2 * HOUR_MS]),
    stale_is_default=st.booleans(),
)
lives = st.sampled_from(
    [None, Live(state=WAITING, attempts=0), Live(state=WAITING, attempts=2),
     Live(state=RUNNING, attempts=1)]
)  # fmt: skip


def instants(sighting: Sighting, cursor: Cursor, first: int, last: int) -> list[int]:
    """The schedule's own instants from ``first`` to ``last``."""
    found: list[int] = []
    after = first - 1
    while True:
        instant = next_after(
            sighting.when,
            after,
            anchor_at=cursor.anchor_at,
            name=sighting.name,
            zone=sighting.zone,
        )
        if instant is None or instant > last:
            return found
        found.append(instant)
        after = instant


def planned(sighting: Sighting, made: Plan) -> list[int]:
    """Every instant this plan decided, in order; its gap must be what it says it is."""
    covered: list[int] = []
    if made.gap is not None:
        covered = instants(sighting, made.cursor, made.gap.first_at, made.gap.latest_at)

        assert made.gap.count == len(covered)
        assert made.gap.first_at == covered[0]
        assert made.gap.latest_at == covered[-1]
        assert made.gap.reason
    if made.new_window is not None:
        covered.append(made.new_window.expected_at)

        assert made.new_window.deadline_at >= made.new_window.expected_at
    return covered


def follow(
    sighting: Sighting, start: int, pauses: list[int], draw_live: list[Live | None]
) -> tuple[Sighting, list[int]]:
    """Plan at each moment in turn: the schedule as it then stands, and all that was planned."""
    now, covered = start, list[int]()
    for turn, pause in enumerate(pauses):
        now += pause * 100
        live = draw_live[turn % len(draw_live)] if sighting.cursor else None
        held = replace(sighting, live=live)
        made = plan(held, now)

        assert made == plan(held, now)
        assert sighting.cursor is None or made.cursor.plan_epoch == sighting.cursor.plan_epoch
        assert made.next_at is None or made.next_at > now
        assert live is None or live.state is not RUNNING or made.closes_live is None
        covered += planned(held, made)
        sighting = replace(sighting, cursor=made.cursor)
    return sighting, covered


@given(
    when=st.sampled_from(SCHEDULES),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    start=st.sampled_from(STARTS),
    policy=policies,
    pauses=wakes,
    live=st.lists(lives, min_size=1, max_size=5),
)
@settings(max_examples=150, deadline=None)
def test_each_instant_once(
    when: When,
    zone: ZoneInfo,
    start: int,
    policy: Policy,
    pauses: list[int],
    live: list[Live | None],
) -> None:
    """However the passes fall and whatever still runs, each instant is planned once, in order."""
    fresh = replace(seen(when, None, policy=policy), zone=zone)
    begun = replace(fresh, cursor=plan(fresh, start).cursor)
    after, covered = follow(begun, start, pauses, live)
    cursor = after.cursor

    assert cursor is not None
    assert instants(begun, cursor, start + 1, cursor.planned_through) == covered
    if policy.overlap == "skip":
        end = start + 100 * sum(pauses)

        assert [] == instants(begun, cursor, cursor.planned_through + 1, end)


@given(
    when=st.sampled_from(SCHEDULES),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    start=st.sampled_from(STARTS),
    policy=policies,
    pauses=wakes,
)
@settings(max_examples=100, deadline=None)
def test_wake_ups_do_not_matter(
    when: When, zone: ZoneInfo, start: int, policy: Policy, pauses: list[int]
) -> None:
    """Many passes and a single one at the end plan the same instants and leave the same cursor."""
    fresh = replace(seen(when, None, policy=policy), zone=zone)
    begun = replace(fresh, cursor=plan(fresh, start).cursor)
    often, each = follow(begun, start, pauses, [None])
    once, together = follow(begun, start, [sum(pauses)], [None])

    assert once.cursor == often.cursor
    assert together == each


@given(
    when=st.sampled_from(SCHEDULES),
    start=st.sampled_from(STARTS),
    steps=st.lists(st.integers(-2 * DAY_MS, DAY_MS), min_size=1, max_size=12),
)
@settings(max_examples=150, deadline=None)
def test_clock_steps(when: When, start: int, steps: list[int]) -> None:
    """However the clock is set, no window comes twice within one plan epoch."""
    sighting = replace(seen(when, None), zone=ZoneInfo("Europe/Berlin"))
    now, keys = start, set[tuple[int, int]]()
    for step in steps:
        made = plan(sighting, now)
        new = [(made.cursor.plan_epoch, instant) for instant in planned(sighting, made)]

        assert keys.isdisjoint(new)
        assert made.clock_changed == (
            sighting.cursor is not None and made.cursor.plan_epoch > sighting.cursor.plan_epoch
        )
        keys.update(new)
        sighting = replace(sighting, cursor=made.cursor)
        now += step


@given(
    when=st.sampled_from(SCHEDULES),
    start=st.sampled_from(STARTS),
    turns=st.lists(st.tuples(st.booleans(), st.integers(0, 4 * HOUR_MS)), max_size=10),
)
@settings(max_examples=100, deadline=None)
def test_timely_wake_ups(when: When, start: int, turns: list[tuple[bool, int]]) -> None:
    """Woken at ``next_at`` each time, every instant gets a window of its own; extra passes add
    nothing."""
    sighting = replace(seen(when, None), zone=ZoneInfo("Europe/Berlin"))
    made = plan(sighting, start)
    now = start
    for exactly, early_ms in turns:
        if made.next_at is None:
            break
        expected = made.next_at
        sighting = replace(sighting, cursor=made.cursor)
        now = expected if exactly else max(now, expected - 1 - early_ms)
        made = plan(sighting, now)

        assert made.gap is None
        assert (expected if exactly else None) == (made.new_window and made.new_window.expected_at)


# --------------------------------------------------------------------- what has not been planned


def test_upcoming() -> None:
    """The first instant that no pass has decided is the next one after the cursor."""
    assert NOW + HOUR_MS == upcoming(seen(HOURLY, NOW), NOW + 1)


def test_upcoming_is_overdue() -> None:
    """It may have fallen due already, where a pass is late."""
    assert NOW + HOUR_MS == upcoming(seen(HOURLY, NOW), NOW + 5 * HOUR_MS)


def test_upcoming_behind_a_queue() -> None:
    """Or where it waits for a run: then the pass's own bell rings later."""
    running = Live(state=RUNNING, attempts=1)
    sighting = seen(HOURLY, NOW, live=running, policy=Policy(overlap="queue"))
    late = NOW + 90 * MINUTE_MS

    assert NOW + 2 * HOUR_MS == plan(sighting, late).next_at
    assert NOW + HOUR_MS == upcoming(sighting, late)


def test_upcoming_after_an_edit() -> None:
    """What was due under the old definition is not coming any more."""
    edited = seen(QUARTERS, NOW - 3 * HOUR_MS, planned_as=NIGHTLY)

    assert NOW + 15 * MINUTE_MS == upcoming(edited, NOW)


def test_upcoming_after_a_wrong_clock() -> None:
    """Nor what lies behind a cursor that a wrong clock has set."""
    assert NOW + HOUR_MS == upcoming(seen(HOURLY, NOW + 9 * DAY_MS), NOW)


def test_upcoming_of_nothing() -> None:
    """A disabled schedule has nothing coming."""
    assert upcoming(seen(HOURLY, NOW, enabled=False), NOW) is None


@pytest.mark.parametrize("back", ["2026-06-03T00:05:00Z", "2026-06-03T01:45:00Z"])
def test_a_window_before_midnight_is_not_forgotten(back: str) -> None:
    """The 23:50 run of a machine that was off until after midnight is made on the next day; a day
    is no border."""
    late = Calendar(expression="50 23 * * *")
    made = plan(seen(late, at("2026-06-02T23:45:00Z")), at(back))

    assert made.new_window is not None
    assert at("2026-06-02T23:50:00Z") == made.new_window.expected_at
    assert made.gap is None
