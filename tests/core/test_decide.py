"""Retry or close, send again or settle: every kind of end, every outcome, and the waits between."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core import decide
from dotagent.core.decide import (
    BACKOFF_FIRST_MS,
    BACKOFF_MOST_MS,
    OBEYED_MOST_MS,
    PROBE_EVERY_MS,
    Close,
    Codes,
    Judgement,
    Settle,
    Situation,
    Verdict,
    Wait,
    after_attempt,
    after_send,
    allowance,
    backoff,
    delay,
    judge,
)
from dotagent.core.model import (
    Blocked,
    Exit,
    Exited,
    Interrupted,
    Lost,
    NotStarted,
    Outcome,
    RejectDestination,
    RejectMessage,
    Retry,
    Sent,
    Signaled,
    Skipped,
    TimedOut,
    Unknown,
    Unproved,
    Unsupported,
    WindowState,
)

NOW = 1_780_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
CODES = Codes(
    success=frozenset({0, 2}),
    warn=frozenset({3}),
    skip=frozenset({75}),
    no_retry=frozenset({12}),
)

# ---------------------------------------------------------------------------------- the judgement


@pytest.mark.parametrize(
    ("exit", "verdict", "words"),
    [
        (Exited(code=0), Verdict.SUCCEEDED, "exit 0"),
        (Exited(code=2), Verdict.SUCCEEDED, "exit 2"),
        (Exited(code=3), Verdict.WARNED, "exit 3, with a warning"),
        (Exited(code=75), Verdict.SKIPPED, "exit 75, which means “not now”"),
        (Exited(code=1), Verdict.FAILED, "exit 1"),
        (Signaled(number=11), Verdict.FAILED, "killed by SIGSEGV"),
        (TimedOut(after_ms=HOUR), Verdict.FAILED, "timed out after 1 h"),
        (NotStarted(code=127, why="no x"), Verdict.FAILED, "could not start: no x"),
        (Lost(why="crash"), Verdict.FAILED, "lost: crash"),
        (Interrupted(why="SIGTERM"), Verdict.INTERRUPTED, "interrupted: SIGTERM"),
        (Interrupted(why="hangs", by="ana"), Verdict.SKIPPED, "stopped by ana: hangs"),
        (Interrupted(why="", by="ana"), Verdict.SKIPPED, "stopped by ana"),
        (Blocked(by="warp", why="off"), Verdict.FAILED, "blocked by preflight warp: off"),
        (
            Blocked(by="warp", why="off", skip=True),
            Verdict.SKIPPED,
            "blocked by preflight warp: off",
        ),
        (Unproved(why="no file"), Verdict.FAILED, "exit 0, but no file"),
    ],
)
def test_judge(exit: Exit, verdict: Verdict, words: str) -> None:
    """Every kind of exit counts as what it is, and is said in words."""
    assert Judgement(verdict=verdict, exit=exit, words=words) == judge(exit, CODES)


def test_judge_final() -> None:
    """A code that says so makes further tries pointless."""
    assert judge(Exited(code=12), CODES).final


@pytest.mark.parametrize(
    ("code", "outcome", "verdict"),
    [
        (0, "ok", Verdict.SUCCEEDED),
        (0, "warn", Verdict.WARNED),
        (0, "skip", Verdict.SKIPPED),
        (0, "fail", Verdict.FAILED),
        (3, "ok", Verdict.WARNED),
        (3, "fail", Verdict.FAILED),
        (75, "fail", Verdict.SKIPPED),
        (1, "ok", Verdict.FAILED),
        (1, "warn", Verdict.FAILED),
        (1, "skip", Verdict.FAILED),
    ],
)
def test_judge_what_the_script_says(code: int, outcome: str, verdict: Verdict) -> None:
    """A script can turn its own good exit into another, and no bad one into a good one."""
    assert verdict is judge(Exited(code=code), CODES, outcome=outcome).verdict


def test_judge_says_who_said_not_now() -> None:
    """An exit of 0 means no such thing: the script said it."""
    said = [judge(Exited(code=code), CODES, outcome="skip").words for code in (0, 75)]

    assert ["exit 0, but the script said “not now”", "exit 75, which means “not now”"] == said


@pytest.mark.parametrize("outcome", ["ok", "warn", "skip"])
@pytest.mark.parametrize(
    "exit",
    [TimedOut(after_ms=1), Signaled(number=9), NotStarted(code=126, why="x"), Lost(why="x")],
)
def test_judge_facts_stand(exit: Exit, outcome: str) -> None:
    """A timeout, a signal, a failed start and a crash are failures, whatever the script said."""
    assert Verdict.FAILED is judge(exit, CODES, outcome=outcome).verdict


@pytest.mark.parametrize("code", [0, 2, 3])
def test_judge_unproved(code: int) -> None:
    """A good exit without its proof of work is a failure that keeps the code it had."""
    judged = judge(Exited(code=code), CODES, unmet="report.md is unchanged")

    assert Unproved(why="report.md is unchanged", code=code) == judged.exit
    assert (Verdict.FAILED, f"exit {code}, but report.md is unchanged") == (
        judged.verdict,
        judged.words,
    )


@pytest.mark.parametrize("code", [1, 12, 75])
def test_judge_proof_of_what_failed(code: int) -> None:
    """Nobody asks a failed or skipped attempt for proof."""
    assert judge(Exited(code=code), CODES) == judge(Exited(code=code), CODES, unmet="no file")


@pytest.mark.parametrize(
    ("exit", "more"),
    [
        (Exited(code=1), {}),
        (Exited(code=0), {"outcome": "fail"}),
        (Exited(code=0), {"unmet": "no file"}),
    ],
)
def test_judge_retry_at(exit: Exit, more: dict[str, Any]) -> None:
    """The script's wish when to be tried again is kept for what it reported itself."""
    assert NOW == judge(exit, CODES, retry_at=NOW, **more).retry_at


