"""What happens next: after an attempt (retry, or close the window), after a send (retry, or settle
the delivery). Pure: facts in, a named decision with its reason out.

Invariants (rules R5, R7, R10, R11): a retry is promised only if it can start in time; a loss alone
never exhausts a window; an interrupted attempt is as if it had not been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from dotagent.core import exits
from dotagent.core.ending import Ending
from dotagent.core.model import (
    Blocked,
    Exit,
    Exited,
    Interrupted,
    Outcome,
    RejectDestination,
    RejectMessage,
    Retry,
    Sent,
    Skipped,
    Unknown,
    Unproved,
    Unsupported,
    WindowState,
)

# -------------------------------------------------------------------------------- the judgement


class Verdict(StrEnum):
    """How an attempt counts."""

    SUCCEEDED = "succeeded"
    WARNED = "warned"
    SKIPPED = "skipped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


GOOD = (Verdict.SUCCEEDED, Verdict.WARNED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The manifest's exit codes with meaning."""

    success: frozenset[int] = frozenset({0})
    warn: frozenset[int] = frozenset()
    skip: frozenset[int] = frozenset()
    no_retry: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """An exit, judged. ``final``: trying again is pointless. ``retry_at``: the script's wish."""

    verdict: Verdict
    exit: Exit
    words: str
    final: bool = False
    retry_at: int | None = None


def judge(
    exit: Exit,
    codes: Codes,
    *,
    outcome: str | None = None,
    retry_at: int | None = None,
    unmet: str | None = None,
) -> Judgement:
    """How this exit counts, given what the script itself said (``outcome``, ``retry_at`` from
    ``$AGENT_RESULT``) and whether its proof of work is ``unmet``.

    What the script says can turn its own exit into another, but never a timeout, a signal or a
    failed start into anything good: those are facts it did not choose.
    """
    text = exits.words(exit)
    match exit:
        case Interrupted(by=by) if by:
            return Judgement(verdict=Verdict.SKIPPED, exit=exit, words=text)
        case Interrupted():
            return Judgement(verdict=Verdict.INTERRUPTED, exit=exit, words=text)
        case Blocked(skip=True):
            return Judgement(verdict=Verdict.SKIPPED, exit=exit, words=text)
        case Exited(code=code):
            return _judge_exited(exit, code, codes, outcome, retry_at, unmet)
        case _:
            return Judgement(verdict=Verdict.FAILED, exit=exit, words=text)


def _judge_exited(
    exit: Exited,
    code: int,
    codes: Codes,
    outcome: str | None,
    retry_at: int | None,
    unmet: str | None,
) -> Judgement:
    text = exits.words(exit)
    if code in codes.skip or (outcome == "skip" and code in codes.success):
        who = "which means" if code in codes.skip else "but the script said"
        return Judgement(verdict=Verdict.SKIPPED, exit=exit, words=f"{text}, {who} “not now”")
    if outcome == "fail" and code in codes.success | codes.warn:
        said = f"{text}, but the script reported failure"
        return Judgement(verdict=Verdict.FAILED, exit=exit, words=said, retry_at=retry_at)
    if code in codes.success | codes.warn and unmet is not None:
        unproved = Unproved(why=unmet, code=code)
        return Judgement(
            verdict=Verdict.FAILED, exit=unproved, words=exits.words(unproved), retry_at=retry_at
        )
    if code in codes.warn or (outcome == "warn" and code in codes.success):
        return Judgement(verdict=Verdict.WARNED, exit=exit, words=f"{text}, with a warning")
    if code in codes.success:
        return Judgement(verdict=Verdict.SUCCEEDED, exit=exit, words=text)
    final = code in codes.no_retry
    return Judgement(verdict=Verdict.FAILED, exit=exit, words=text, final=final, retry_at=retry_at)


# ------------------------------------------------------------------------------ after an attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The window as it stands in the settling transaction, this attempt counted."""

    attempts: int
    max_attempts: int
    losses: int
    """Attempts of this window lost to a crash, this one included."""
    deadline_at: int
    later_due_at: int | None
    """The schedule's next planned instant after this window."""
    backoff_ms: Sequence[int]
    gone: str | None = None
    """Why the schedule is not wanted any more (removed, disabled), if so (rules R9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The window waits for another try at ``at``; ``counted`` is false for an interruption."""

    at: int
    why: str
    counted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """The window is closed."""

    state: WindowState
    why: str
    counted: bool = True


def after_attempt(judgement: Judgement, window: Situation, now: int) -> Wait | Close:
    """Retry or close (rules R5, R7, R9, R11)."""
    verdict = judgement.verdict
    if verdict is Verdict.INTERRUPTED:
        return Wait(at=now, why=judgement.words, counted=False)
    if verdict in GOOD:
        why = judgement.words if verdict is Verdict.WARNED else ""
        return Close(state=WindowState.SUCCEEDED, why=why)
    if verdict is Verdict.SKIPPED:
        blocked = isinstance(judgement.exit, Blocked)
        why = f"{Ending.BLOCKED} {judgement.words}" if blocked else judgement.words
        is_try = not isinstance(judgement.exit, Blocked | Interrupted)
        return Close(state=WindowState.SKIPPED, why=why, counted=is_try)
    if window.gone is not None:
        return Close(state=WindowState.GIVEN_UP, why=window.gone)
    return _after_failure(judgement, window, now)


