"""A schedule's health, from its history: the word and the reason that ``status`` shows.

``new`` nothing has been due yet · ``ok`` the last window succeeded · ``degraded`` it succeeded, but
not at once or with a warning · ``failing`` the last attempt failed, to be tried again or not ·
``stale`` windows passed unrun, or without success for too long · ``skipped`` what was due was
skipped, nothing has succeeded or failed yet · ``off`` not scheduled.
"""

from __future__ import annotations

from dotagent.core.decide import GOOD, Close, Judgement, Verdict, Wait
from dotagent.core.model import WindowState

OK, DEGRADED, FAILING, STALE, NEW, OFF = "ok", "degraded", "failing", "stale", "new", "off"
SKIPPED = "skipped"


def after(
    judgement: Judgement,
    decision: Wait | Close,
    number: int,
    *,
    manual: bool = False,
    was: str = OK,
) -> tuple[str, str] | None:
    """Health after an attempt; None where it says nothing new (an interruption, a “not now” of what
    had another health before, ``was``). ``manual``: a person asked for it, and nothing tries it
    again (rules R10)."""
    if judgement.verdict is Verdict.SKIPPED and was in (NEW, SKIPPED):
        return SKIPPED, judgement.words
    if judgement.verdict in (Verdict.INTERRUPTED, Verdict.SKIPPED):
        return None
    if judgement.verdict in GOOD:
        if judgement.verdict is Verdict.WARNED:
            return DEGRADED, judgement.words
        return (DEGRADED, f"recovered on attempt {number}") if number > 1 else (OK, "")
    if manual:
        return FAILING, f"manual run: {judgement.words}"
    if isinstance(decision, Close) and decision.state is WindowState.GIVEN_UP:
        return FAILING, f"gave up: {judgement.words}"
    return FAILING, f"attempt {number}: {judgement.words}; will be tried again"