def test_judge_retry_at_of_a_timeout() -> None:
    """What a script wished for before it hung counts no more."""
    assert judge(TimedOut(after_ms=1), CODES, retry_at=NOW).retry_at is None


# ------------------------------------------------------------------------------- after an attempt

FAILED = judge(Exited(code=1), Codes())
LOST = judge(Lost(why="crash"), Codes())


def window(**other: Any) -> Situation:
    """The first of three attempts, with all the time in the world."""
    base = Situation(
        attempts=1,
        max_attempts=3,
        losses=0,
        deadline_at=NOW + 24 * HOUR,
        later_due_at=None,
        backoff_ms=(5 * MINUTE, 15 * MINUTE),
    )
    return replace(base, **other)


def gave_up(why: str) -> Close:
    return Close(state=WindowState.GIVEN_UP, why=why)


@pytest.mark.parametrize(
    ("attempts", "wait"), [(1, 5 * MINUTE), (2, 15 * MINUTE), (3, 15 * MINUTE), (9, 15 * MINUTE)]
)
def test_retry_backoff(attempts: int, wait: int) -> None:
    """Each try waits for its own value of the backoff, the last one for ever after."""
    found = after_attempt(FAILED, window(attempts=attempts, max_attempts=10), NOW)

    assert Wait(at=NOW + wait, why="exit 1") == found


def test_retry_without_backoff() -> None:
    """Without a backoff the next try is at once."""
    assert 0 == delay(window(backoff_ms=()))


def test_used_up() -> None:
    """The last attempt that is allowed ends the window."""
    found = after_attempt(FAILED, window(attempts=3), NOW)

    assert gave_up("attempts used up (3 of 3)") == found


@pytest.mark.parametrize(
    ("attempts", "losses", "judged", "closes"),
    [
        (1, 1, LOST, False),  # R5: a loss alone does not exhaust the window
        (2, 1, FAILED, True),
        (2, 2, LOST, True),  # one more, once
    ],
)
def test_allowance_after_a_loss(
    attempts: int, losses: int, judged: Judgement, closes: bool
) -> None:
    """A window that lost an attempt to a crash gets one more, and only one."""
    situation = window(attempts=attempts, max_attempts=1, losses=losses)

    assert closes is isinstance(after_attempt(judged, situation, NOW), Close)


