"""Which events an attempt, a gap and a reminder make, in which order, with which facts."""

from __future__ import annotations

from typing import Any

import pytest

from dotagent.core import events
from dotagent.core.decide import Close, Codes, Judgement, Wait, judge
from dotagent.core.events import CaughtUp, OutageSoFar, Source, Told, of_attempt
from dotagent.core.model import (
    Blocked,
    Event,
    Exit,
    Exited,
    Interrupted,
    Kind,
    Lost,
    NotStarted,
    Severity,
    Signaled,
    TimedOut,
    Unproved,
    WindowState,
)

NOW = 1_780_000_000_000
SOURCE = Source(
    agent="disk", schedule_id="daily", host="web-1", window_id=5, attempt_id=7, outage_id=9
)
TOLD = Told(number=2, max_attempts=3, ended_at=NOW, lasted_ms=4_200, expected_at=NOW - 60_000)
OUTAGE = OutageSoFar(opened_at=NOW - 3_600_000, failures=2, windows=1)
CODES = Codes(warn=frozenset({3}), skip=frozenset({75}))
AGAIN = Wait(at=NOW + 300_000, why="exit 1")
GIVEN_UP = Close(state=WindowState.GIVEN_UP, why="attempts used up (3 of 3)")
DONE = Close(state=WindowState.SUCCEEDED, why="")
SKIPPED = Close(state=WindowState.SKIPPED, why="x", counted=False)


def told(
    exit: Exit, decision: Wait | Close, outage: OutageSoFar | None = None, **more: Any
) -> list[Event]:
    numbers = {
        "number": 2,
        "max_attempts": 3,
        "ended_at": NOW,
        "lasted_ms": 4_200,
        "expected_at": NOW - 60_000,
    }
    return of_attempt(SOURCE, judge(exit, CODES), decision, Told(**{**numbers, **more}), outage)


def kinds(found: list[Event]) -> list[Kind]:
    return [event.kind for event in found]


@pytest.mark.parametrize(
    "exit",
    [
        Exited(code=1),
        Signaled(number=9),
        NotStarted(code=127, why="no such file"),
        Unproved(why="no report"),
        Lost(why="dotagent died while it ran"),
    ],
)
def test_attempt_failed(exit: Exit) -> None:
    """Whatever ends an attempt badly, a failed start and a crash included, is told."""
    assert [Kind.ATTEMPT_FAILED] == kinds(told(exit, AGAIN, OUTAGE))


def test_timed_out() -> None:
    """A timeout is told as itself, instead of as a failed attempt."""
    assert [Kind.TIMED_OUT] == kinds(told(TimedOut(after_ms=5_000), AGAIN, OUTAGE))


def test_preflight() -> None:
    """So is a block, with the plugin's name and what it suggests."""
    found = told(Blocked(by="warp", why="off", suggest="turn it on"), AGAIN, OUTAGE)

    assert [Kind.PREFLIGHT] == kinds(found)
    assert ("warp", "turn it on") == (found[0].facts["plugin"], found[0].facts["suggest"])


def test_preflight_that_skips() -> None:
    """A block that skips fires the event, says that the run is skipped, and gives nothing up."""
    found = told(Blocked(by="warp", why="off", skip=True), SKIPPED)

    assert [Kind.PREFLIGHT] == kinds(found)
    assert found[0].facts["skipped"]


@pytest.mark.parametrize(
    ("exit", "first"),
    [
        (Exited(code=1), Kind.ATTEMPT_FAILED),
        (TimedOut(after_ms=1), Kind.TIMED_OUT),
        (Blocked(by="warp", why="off"), Kind.PREFLIGHT),
    ],
)
def test_given_up(exit: Exit, first: Kind) -> None:
    """The last failed attempt is told as itself, and then the window as given up."""
    found = told(exit, GIVEN_UP, OUTAGE)

    assert [first, Kind.GIVEN_UP] == kinds(found)
    assert "attempts used up (3 of 3)" == found[1].facts["why"]


@pytest.mark.parametrize(("code", "warned"), [(0, False), (3, True)])
def test_success(code: int, warned: bool) -> None:
    """Every success is told; one with a warning says so."""
    found = told(Exited(code=code), DONE)

    assert [Kind.SUCCESS] == kinds(found)
    assert warned is found[0].facts["warned"]


