"""One sentence for every state of a window, for runs by hand, and for what never ran."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotagent.core.case import Attempt, Away, Case, News, Outage, Standing, Telling, Window
from dotagent.core.decide import Verdict
from dotagent.core.ending import ENDS, Ending, ending_of
from dotagent.core.hindrance import FULL, STOPPED
from dotagent.core.model import AttemptKind, DeliveryState, Event, Kind, WindowState
from dotagent.core.past import Span
from dotagent.core.why import sentence


def at(text: str) -> int:
    """``08:30`` or ``08:30:04`` of the day, or with a date."""
    day, _, time = text.rpartition(" ")
    moment = datetime.fromisoformat(f"{day or '2026-03-29'} {time}").replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


NOW = at("12:00")
STANDING = Standing(
    agent="disk-alert",
    schedule="daily",
    first_seen_at=at("2026-03-01 08:00"),
    folder="/srv/agents",
    next_due_at=at("2026-03-30 08:30"),
    max_attempts=3,
)


def window(state: WindowState, reason: str = "", **changes: object) -> Window:
    """The 08:30 window, in that state."""
    live = state in (WindowState.WAITING, WindowState.RUNNING)
    plain = Window(
        id=7,
        expected_at=at("08:30"),
        expected_to=None,
        count=1,
        exact=True,
        planned_at=at("08:30"),
        late=False,
        caught_up=0,
        deadline_at=at("10:30"),
        state=state,
        reason=reason,
        attempts=0,
        losses=0,
        next_at=at("08:30") if state is WindowState.WAITING else None,
        closed_at=None if live else at("08:47"),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def tried(
    number: int,
    started: str,
    ended: str | None,
    verdict: Verdict | None = Verdict.FAILED,
    words: str = "exit 1",
    said: str = "",
    kind: AttemptKind = AttemptKind.WINDOW,
) -> Attempt:
    """An attempt from ``started`` to ``ended``."""
    return Attempt(
        id=number,
        number=number,
        kind=kind,
        started_at=at(started),
        ended_at=None if ended is None else at(ended),
        lasted_ms=None if ended is None else at(ended) - at(started),
        verdict=verdict,
        words=words,
        said=said,
    )


OK = Verdict.SUCCEEDED
FAILED_TWICE = (
    tried(1, "08:30", "08:30:04"),
    tried(2, "08:35", "08:35:04", said="No space left on device."),
)
FAILED_THRICE = (*FAILED_TWICE, tried(3, "08:46", "08:47"))
NIGHT = Away(from_at=at("07:12"), to_at=at("11:00"), why="dotagent was not running")
RANGE = {"expected_at": at("07:30"), "expected_to": at("11:30"), "count": 5}


def case(what: Window, *attempts: Attempt, away: tuple[Away, ...] = (), **more: object) -> Case:
    """All about a window, while a daemon runs."""
    made = Case(standing=STANDING, window=what, attempts=attempts, away=away, actor="daemon")
    return replace(made, **more)  # type: ignore[arg-type]


def said(what: Case) -> str:
    """Its sentence, without the name that it begins with."""
    text = sentence(what, NOW, UTC)
    assert text.startswith("disk-alert/daily ")
    return text.removeprefix("disk-alert/daily ")


# --------------------------------------------------------------------------------- terminal states

SUCCEEDED = {
    "completed the 08:30 run in 4 s.": case(
        window(WindowState.SUCCEEDED, attempts=1), tried(1, "08:30", "08:30:04", OK, "exit 0")
    ),
    "completed the 08:30 run in 4 s (exit 3, with a warning).": case(
        window(WindowState.SUCCEEDED, "exit 3, with a warning", attempts=1),
        tried(1, "08:30", "08:30:04", Verdict.WARNED, "exit 3, with a warning"),
    ),
    (
        "completed the 08:30 run on attempt 3, at 08:47, after 2 failed attempts"
        " (exit 1: No space left on device)."
    ): case(
        window(WindowState.SUCCEEDED, attempts=3),
        *FAILED_TWICE,
        tried(3, "08:46", "08:47", OK, "exit 0"),
    ),
    (
        "completed the 08:30 run late, at 11:00, because dotagent was not running from 07:12 to"
        " 11:00."
    ): case(
        window(WindowState.SUCCEEDED, late=True, attempts=1),
        tried(1, "11:00", "11:00:04", OK, "exit 0"),
        away=(NIGHT,),
    ),
    (
        "completed the 08:30 run late, at 11:00, because dotagent was not running from 07:12 to"
        " 11:00, and stood in for 4 older runs."
    ): case(
        window(WindowState.SUCCEEDED, late=True, attempts=1, caught_up=4),
        tried(1, "11:00", "11:00:04", OK, "exit 0"),
        away=(NIGHT,),
    ),
    "completed the 08:30 run late, at 09:00, because nothing could run it earlier.": case(
        window(WindowState.SUCCEEDED, late=True, attempts=1),
        tried(1, "09:00", "09:00:04", OK, "exit 0"),
    ),
    "completed the 08:30 run late, at 09:00, after waiting for its turn.": case(
        window(WindowState.SUCCEEDED, attempts=1), tried(1, "09:00", "09:00:04", OK, "exit 0")
    ),
    "completed the 08:30 run by a manual run that succeeded at 09:02.": case(
        window(WindowState.SUCCEEDED, "by manual run", attempts=2, closed_at=at("09:02")),
        *FAILED_TWICE,
    ),
    "completed the 08:30 run.": case(window(WindowState.SUCCEEDED, attempts=1)),
}

GIVEN_UP = {
    "gave up the 08:30 run after 3 attempts (exit 1)": "attempts used up (3 of 3)",
    (
        "gave up the 08:30 run after 3 attempts (exit 1), because the next try would have come"
        " after its deadline, 10:30"
    ): "stale: the next try would come after the deadline",
    (
        "gave up the 08:30 run after 3 attempts (exit 1), because its deadline, 10:30, passed"
        " before the next try"
    ): "stale: its deadline passed before it could run",
    (
        "gave up the 08:30 run after 3 attempts (exit 1), because the next run was due before the"
        " next try"
    ): "overtaken: the next run is due before the next try",
    (
        "gave up the 08:30 run after 3 attempts (exit 1), because the next run came due"
    ): Ending.OVERTAKEN,
    (
        "gave up the 08:30 run after 3 attempts (exit 1), because exit 12 means that trying again"
        " is pointless"
    ): "exit 12 means that trying again is pointless",
    (
        "gave up the 08:30 run after 3 attempts (exit 1), because the schedule was removed"
        " meanwhile"
    ): "removed",
    (
        "gave up the 08:30 run after 3 attempts (exit 1), because the schedule was disabled"
        " meanwhile"
    ): "disabled",
}

MISSED = {
    ("missed the 08:30 run, because it had not been started when the next run came due"): case(
        window(WindowState.MISSED, Ending.OVERTAKEN)
    ),
    (
        "missed the 08:30 run, because dotagent was not running from 07:12 to 11:00 and the next"
        " run came due"
    ): case(window(WindowState.MISSED, Ending.OVERTAKEN, closed_at=at("11:00")), away=(NIGHT,)),
    "missed the 08:30 run, because its deadline, 10:30, passed before it could start": case(
        window(WindowState.MISSED, "stale: its deadline passed before it could run")
    ),
    "missed the 08:30 run, because it was past its deadline when it could first be tried": case(
        window(WindowState.MISSED, Ending.TOO_LATE)
    ),
    (
        "missed 5 runs (07:30 to 11:30), because dotagent was not running from 07:12 to 11:00,"
        " until past its deadline"
    ): case(
        window(WindowState.MISSED, Ending.TOO_LATE, closed_at=at("11:30"), **RANGE),
        away=(NIGHT,),
    ),
    (
        "missed more than 1000 runs (07:30 to 11:30), because dotagent was not running from 07:12"
        ' to 11:00 and catch_up = "none" runs nothing late'
    ): case(
        window(
            WindowState.MISSED,
            Ending.NOT_CAUGHT_UP,
            closed_at=at("11:30"),
            **{**RANGE, "count": 1000, "exact": False},
        ),
        away=(NIGHT,),
    ),
    ('missed the 08:30 run, because nothing could run it at its time, and catch_up = "none"'): case(
        window(WindowState.MISSED, Ending.NOT_CAUGHT_UP)
    ),
}

SKIPPED = {
    "skipped the 08:30 run, because the run before it was still going.": Ending.OVERLAP,
    "skipped the 08:30 run, because the schedule was removed.": "removed",
    "skipped the 08:30 run, because the schedule was disabled.": Ending.DISABLED,
    (
        "skipped the 08:30 run, because it was blocked by preflight disk: no space."
    ): "preflight: blocked by preflight disk: no space",
    "skipped the 08:30 run: exit 75, which means “not now”.": "exit 75, which means “not now”",
    (
        "skipped the 08:30 run; it was caught up by the run of 2026-03-29 12:30."
    ): "caught up by the run of 2026-03-29 12:30",
    "skipped the 08:30 run, because it was paused by ann: holiday.": "paused by ann: holiday",
    "skipped the 08:30 run, as asked for by ann: no disk.": "asked for by ann: no disk",
}


def test_every_terminal_state_has_its_sentence() -> None:
    """Each reason for each state in which a window ends so has a sentence in the tables here: a new
    one without a sentence is noticed."""
    tables = {
        WindowState.SUCCEEDED: [each.window.reason for each in SUCCEEDED.values() if each.window],
        WindowState.GIVEN_UP: GIVEN_UP.values(),
        WindowState.MISSED: [each.window.reason for each in MISSED.values() if each.window],
        WindowState.SKIPPED: SKIPPED.values(),
    }
    walked = {(ending_of(reason), state) for state, reasons in tables.items() for reason in reasons}

    assert {(ending, state) for ending, states in ENDS.items() for state in states} == walked
    assert set(Ending) == set(ENDS)


@pytest.mark.parametrize(("expected", "what"), SUCCEEDED.items())
def test_a_window_that_succeeded(expected: str, what: Case) -> None:
    """At once, with a warning, after retries, late and why, in place of others, or by hand."""
    assert expected == said(what)


@pytest.mark.parametrize(("expected", "reason"), GIVEN_UP.items())
def test_a_window_that_was_given_up(expected: str, reason: str) -> None:
    """With the number of attempts, how the last one ended, and why there was no further one."""
    what = case(window(WindowState.GIVEN_UP, reason, attempts=3), *FAILED_THRICE)

    assert f"{expected}." == said(what)


def test_a_window_given_up_after_an_absence() -> None:
    """That nobody was there to try again belongs to the reason."""
    closed = window(
        WindowState.GIVEN_UP,
        "stale: its deadline passed before it could run",
        attempts=1,
        closed_at=at("11:00"),
    )
    what = case(closed, FAILED_TWICE[0], away=(replace(NIGHT, from_at=at("08:40")),))

    assert (
        "gave up the 08:30 run after 1 attempt (exit 1), because dotagent was not running from"
        " 08:40 to 11:00 and its deadline, 10:30, passed before the next try."
    ) == said(what)


@pytest.mark.parametrize(("expected", "what"), MISSED.items())
def test_a_window_that_was_missed(expected: str, what: Case) -> None:
    """Alone or in a range, with what kept it from running."""
    assert f"{expected}." == said(what)


@pytest.mark.parametrize(("expected", "reason"), SKIPPED.items())
def test_a_window_that_was_skipped(expected: str, reason: str) -> None:
    """Each with its reason in words."""
    assert expected == said(case(window(WindowState.SKIPPED, reason)))


def test_a_range_that_was_caught_up() -> None:
    """How many they were, why they did not run, and what stood in for them."""
    reason = "caught up by the run of 2026-03-29 11:30"
    what = window(WindowState.SKIPPED, reason, closed_at=at("11:00"), **RANGE)

    assert (
        "skipped 5 runs (07:30 to 11:30), because dotagent was not running from 07:12 to 11:00,"
        f" and they were {reason}."
    ) == said(case(what, away=(NIGHT,)))


def test_a_range_that_was_to_be_caught_up() -> None:
    """By a run that then was never tried: so they were not."""
    what = window(WindowState.SKIPPED, "caught up by the run of 2026-03-29 11:30", **RANGE)
    closed = at("11:40")
    paused = window(WindowState.SKIPPED, "paused by ann: holiday", closed_at=closed)
    tried = window(WindowState.GIVEN_UP, Ending.USED_UP, closed_at=closed, attempts=1)

    assert (
        "skipped 5 runs (07:30 to 11:30); they were not caught up: the run of 2026-03-29 11:30,"
        " which was to stand in, was skipped: paused by ann: holiday."
    ) == said(case(what, heir=paused))
    assert said(case(what)) == said(case(what, heir=tried))


# ------------------------------------------------------------------------------------- live states


def test_no_room_on_the_disk() -> None:
    """What nothing else keeps waits for that, not for a slot."""
    busy = case(WAITING, busy_with=AttemptKind.MANUAL)

    assert [
        "disk-alert/daily waits for room on the disk to start the 08:30 run.",
        "disk-alert/daily waits for the end of the manual run in progress to start the 08:30 run.",
    ] == [sentence(each, NOW, UTC, hindrance=FULL) for each in (case(WAITING), busy)]


def test_a_daemon_that_is_kept_from_starting() -> None:
    """A due run that was not begun with says what keeps it; a waiting one what it waits for."""
    due = case(DONE, DONE_ONCE, standing=replace(STANDING, next_due_at=at("09:30")))

    assert [True, True] == [
        f"since it came due at 09:30, {why};" in sentence(due, NOW, UTC, hindrance=hindrance)
        for hindrance, why in {
            FULL: "because the disk is full",
            STOPPED: "because the daemon is stopped",
        }.items()
    ]
    assert (
        "disk-alert/daily waits for the stopped daemon to go on to start the 08:30 run."
        == sentence(case(WAITING), NOW, UTC, hindrance=STOPPED)
    )


WAITING = window(WindowState.WAITING)
AGAIN = window(WindowState.WAITING, "exit 1", attempts=2, next_at=at("12:05"))
RUNNING = window(WindowState.RUNNING, attempts=3)
NOW_RUNNING = (*FAILED_TWICE, tried(3, "11:48", None, None))

LIVE = {
    "waits for a free slot to start the 08:30 run.": case(WAITING),
    "waits for the end of the manual run in progress to start the 08:30 run.": case(
        WAITING, busy_with=AttemptKind.MANUAL
    ),
    "waits for a daemon or a tick to start the 08:30 run.": case(WAITING, actor=None),
    (
        "waits for a free slot to start the 08:30 run, after a planned stop of dotagent"
        " interrupted it."
    ): case(WAITING, tried(1, "08:30", "08:31", Verdict.INTERRUPTED, "interrupted: SIGTERM")),
    (
        "waits until 12:05 to make attempt 3 of 3 at the 08:30 run, after a failed one (exit 1: No"
        " space left on device)."
    ): case(AGAIN, *FAILED_TWICE),
    (
        "waits until 12:05 to make attempt 3 of 4 at the 08:30 run, after a failed one (exit 1: No"
        " space left on device)."
    ): case(replace(AGAIN, losses=1), *FAILED_TWICE),
    (
        "waits for a free slot to make attempt 3 of 3 at the 08:30 run, after a failed one (exit 1:"
        " No space left on device)."
    ): case(replace(AGAIN, next_at=at("11:59")), *FAILED_TWICE),
    "waits for its folder /srv/agents to be back to start the 08:30 run.": case(
        replace(WAITING, next_at=None)
    ),
    ("has been running the 08:30 run for 12 min, since 11:48 (attempt 3 of 3)."): case(
        RUNNING, *NOW_RUNNING
    ),
    (
        "was making attempt 3 of 3 at the 08:30 run, since 11:48, when dotagent died, which its"
        " next start settles."
    ): case(RUNNING, *NOW_RUNNING, actor=None),
}


@pytest.mark.parametrize(("expected", "what"), LIVE.items())
def test_a_window_that_lives(expected: str, what: Case) -> None:
    """What it waits for, or for how long it has been running."""
    assert expected == said(what)


# --------------------------------------------------------------------------------- runs by hand

BY_HAND = {
    "was run by hand at 09:00 and succeeded in 4 s.": (OK, "exit 0"),
    "was run by hand at 09:00 and succeeded in 4 s (exit 3, with a warning).": (
        Verdict.WARNED,
        "exit 3, with a warning",
    ),
    "was run by hand at 09:00 and failed after 4 s (exit 1).": (Verdict.FAILED, "exit 1"),
    "was run by hand at 09:00 and did not go ahead (exit 75, which means “not now”).": (
        Verdict.SKIPPED,
        "exit 75, which means “not now”",
    ),
    "was run by hand at 09:00 and was stopped after 4 s (interrupted: SIGINT).": (
        Verdict.INTERRUPTED,
        "interrupted: SIGINT",
    ),
}


@pytest.mark.parametrize(("expected", "end"), BY_HAND.items())
def test_a_run_by_hand(expected: str, end: tuple[Verdict, str]) -> None:
    """It belongs to no window, and says who wanted it."""
    attempt = tried(1, "09:00", "09:00:04", *end, kind=AttemptKind.MANUAL)

    assert expected == said(Case(standing=STANDING, attempt=attempt, actor="daemon"))


def test_a_run_by_hand_that_is_under_way() -> None:
    """While it runs, and where dotagent died under it."""
    running = tried(1, "11:48", None, None, kind=AttemptKind.MANUAL)
    held = Case(standing=STANDING, attempt=running, actor="run-now")

    assert "is being run by hand since 11:48, for 12 min." == said(held)
    assert "was being run by hand, since 11:48, when dotagent died." == said(
        replace(held, actor=None)
    )


# -------------------------------------------------------------------------------------- no run

NEW = replace(STANDING, first_seen_at=NOW)
LATER = Span(first_at=at("14:00"), last_at=at("14:00:59"))
EARLIER = Span(first_at=at("06:00"), last_at=at("06:00:59"))
YESTERDAY = Span(first_at=at("2026-03-28 00:00"), last_at=at("00:00") - 1, is_day=True)
LONG_AGO = Span(first_at=at("2026-02-01 08:30"), last_at=at("2026-02-01 08:31"))
OVERDUE = replace(STANDING, next_due_at=at("09:30"))

NOTHING = {
    "has had nothing due yet; its first run is due on Mon 08:30.": Case(
        standing=NEW, actor="daemon"
    ),
    "has had nothing due yet; its first run is due on Mon 08:30, if a daemon runs then.": Case(
        standing=NEW
    ),
    "has had nothing due yet, because no daemon runs.": Case(
        standing=replace(NEW, next_due_at=None)
    ),
    "has had nothing due yet and never will: its schedule names no time to come.": Case(
        standing=replace(NEW, next_due_at=None, is_never_due=True), actor="daemon"
    ),
    "has no schedule and has not been run by hand yet.": Case(
        standing=Standing(agent="disk-alert", schedule="daily")
    ),
    "had no run planned at 06:00; nearest are the Sat 08:30 run and the 08:30 run.": Case(
        standing=STANDING, asked=EARLIER, nearest=(at("2026-03-28 08:30"), at("08:30"))
    ),
    "had no run planned on Sat 2026-03-28; nearest is the 08:30 run.": Case(
        standing=STANDING, asked=YESTERDAY, nearest=(None, at("08:30"))
    ),
    "was not known to dotagent on 2026-02-01 08:30: it was first seen on 2026-03-01 08:00.": Case(
        standing=STANDING, asked=LONG_AGO
    ),
    ("cannot have run at 14:00, which is still to come; its next run is due on Mon 08:30."): Case(
        standing=STANDING, asked=LATER, actor="daemon"
    ),
    (
        "has not been started since it came due at 09:30, because no daemon or tick has run since"
        " 09:00."
    ): Case(
        standing=OVERDUE,
        asked=Span(first_at=at("09:30"), last_at=at("09:30:59")),
        away=(Away(from_at=at("09:00"), to_at=NOW, why="dotagent was not running"),),
    ),
}


@pytest.mark.parametrize(("expected", "what"), NOTHING.items())
def test_what_never_ran(expected: str, what: Case) -> None:
    """Nothing was due, or not then, or nobody was there to plan it."""
    assert expected == said(what)


# ------------------------------------------------------------------------------ the schedule itself

DONE = window(WindowState.SUCCEEDED, attempts=1)
DONE_ONCE = tried(1, "08:30", "08:30:04", OK, "exit 0")

STANDINGS = {
    (
        "is disabled in its manifest since 09:00 and does not run any more; before that it"
        " completed the 08:30 run in 4 s."
    ): {"gone_at": at("09:00"), "gone_why": "disabled"},
    (
        "is gone since 09:00 and does not run any more; before that it completed the 08:30 run in"
        " 4 s."
    ): {"gone_at": at("09:00"), "gone_why": "removed"},
    (
        "is held since 09:00, because its folder /srv/agents is gone or unreadable; before"
        " that it completed the 08:30 run in 4 s."
    ): {"held_at": at("09:00"), "next_due_at": None},
    (
        "has not been started since it came due at 09:30, although a daemon runs; before that it"
        " completed the 08:30 run in 4 s."
    ): {"next_due_at": at("09:30")},
    ("is paused until 18:00, by ann: holiday; before that it completed the 08:30 run in 4 s."): {
        "paused_until": at("18:00"),
        "paused": "by ann: holiday",
    },
}


def test_an_overdue_schedule() -> None:
    """Nothing failed, and nothing succeeded for too long: that comes before the last run."""
    skipped = window(WindowState.SKIPPED, "exit 75, which means “not now”")
    outage = Outage(opened_at=at("11:00"), failures=0, windows=0, closed_at=None, closed_by=None)

    assert (
        "is overdue since 11:00: what fell due has not succeeded; before that it skipped the 08:30"
        " run: exit 75, which means “not now”."
    ) == said(case(skipped, outage=outage))


@pytest.mark.parametrize(("expected", "changes"), STANDINGS.items())
def test_a_schedule_that_does_not_run(expected: str, changes: dict[str, object]) -> None:
    """Disabled, removed, held or overdue comes first, then the last run; asked for that run, only
    the run."""
    standing = replace(STANDING, **changes)  # type: ignore[arg-type]
    what = case(DONE, DONE_ONCE, standing=standing)
    asked = Span(first_at=at("08:30"), last_at=at("08:30:59"))

    assert expected == said(what)
    assert "completed the 08:30 run in 4 s." == said(replace(what, asked=asked))


def test_a_disabled_schedule_that_was_run_by_hand_since() -> None:
    """What came later is not told as if it had come before."""
    standing = replace(NEW, gone_at=at("09:00"), gone_why="disabled", next_due_at=None)
    attempt = tried(1, "10:00", "10:00:04", OK, "exit 0", kind=AttemptKind.MANUAL)

    assert (
        "is disabled in its manifest since 09:00 and does not run any more; it was run by hand at"
        " 10:00 and succeeded in 4 s."
    ) == said(Case(standing=standing, attempt=attempt, actor="daemon"))


def test_a_disabled_schedule_that_never_ran() -> None:
    """Nothing is added where there is nothing to tell."""
    standing = replace(NEW, gone_at=NOW, gone_why="disabled", next_due_at=None)

    assert "is disabled in its manifest since 12:00 and does not run any more." == said(
        Case(standing=standing, actor="daemon")
    )


# ---------------------------------------------------------------------------------- who was told


def test_the_sentence_ends_with_who_was_told() -> None:
    """The example that everybody asks for first."""
    telling = Telling(
        id=1,
        name="slack",
        driver="slack",
        state=DeliveryState.SENT,
        reason="",
        ended_at=at("08:47"),
        next_at=None,
    )
    event = Event(kind=Kind.GIVEN_UP, at=at("08:47"), agent="disk-alert", schedule_id="daily")
    news = News(event=event, told=(telling, replace(telling, id=2, name="ntfy", driver="ntfy")))
    closed = window(WindowState.GIVEN_UP, "attempts used up (3 of 3)", attempts=3)

    assert (
        "gave up the 08:30 run after 3 attempts (exit 1); slack and ntfy were told at 08:47."
    ) == said(case(closed, *FAILED_THRICE, news=[news]))


# --------------------------------------------------------------------------------------- any case

reasons = st.one_of(
    st.sampled_from([Ending.OVERTAKEN, Ending.OVERLAP, Ending.TOO_LATE, "removed", "stale"]),
    st.text(max_size=300),
)


@given(
    state=st.sampled_from(WindowState),
    reason=reasons,
    attempts=st.integers(0, 3),
    words=st.text(max_size=200),
    count=st.integers(1, 5),
    actor=st.sampled_from(["daemon", "run-now", None]),
    is_away=st.booleans(),
)
@settings(max_examples=200)
def test_any_window_gets_one_sentence(
    state: WindowState,
    reason: str,
    attempts: int,
    words: str,
    count: int,
    actor: str | None,
    is_away: bool,
) -> None:
    """Whatever stands in the record: one line, clean, of bounded length, that ends as it should."""
    what = window(
        state,
        reason,
        attempts=attempts,
        count=count,
        expected_to=at("11:30") if count > 1 else None,
    )
    ended = [tried(number, "08:30", "08:31", words=words) for number in range(1, attempts + 1)]
    if state is WindowState.RUNNING:
        ended.append(tried(attempts + 1, "11:00", None, None))
    text = sentence(case(what, *ended, away=(NIGHT,) * is_away, actor=actor), NOW, UTC)

    assert text.startswith("disk-alert/daily ")
    assert text.endswith(".")
    assert not text.endswith("..")
    assert "\n" not in text
    assert "\x1b" not in text
    assert 800 > len(text)