def test_allowance() -> None:
    """The allowance is the manifest's, plus one after the first loss."""
    assert [3, 4, 4] == [allowance(3, losses) for losses in (0, 1, 5)]


def test_used_up_says_the_allowance() -> None:
    """Nobody reads "4 of 3"."""
    found = after_attempt(FAILED, window(attempts=4, losses=1), NOW)

    assert gave_up("attempts used up (4 of 4)") == found


@pytest.mark.parametrize(("late", "waits"), [(0, True), (1, False)])
def test_deadline(late: int, waits: bool) -> None:
    """A retry is promised only if it can start by the deadline, to the millisecond (rules R7)."""
    situation = window(deadline_at=NOW + 5 * MINUTE - late)
    found = after_attempt(FAILED, situation, NOW)

    assert waits is isinstance(found, Wait)
    assert waits or gave_up("stale: the next try would come after the deadline") == found


@pytest.mark.parametrize(("later", "waits"), [(0, False), (1, True)])
def test_overtaken(later: int, waits: bool) -> None:
    """A retry that the next run would overtake is not promised (rules R7)."""
    situation = window(later_due_at=NOW + 5 * MINUTE + later)
    found = after_attempt(FAILED, situation, NOW)

    assert waits is isinstance(found, Wait)
    assert waits or gave_up("overtaken: the next run is due before the next try") == found


def test_retry_at() -> None:
    """The script's own wish replaces the backoff."""
    wish = replace(FAILED, retry_at=NOW + 90 * MINUTE)

    assert Wait(at=NOW + 90 * MINUTE, why="exit 1") == after_attempt(wish, window(), NOW)


def test_retry_at_in_the_past() -> None:
    """A wish in the past is one for now."""
    assert Wait(at=NOW, why="exit 1") == after_attempt(replace(FAILED, retry_at=1), window(), NOW)


def test_retry_at_too_late() -> None:
    """A wish beyond the deadline is no try at all."""
    wish = replace(FAILED, retry_at=NOW + 48 * HOUR)

    assert gave_up("stale: the next try would come after the deadline") == after_attempt(
        wish, window(), NOW
    )


def test_no_retry_code() -> None:
    """A code that makes retries pointless ends the window at its first attempt."""
    judged = judge(Exited(code=12), CODES)

    assert gave_up("exit 12 means that trying again is pointless") == after_attempt(
        judged, window(), NOW
    )


@pytest.mark.parametrize(
    ("exit", "why"), [(Exited(code=0), ""), (Exited(code=3), "exit 3, with a warning")]
)
def test_success(exit: Exit, why: str) -> None:
    """A success closes the window, also past its deadline; a warning says so."""
    found = after_attempt(judge(exit, CODES), window(deadline_at=0), NOW)

    assert Close(state=WindowState.SUCCEEDED, why=why) == found


def test_not_now() -> None:
    """A “not now” closes the window as skipped; the attempt was one."""
    found = after_attempt(judge(Exited(code=75), CODES), window(), NOW)

    assert Close(state=WindowState.SKIPPED, why="exit 75, which means “not now”") == found


def test_blocked_skip() -> None:
    """A preflight that skips ends the window without counting an attempt (product §3)."""
    judged = judge(Blocked(by="warp", why="off", skip=True), CODES)

    assert Close(
        state=WindowState.SKIPPED, why="preflight: blocked by preflight warp: off", counted=False
    ) == after_attempt(judged, window(), NOW)


def test_blocked_retry() -> None:
    """Any other preflight is a failed attempt like any other."""
    judged = judge(Blocked(by="warp", why="off"), CODES)

    assert isinstance(after_attempt(judged, window(), NOW), Wait)
    assert isinstance(after_attempt(judged, window(attempts=3), NOW), Close)


