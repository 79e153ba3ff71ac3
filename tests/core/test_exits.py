"""How an exit reads, in every form it takes outside."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core import exits
from dotagent.core.model import (
    Blocked,
    Exit,
    Exited,
    Interrupted,
    Lost,
    NotStarted,
    Signaled,
    TimedOut,
    Unproved,
)

ALL = [
    # exit, words, number of dotagent 0.1.x, status of run-now
    (Exited(code=0), "exit 0", 0, 1),
    (Exited(code=1), "exit 1", 1, 1),
    (Exited(code=255), "exit 255", 255, 255),
    (Signaled(number=9), "killed by SIGKILL", -1, 137),
    (Signaled(number=60), "killed by signal 60", -1, 188),
    (TimedOut(after_ms=90_000), "timed out after 1 min 30 s", 124, 124),
    (Blocked(by="warp", why="VPN is off"), "blocked by preflight warp: VPN is off", -1, 75),
    (Blocked(by="warp", why="", skip=True), "blocked by preflight warp", -1, 75),
    (NotStarted(code=127, why="no such file"), "could not start: no such file", 127, 127),
    (NotStarted(code=126, why="not executable"), "could not start: not executable", 126, 126),
    (Unproved(why="no report"), "exit 0, but no report", 0, 1),
    (Unproved(why="no report", code=3), "exit 3, but no report", 3, 3),
    (Interrupted(why="SIGTERM"), "interrupted: SIGTERM", -1, 1),
    (Lost(why="dotagent died"), "lost: dotagent died", -1, 1),
]


@pytest.mark.parametrize(("exit", "words", "code", "status"), ALL)
def test_forms(exit: Exit, words: str, code: int, status: int) -> None:
    """In a sentence, as dotagent 0.1.x's number, and as a command's own exit status."""
    assert (words, code, status) == (
        exits.words(exit),
        exits.legacy_code(exit),
        exits.status(exit),
    )


@pytest.mark.parametrize("exit", [row[0] for row in ALL])
def test_data(exit: Exit) -> None:
    """What is stored is plain JSON and reads back as it was."""
    assert exit == exits.from_data(json.loads(json.dumps(exits.to_data(exit))))


def test_data_of_before() -> None:
    """An exit that was stored before it had all its fields still reads."""
    assert Unproved(why="x", code=0) == exits.from_data({"is": "Unproved", "why": "x"})


@given(
    st.one_of(
        st.builds(Exited, code=st.integers(0, 255)), st.builds(Signaled, number=st.integers(1, 64))
    )
)
def test_status_is_never_success(exit: Exit) -> None:
    """What did not succeed never exits 0, and always with a status that exists."""
    assert 1 <= exits.status(exit) <= 255
