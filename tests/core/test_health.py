"""The word and the reason that ``status`` shows after an attempt."""

from __future__ import annotations

import pytest

from dotagent.core import health
from dotagent.core.decide import Close, Codes, Wait, judge
from dotagent.core.model import Blocked, Exit, Exited, Interrupted, Lost, TimedOut, WindowState

DONE = Close(state=WindowState.SUCCEEDED, why="")
ENDED = Close(state=WindowState.GIVEN_UP, why="attempts used up (3 of 3)")
AGAIN = Wait(at=1, why="exit 1")
CODES = Codes(warn=frozenset({3}), skip=frozenset({75}))


@pytest.mark.parametrize(
    ("exit", "decision", "number", "expected"),
    [
        (Exited(code=0), DONE, 1, ("ok", "")),
        (Exited(code=0), DONE, 2, ("degraded", "recovered on attempt 2")),
        (Exited(code=3), DONE, 1, ("degraded", "exit 3, with a warning")),
        (Exited(code=1), AGAIN, 1, ("failing", "attempt 1: exit 1; will be tried again")),
        (
            TimedOut(after_ms=5_000),
            AGAIN,
            2,
            ("failing", "attempt 2: timed out after 5 s; will be tried again"),
        ),
        (Exited(code=1), ENDED, 3, ("failing", "gave up: exit 1")),
        (Lost(why="crash"), ENDED, 3, ("failing", "gave up: lost: crash")),
    ],
)
def test_after(exit: Exit, decision: Wait | Close, number: int, expected: tuple[str, str]) -> None:
    """Each end of an attempt has its word, and the reason names it."""
    assert expected == health.after(judge(exit, CODES), decision, number)


@pytest.mark.parametrize(
    "exit",
    [Exited(code=75), Interrupted(why="SIGTERM"), Blocked(by="warp", why="off", skip=True)],
)
def test_nothing_new(exit: Exit) -> None:
    """A “not now” and a planned stop say nothing about a schedule's health."""
    assert health.after(judge(exit, CODES), AGAIN, 1) is None


def test_manual() -> None:
    """Nobody is promised that a run by hand will be tried again."""
    failed = judge(Exited(code=1), CODES)

    assert ("failing", "manual run: exit 1") == health.after(failed, AGAIN, 1, manual=True)
    assert ("ok", "") == health.after(judge(Exited(code=0), CODES), DONE, 1, manual=True)