@pytest.mark.parametrize("gone", [None, "removed"])
def test_interrupted(gone: str | None) -> None:
    """A planned stop is as if it had not been: tried again at once, not counted (rules R11)."""
    judged = judge(Interrupted(why="SIGTERM"), CODES)
    found = after_attempt(judged, window(attempts=9, deadline_at=0, gone=gone), NOW)

    assert Wait(at=NOW, why="interrupted: SIGTERM", counted=False) == found


def test_gone() -> None:
    """A schedule that is not wanted any more is not tried again (rules R9)."""
    assert gave_up("removed") == after_attempt(FAILED, window(gone="removed"), NOW)


def test_gone_but_good() -> None:
    """Its last run may still succeed."""
    good = judge(Exited(code=0), CODES)
    found = after_attempt(good, window(gone="removed"), NOW)

    assert Close(state=WindowState.SUCCEEDED, why="") == found


@given(
    attempts=st.integers(1, 20),
    most=st.integers(1, 20),
    losses=st.integers(0, 3),
    deadline=st.integers(-HOUR, HOUR),
    later=st.none() | st.integers(-HOUR, HOUR),
    backoff_ms=st.lists(st.integers(0, HOUR), max_size=3),
    wish=st.none() | st.integers(-HOUR, 2 * HOUR),
)
def test_retry_promises(
    attempts: int,
    most: int,
    losses: int,
    deadline: int,
    later: int | None,
    backoff_ms: list[int],
    wish: int | None,
) -> None:
    """Whatever the numbers: a window that waits has an attempt left, and can start it in time."""
    situation = window(
        attempts=attempts,
        max_attempts=most,
        losses=losses,
        deadline_at=NOW + deadline,
        later_due_at=None if later is None else NOW + later,
        backoff_ms=backoff_ms,
    )
    judged = replace(FAILED, retry_at=None if wish is None else NOW + wish)
    found = after_attempt(judged, situation, NOW)

    if isinstance(found, Wait):
        assert found.counted
        assert attempts < allowance(most, losses)
        assert NOW <= found.at <= situation.deadline_at
        assert situation.later_due_at is None or found.at < situation.later_due_at
    else:
        assert WindowState.GIVEN_UP is found.state
        assert found.why


# ----------------------------------------------------------------------------------- after a send

LATER = NOW + HOUR


def settle(outcome: Outcome, **other: Any) -> Settle:
    facts = {"tried_at": NOW, "expires_at": LATER, "failures": 0, "plain": False, "u": 0.5}
    return after_send(outcome, **{**facts, **other})


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Sent(), Settle(row="sent", healthy=True)),
        (Sent(receipt="r1"), Settle(row="sent", why="r1", healthy=True)),
        (Skipped(why="recent"), Settle(row="suppressed", why="recent")),
        (RejectMessage(why="400"), Settle(row="again", why="400", plain=True, healthy=True)),
        (RejectMessage(why="400", final=True), Settle(row="rejected", why="400", healthy=True)),
        (
            RejectDestination(why="404"),
            Settle(row="again", why="404", park="404", down_ms=PROBE_EVERY_MS),
        ),
        (
            Unsupported(why="no bus"),
            Settle(row="rejected", why="no bus", park="no bus", down_ms=PROBE_EVERY_MS),
        ),
        (Retry(why="503"), Settle(row="again", why="503", down_ms=1_000)),
        (
            Retry(why="429", after_ms=30_000),
            Settle(row="again", why="429", down_ms=30_000, rest_ms=30_000),
        ),
        (Retry(why="429", least_ms=9_000), Settle(row="again", why="429", down_ms=9_000)),
        (Retry(why="429", least_ms=9), Settle(row="again", why="429", down_ms=1_000)),
        (Sent(rest_ms=250), Settle(row="sent", healthy=True, rest_ms=250)),
        (Sent(rest_ms=-1), Settle(row="sent", healthy=True)),
        (
            Sent(rest_ms=OBEYED_MOST_MS + 1),
            Settle(row="sent", healthy=True, rest_ms=OBEYED_MOST_MS),
        ),
        (Unknown(why="no answer"), Settle(row="again", why="no answer", down_ms=1_000)),
    ],
)
def test_after_send(outcome: Outcome, expected: Settle) -> None:
    """What each outcome does to its delivery and its destination, while there is time."""
    assert expected == settle(outcome)