def _after_failure(judgement: Judgement, window: Situation, now: int) -> Wait | Close:
    def give_up(why: str) -> Close:
        return Close(state=WindowState.GIVEN_UP, why=why)

    if judgement.final:
        return give_up(f"{judgement.words} {Ending.POINTLESS}")
    allowed = allowance(window.max_attempts, window.losses)
    if window.attempts >= allowed:
        return give_up(f"{Ending.USED_UP} ({window.attempts} of {allowed})")
    at = judgement.retry_at if judgement.retry_at is not None else now + delay(window)
    at = max(at, now)
    if at > window.deadline_at:
        return give_up(Ending.NO_TIME)
    if window.later_due_at is not None and window.later_due_at <= at:
        return give_up(Ending.NEXT_FIRST)
    return Wait(at=at, why=judgement.words)


def allowance(max_attempts: int, losses: int) -> int:
    """How many attempts a window may use: one more, once, if one was lost to a crash."""
    return max_attempts + (1 if losses else 0)


def delay(window: Situation) -> int:
    """The pause before the next attempt; the last backoff value repeats."""
    if not window.backoff_ms:
        return 0
    return window.backoff_ms[min(window.attempts, len(window.backoff_ms)) - 1]


# ---------------------------------------------------------------------------------- after a send

BACKOFF_FIRST_MS = 2_000
BACKOFF_MOST_MS = 15 * 60_000
OBEYED_MOST_MS = 24 * 3_600_000
"""A service that asks for more patience than this is parked (product §6)."""
PROBE_EVERY_MS = 24 * 3_600_000
"""How often a parked destination is tried (rules R20)."""
POISON_CRASHES = 4
"""The crash in which a delivery was the only suspect that makes it poison (rules R17)."""


def backoff(failures: int, u: float) -> int:
    """Full jitter over a doubling cap: ``u`` in [0, 1) of min(15 min, 2 s · 2^(failures−1)).

    Source: AWS Architecture Blog, “Exponential Backoff And Jitter”. Never under a tenth of the
    first step, so that an unlucky draw is not a busy loop."""
    # The exponent is clamped first: 2 ** 1024 does not fit a float, and no one waits that long.
    cap = min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** min(max(failures, 1) - 1, 20))
    return max(BACKOFF_FIRST_MS // 10, int(u * cap))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """What a send does to its delivery and to its destination.

    ``row``: ``sent``, ``suppressed``, ``rejected``, ``expired``, or ``again`` (it stays pending).
    ``down_ms``: how long the destination is down; None leaves it as it is. ``rest_ms``: how long
    the service itself asks for silence, which no success of another send cuts short.
    """

    row: str
    why: str = ""
    plain: bool = False
    healthy: bool = False
    down_ms: int | None = None
    rest_ms: int = 0
    park: str | None = None


def after_send(
    outcome: Outcome, *, tried_at: int, expires_at: int, failures: int, plain: bool, u: float
) -> Settle:
    """What to do with the delivery and its destination (rules R19, R20). ``failures`` of the
    destination in a row, this one not counted; ``plain`` if the plainer rendering was sent.

    ``tried_at``: when the try began. One that a sleeping machine cut short began before the sleep
    and expires nothing: after the wake there is always another (product §6)."""
    overdue = tried_at >= expires_at
    match outcome:
        case Sent(receipt=receipt, rest_ms=rest):
            rest = min(max(rest, 0), OBEYED_MOST_MS)
            return Settle(row="sent", why=receipt or "", healthy=True, rest_ms=rest)
        case Skipped(why=why):
            return Settle(row="suppressed", why=why)
        case RejectMessage(why=why, final=final):
            if plain or final:
                return Settle(row="rejected", why=why, healthy=True)
            return Settle(row="again", why=why, plain=True, healthy=True)
        case RejectDestination(why=why):
            row = "expired" if overdue else "again"
            return Settle(row=row, why=why, park=why, down_ms=PROBE_EVERY_MS)
        case Unsupported(why=why):
            return Settle(row="rejected", why=why, park=why, down_ms=PROBE_EVERY_MS)
        case Retry():
            return _try_again(outcome, "expired" if overdue else "again", failures, u)
        case Unknown(why=why):
            row = "expired" if overdue else "again"
            return Settle(row=row, why=why, down_ms=backoff(failures + 1, u))


def _try_again(outcome: Retry, row: str, failures: int, u: float) -> Settle:
    why, after = outcome.why, outcome.after_ms
    if after is not None and after > OBEYED_MOST_MS:
        park = f"{why}; it asks to be left alone for more than a day"
        return Settle(row=row, why=why, park=park, down_ms=PROBE_EVERY_MS)
    grown = backoff(failures + 1, u)
    if after is None:
        return Settle(row=row, why=why, down_ms=max(grown, outcome.least_ms))
    told = max(after, 0)
    if told < BACKOFF_FIRST_MS // 10 or (failures and told < BACKOFF_FIRST_MS):
        # A service that says "at once" each time would else be asked in a tight loop.
        return Settle(row=row, why=why, down_ms=max(told, grown), rest_ms=told)
    return Settle(row=row, why=why, down_ms=told, rest_ms=told)