def test_recovered() -> None:
    """The success that ends an outage fires too, then how long it was and how many runs it cost."""
    found = told(Exited(code=0), DONE, OUTAGE)

    assert [Kind.SUCCESS, Kind.RECOVERED] == kinds(found)
    assert {"lasted_ms": 3_600_000, "since": NOW - 3_600_000, "failures": 2, "windows": 1} == {
        name: found[1].facts[name] for name in ("lasted_ms", "since", "failures", "windows")
    }


def test_not_now() -> None:
    """A “not now” tells nobody anything."""
    assert [] == told(Exited(code=75), SKIPPED, OUTAGE)


@pytest.mark.parametrize("outage", [None, OUTAGE])
def test_interrupted(outage: OutageSoFar | None) -> None:
    """Nor does a planned stop (rules R11)."""
    assert [] == told(Interrupted(why="SIGTERM"), Wait(at=NOW, why="", counted=False), outage)


def test_manual_failure() -> None:
    """A failed run by hand is told, and never given up (rules R10)."""
    found = told(Exited(code=1), Wait(at=NOW, why="exit 1"), OUTAGE, manual=True)

    assert [Kind.ATTEMPT_FAILED] == kinds(found)
    assert found[0].facts["manual"]


def test_facts() -> None:
    """An event carries all that a message needs, days later, and where it comes from."""
    event = told(Exited(code=1), AGAIN, OUTAGE)[0]

    assert {
        "host": "web-1",
        "number": 2,
        "max": 3,
        "words": "exit 1",
        "code": 1,
        "duration_ms": 4_200,
        "expected_at": NOW - 60_000,
        "manual": False,
        "since": NOW - 3_600_000,
        "failures": 2,
        "windows": 1,
        "next_at": NOW + 300_000,
    } == event.facts
    assert ("disk", "daily", 5, 7, 9, NOW) == (
        event.agent,
        event.schedule_id,
        event.window_id,
        event.attempt_id,
        event.outage_id,
        event.at,
    )


@pytest.mark.parametrize("exit", [Lost(why="crash"), NotStarted(code=127, why="x")])
def test_no_duration(exit: Exit) -> None:
    """Nobody knows how long it ran what was lost or never began."""
    assert told(exit, AGAIN)[0].facts["duration_ms"] is None


def test_result_and_caught_up() -> None:
    """What the script reported and the runs that it stands in for are facts of its events."""
    older = CaughtUp(first_at=NOW - 9, count=4, exact=False)
    event = told(Exited(code=0), DONE, result={"rows": 3}, caught_up=older)[0]

    assert {"rows": 3} == event.facts["result"]
    assert {"first_at": NOW - 9, "count": 4, "exact": False} == event.facts["caught_up"]


def test_given_up_later() -> None:
    """A window that is closed long after its last attempt still says how that ended."""
    last = {"words": "exit 1", "code": 1, "duration_ms": 5}
    event = events.given_up(
        SOURCE,
        NOW,
        why="overtaken",
        attempts=2,
        max_attempts=3,
        last=last,
        expected_at=NOW - 1,
        outage=OUTAGE,
    )

    assert (Kind.GIVEN_UP, Severity.CRITICAL) == (event.kind, event.severity)
    assert {**last, "number": 2, "max": 3, "why": "overtaken"}.items() <= event.facts.items()


def test_missed() -> None:
    """One event for a gap: its first, its last, how many."""
    event = events.missed(
        SOURCE, NOW, why="off", first_at=1, last_at=9, count=5, exact=True, outage=None
    )

    assert Kind.MISSED is event.kind
    assert {"first_at": 1, "last_at": 9, "count": 5, "exact": True} == {
        name: event.facts[name] for name in ("first_at", "last_at", "count", "exact")
    }


def test_still_failing() -> None:
    """A reminder knows since when."""
    event = events.still_failing(SOURCE, NOW, OUTAGE, words="exit 1")

    assert (Kind.STILL_FAILING, NOW - 3_600_000) == (event.kind, event.facts["since"])


def test_of_system() -> None:
    """An event about dotagent itself belongs to no agent and is ready to read."""
    event = events.of_system(Kind.STORE_ERROR, NOW, "the disk is full", "free some", about="f1")

    assert ("", "", "f1") == (event.agent, event.schedule_id, event.about)
    assert {"line": "the disk is full", "detail": "free some"} == event.facts


def test_failure_kind_of_judgement() -> None:
    """The kind follows the judged exit, not the raw one."""
    unproved: Judgement = judge(Exited(code=0), Codes(), unmet="no file")

    assert Kind.ATTEMPT_FAILED is events.failure_kind(unproved)