@pytest.mark.parametrize(
    "outcome",
    [Retry(why="x"), Retry(why="x", after_ms=9_000), Unknown(why="x"), RejectDestination(why="x")],
)
@pytest.mark.parametrize(("left", "row"), [(1, "again"), (0, "expired"), (-HOUR, "expired")])
def test_expiry(outcome: Outcome, left: int, row: str) -> None:
    """Only a failed try at or after its time ends a message (rules R19)."""
    assert row == settle(outcome, expires_at=NOW + left).row


@pytest.mark.parametrize("outcome", [Sent(), Skipped(why="x"), RejectMessage(why="x")])
def test_no_expiry(outcome: Outcome) -> None:
    """What did not fail for want of a service does not expire, however late it is."""
    assert settle(outcome) == settle(outcome, expires_at=0)


def test_plainer_rendering_once() -> None:
    """A message that is refused twice, the second time in its plainer form, is dead."""
    assert Settle(row="rejected", why="400", healthy=True) == settle(
        RejectMessage(why="400"), plain=True
    )


@pytest.mark.parametrize("after_ms", [0, -5, 1, BACKOFF_FIRST_MS - 1])
def test_service_that_says_at_once(after_ms: int) -> None:
    """A service that asks for next to no patience each time is not asked in a tight loop."""
    found = settle(Retry(why="503", after_ms=after_ms), failures=9, u=0.5)

    assert BACKOFF_MOST_MS // 2 == found.down_ms


@pytest.mark.parametrize("after_ms", [BACKOFF_FIRST_MS // 10, 500, BACKOFF_FIRST_MS - 1])
def test_short_wait_is_obeyed_once(after_ms: int) -> None:
    """The first time a service asks for less than the backoff's first step it gets just that."""
    assert after_ms == settle(Retry(why="429", after_ms=after_ms), failures=0, u=0.9).down_ms


@pytest.mark.parametrize("after_ms", [BACKOFF_FIRST_MS, 30_000, OBEYED_MOST_MS])
@pytest.mark.parametrize("failures", [0, 5, 500])
def test_retry_after_is_obeyed(after_ms: int, failures: int) -> None:
    """What a service asks for is what it gets, up to a day."""
    found = settle(Retry(why="429", after_ms=after_ms), failures=failures)

    assert (after_ms, None) == (found.down_ms, found.park)


def test_retry_after_more_than_a_day() -> None:
    """A service that wants to be left alone for longer is parked."""
    found = settle(Retry(why="429", after_ms=OBEYED_MOST_MS + 1))

    assert PROBE_EVERY_MS == found.down_ms
    assert found.park == "429; it asks to be left alone for more than a day"


# ---------------------------------------------------------------------------------------- backoff


@given(st.integers(-5, 10**9), st.floats(0, 1, exclude_max=True))
def test_backoff_bounds(failures: int, u: float) -> None:
    """However often it failed: never a busy loop, never more than a quarter of an hour."""
    assert BACKOFF_FIRST_MS // 10 <= backoff(failures, u) <= BACKOFF_MOST_MS


@given(st.integers(1, 10**9))
def test_backoff_grows(failures: int) -> None:
    """For one and the same draw a further failure never shortens the wait."""
    assert backoff(failures, 0.7) <= backoff(failures + 1, 0.7)


def test_backoff_doubles() -> None:
    """The largest waits are 2, 4, 8 … seconds, and then 15 minutes."""
    found = [round(backoff(n, 1 - 1e-9) / 1_000) for n in range(1, 12)]

    assert [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] == found


def test_full_jitter() -> None:
    """The draw decides over the whole span."""
    assert [200, 16_000, 31_999] == [backoff(5, u) for u in (0, 0.5, 1 - 1e-9)]


def test_poison_is_the_fourth_crash() -> None:
    """Rules R17 name the number."""
    assert 4 == decide.POISON_CRASHES
