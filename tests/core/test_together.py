"""How several events read as one message."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from dotagent.core.fold import Why
from dotagent.core.model import Event, Kind, Message, Tail
from dotagent.core.render import render
from dotagent.core.together import LINES, WIDTH, together
from tests.core.walls import HOUR_MS, MINUTE_MS, at

TWO = at("2026-06-03T02:00:00Z")
FAILED, GIVEN_UP, SUCCESS = Kind.ATTEMPT_FAILED, Kind.GIVEN_UP, Kind.SUCCESS


def event(seq: int, kind: Kind, after_ms: int = 0, agent: str = "backup", **facts: Any) -> Event:
    base = {
        "host": "web-1",
        "number": 1,
        "max": 3,
        "words": "exit 1",
        "code": 1,
        "duration_ms": 4_200,
        "expected_at": TWO,
        "manual": False,
        "next_at": None,
        "why": "attempts used up (3 of 3)",
        "since": TWO,
        "failures": 3,
        "windows": 0,
        "lasted_ms": after_ms,
    }
    return Event(
        kind=kind,
        at=TWO + after_ms,
        agent=agent,
        schedule_id="daily" if agent else "",
        seq=seq,
        outage_id=7,
        facts={**base, **facts},
    )


def message(lead: Event, events: list[Event], why: Why = Why.QUIET, stderr: str = "") -> Message:
    own = render(lead, key="h-1", zone=UTC, stderr=Tail(text=stderr))
    return together(own, lead, events, why, UTC)


def test_overtaken() -> None:
    """What failed and is well again is one clause of the past, without the old output."""
    events = [
        event(1, FAILED),
        event(2, FAILED, 30 * MINUTE_MS),
        event(3, SUCCESS, 152 * MINUTE_MS),
        event(4, Kind.RECOVERED, 152 * MINUTE_MS),
    ]
    made = message(events[-1], events, Why.OVERTAKEN, stderr="no space left")

    assert "backup/daily: failed 3 times since 02:00, recovered 04:32 on host web-1" == made.line
    assert ("backup", "", "") == (made.title, made.tail, made.link or "")
    assert made.line == made.legacy


def test_overtaken_with_lost_runs() -> None:
    """Lost runs are counted, and outages too where there was more than one."""
    last = event(4, Kind.RECOVERED, HOUR_MS, failures=1, windows=2)
    first = [event(1, FAILED), event(2, Kind.RECOVERED, MINUTE_MS)]
    older = [
        Event(kind=each.kind, at=each.at, agent="backup", schedule_id="daily", seq=each.seq,
              outage_id=6, facts=each.facts)
        for each in first
    ]  # fmt: skip
    made = message(last, [*older, event(3, GIVEN_UP), last], Why.OVERTAKEN)

    assert (
        "backup/daily: failed once since 02:00, recovered 03:00 (2 runs lost) on host web-1;"
        " the last of 2 outages"
    ) == made.line


def test_one_schedule_after_quiet_hours() -> None:
    """The gravest speaks, with its output; the others are counted, and it says when it was."""
    events = [event(1, FAILED), event(2, FAILED, MINUTE_MS), event(3, GIVEN_UP, 2 * MINUTE_MS)]
    made = message(events[-1], events, stderr="no space left\n")

    assert (
        "backup/daily: gave up the 02:00 run after 1 attempt, last exit 1, on host web-1"
        " (attempts used up (3 of 3)); failing since 02:00"
        " — at 02:02, with 2 earlier messages (quiet hours)"
    ) == made.line
    assert "no space left\n" == made.tail
    assert f"{made.line}\n{made.tail}" == made.legacy


def test_one_attempt() -> None:
    """Of one attempt the gravest is enough: it says all that the other said."""
    events = [event(1, FAILED, MINUTE_MS), event(2, GIVEN_UP, MINUTE_MS)]
    made = message(events[-1], events, Why.COLLAPSE)

    assert made.line.startswith("backup/daily: gave up the 02:00 run")
    assert "message" not in made.line


def test_several_schedules() -> None:
    """How many, why, the gravest first; then a line for each schedule, with its time."""
    events = [
        event(1, SUCCESS, agent="report"),
        event(2, FAILED, MINUTE_MS),
        event(3, GIVEN_UP, 2 * MINUTE_MS),
        event(4, SUCCESS, HOUR_MS, agent="report"),
        event(5, FAILED, HOUR_MS, agent="sync", words="exit 2"),
        event(6, Kind.STORE_ERROR, HOUR_MS, agent="", line="the disk is full"),
    ]
    made = message(events[2], events, Why.BACKLOG)

    assert "dotagent" == made.title
    assert (
        "6 messages in one (the channel could not be reached): backup/daily: gave up the 02:00 run"
        " after 1 attempt, last exit 1, on host web-1 (attempts used up (3 of 3)); failing since"
        " 02:00 — at 02:02"
    ) == made.line
    assert (
        "03:00 the disk is full\n"
        "03:00 sync/daily: attempt 1 of 3 failed, exit 2 after 4.2 s on host web-1; no more tries\n"
        "03:00 report/daily: ok 2 times"
    ) == made.tail


def test_bounded() -> None:
    """A thousand schedules are so many lines and a count."""
    events = [event(n, GIVEN_UP, agent=f"agent-{n}", words="x" * 9_999) for n in range(1, 1_001)]
    made = message(events[0], events, Why.STORM)
    lines = made.tail.splitlines()

    assert LINES + 1 == len(lines)
    assert "… and 991 more; all of them: dotagent inbox" == lines[-1]
    assert len(made.line) < WIDTH + 100
    assert len(made.tail) < (LINES + 1) * (WIDTH + 20)
    assert made.line.startswith("1000 messages in one (many at once): agent-1/daily: gave up")
