"""What files of dotagent 0.1.x say, and what becomes of it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core import health, legacy
from dotagent.core.heartbeat import Malformed
from dotagent.core.legacy import Beat, Known, Rules, Window, take
from dotagent.core.model import WindowState
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS, at

NOW = at("2026-06-03T08:40:00Z")
EXPECTED = at("2026-06-03T08:30:00Z")
RULES = Rules(
    max_attempts=3, backoff_ms=(5 * MINUTE_MS, 15 * MINUTE_MS), stale_after_ms=2 * HOUR_MS
)

BEAT = {"name": "a", "slug": "default", "args": [], "started_at": 1_000, "started_at_iso": "x"}
WINDOW = {"agent": "a", "schedule_id": "s", "expected_at": 1_000}


def data(content: Any) -> bytes:
    return json.dumps(content).encode()


# ---------------------------------------------------------------------------------- the files


def test_a_heartbeat() -> None:
    """Instants are milliseconds here; what is null or absent is not known."""
    read = legacy.beat(data({**BEAT, "finished_at": 1_004, "exit_code": -1, "extra": []}))

    assert Beat(started_at=1_000_000, finished_at=1_004_000, exit_code=-1) == read


def test_a_window() -> None:
    """A window that was not given up has no time at which it was."""
    tried = {"attempts": 2, "last_attempt_at": 1_003, "last_attempt_exit_code": 3}
    told = {"last_attempt_stderr": "née", "given_up": False, "given_up_at": 1_009}
    read = legacy.window(data({**WINDOW, **tried, **told}))

    assert 1_000_000 == read.expected_at
    assert (2, 1_003_000, 3, "née", None) == (
        read.attempts,
        read.last_attempt_at,
        read.last_exit,
        read.last_stderr,
        read.given_up_at,
    )


def test_a_given_up_window_without_a_time() -> None:
    """It was given up all the same."""
    assert 1_000_000 == legacy.window(data({**WINDOW, "given_up": True})).given_up_at


def test_known_manifests() -> None:
    """A first sight that is no time is not known; all else is needed."""
    entry = {
        "path": "/a/agent.toml",
        "sha256": "ab",
        "first_seen_at_iso": "2026-05-19T14:30:01-0300",
    }
    read = legacy.known(data({"entries": {"a": entry, "b": {**entry, "first_seen_at_iso": "?"}}}))

    first = at("2026-05-19T17:30:01Z")
    assert {
        "a": Known(path="/a/agent.toml", sha256="ab", first_seen_at=first),
        "b": Known(path="/a/agent.toml", sha256="ab"),
    } == read


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {**BEAT, "started_at": "now"},
        {**BEAT, "started_at": True},
        {**BEAT, "finished_at": -1},
        {**BEAT, "finished_at": 10**15},
        {**WINDOW, "agent": 7},
        {**WINDOW, "attempts": 1.5},
        {"entries": {"a": {"path": "/a"}}},
        {"entries": []},
    ],
)
def test_what_is_no_such_file(content: Any) -> None:
    """No reader takes it for one."""
    for read in (legacy.beat, legacy.window, legacy.known):
        with pytest.raises(Malformed):
            read(data(content))


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_keys = [*BEAT, *WINDOW, "attempts", "given_up", "given_up_at", "finished_at", "entries", "a"]


@given(
    st.binary()
    | _anything.map(data)
    | st.dictionaries(st.sampled_from(_keys), _anything).map(data)
    | st.dictionaries(st.sampled_from(_keys), _anything).map(lambda d: data({"entries": {"a": d}}))
)
def test_any_bytes_give_an_answer(content: bytes) -> None:
    """A fact or ``Malformed``, whatever somebody has put there."""
    for read in (legacy.beat, legacy.window, legacy.known, legacy.last_send):
        with suppress(Malformed):
            read(content)


# -------------------------------------------------------------------------------- the decision


def beat(**fields: int) -> Beat:
    return Beat(**{"started_at": EXPECTED, "finished_at": EXPECTED + MINUTE_MS, **fields})


def window(**fields: int) -> Window:
    tried: dict[str, Any] = {"expected_at": EXPECTED, "attempts": 1, "last_exit": 3, **fields}
    return Window(agent="a", schedule="s", **tried)


def test_nothing_is_nothing() -> None:
    """Neither is a window that was never tried anything to go on from."""
    assert take(None, None, RULES, NOW) is None
    assert take(None, window(attempts=0), RULES, NOW) is None
    assert take(None, window(expected_at=NOW + HOUR_MS), RULES, NOW) is None


def test_success_satisfies_a_window() -> None:
    """It is not run again, and what comes next is what falls due after it."""
    taken = take(beat(last_success_at=EXPECTED + MINUTE_MS), window(), RULES, NOW)

    assert taken is not None
    assert taken.row is not None
    assert (WindowState.SUCCEEDED, health.OK, None) == (
        taken.row.state,
        taken.health,
        taken.outage_at,
    )
    assert EXPECTED + MINUTE_MS == taken.planned_through


def test_a_success_after_failures_is_degraded() -> None:
    """As 0.1.x meant to show it."""
    taken = take(beat(last_success_at=EXPECTED), window(attempts=2), RULES, NOW)

    assert taken is not None
    assert (health.DEGRADED, "recovered on attempt 2") == (taken.health, taken.reason)


def test_an_open_window_keeps_its_retries() -> None:
    """The next try comes when it was to come, and counts on."""
    tried_at = NOW - MINUTE_MS
    taken = take(beat(exit_code=3), window(attempts=2, last_attempt_at=tried_at), RULES, NOW)

    assert taken is not None
    assert taken.row is not None
    assert (WindowState.WAITING, 2, tried_at + 15 * MINUTE_MS, EXPECTED + 2 * HOUR_MS) == (
        taken.row.state,
        taken.row.attempts,
        taken.row.next_at,
        taken.row.deadline_at,
    )
    assert (health.FAILING, EXPECTED, False) == (taken.health, taken.outage_at, taken.told)


def test_a_given_up_window_stays_told() -> None:
    """It fails since then, and that has been said."""
    taken = take(beat(exit_code=3), window(attempts=3, given_up_at=NOW - 1), RULES, NOW)

    assert taken is not None
    assert taken.row is not None
    assert (WindowState.GIVEN_UP, NOW - 1) == (taken.row.state, taken.row.closed_at)
    assert (health.FAILING, "gave up after 3 attempts", True) == (
        taken.health,
        taken.reason,
        taken.told,
    )


def test_a_window_left_open_for_too_long_is_closed() -> None:
    """No try is promised that could not start in time; that it fails is known, its end untold."""
    taken = take(None, window(last_attempt_at=EXPECTED), RULES, NOW + DAY_MS)

    assert taken is not None
    assert taken.row is not None
    assert (WindowState.GIVEN_UP, False) == (taken.row.state, taken.told)
    assert NOW + DAY_MS - 2 * HOUR_MS == taken.planned_through


def test_a_run_that_never_ended_satisfies_nothing() -> None:
    """What fell due since the last success, and is not too late, is still to be run."""
    unfinished = Beat(started_at=EXPECTED, last_success_at=EXPECTED - DAY_MS)
    taken = take(unfinished, None, RULES, NOW)

    assert taken is not None
    assert taken.planned_through is not None
    assert taken.planned_through < EXPECTED
    assert health.OK == taken.health


def test_an_interval_goes_on_from_its_last_success() -> None:
    """Its grid begins there (contract §7); one that never succeeded never ran by itself."""
    rules = Rules(max_attempts=3, backoff_ms=(), stale_after_ms=2 * HOUR_MS, is_interval=True)
    taken = take(beat(last_success_at=EXPECTED), None, rules, NOW)
    never = take(beat(exit_code=1), None, rules, NOW)

    assert taken is not None
    assert (EXPECTED, EXPECTED) == (taken.anchor_at, taken.planned_through)
    assert never is not None
    assert (None, None) == (never.anchor_at, never.planned_through)


_ms = st.integers(-30 * DAY_MS, 30 * DAY_MS).map(lambda ms: NOW + ms)


@given(
    st.none() | st.builds(Beat, started_at=_ms, finished_at=st.none() | _ms, last_success_at=_ms),
    st.none()
    | st.builds(
        Window,
        agent=st.just("a"),
        schedule=st.just("s"),
        expected_at=_ms,
        attempts=st.integers(0, 20),
        last_attempt_at=st.none() | _ms,
        last_exit=st.none() | st.integers(-1, 255),
        given_up_at=st.none() | _ms,
    ),
    st.builds(
        Rules,
        max_attempts=st.integers(1, 5),
        backoff_ms=st.lists(st.integers(0, DAY_MS), max_size=3),
        stale_after_ms=st.integers(0, 2 * DAY_MS),
        is_interval=st.booleans(),
    ),
)
def test_whatever_was_left_makes_sense(
    beat: Beat | None, window: Window | None, rules: Rules
) -> None:
    """The cursor is never ahead of now; a waiting window has a try in time, a closed one none."""
    taken = take(beat, window, rules, NOW)

    if taken is None:
        return
    assert taken.planned_through is None or taken.planned_through <= NOW
    row = taken.row
    if row is None:
        assert taken.outage_at is None
    elif row.state is WindowState.WAITING:
        assert row.next_at is not None
        assert row.next_at <= row.deadline_at
        assert NOW <= row.deadline_at
        assert taken.outage_at == row.expected_at
    else:
        assert row.next_at is None
        assert row.closed_at is not None
        assert row.closed_at <= NOW


@pytest.mark.parametrize(
    ("argv", "is_one"),
    [
        (["/usr/local/bin/dotagent", "daemon", ""], True),
        (["dotagent", "daemon"], True),
        (["dotagent", "status"], False),
        (["/usr/bin/python3", "/usr/bin/dotagent", "daemon"], False),
        (["vim", "dotagent", "daemon"], False),
        ([], False),
    ],
)
def test_a_daemon_of_old_is_a_program_of_its_own(argv: list[str], is_one: bool) -> None:
    """Ours is run by an interpreter."""
    assert is_one == legacy.is_daemon(argv)
