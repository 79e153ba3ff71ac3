"""What a test message says: that it is one, and on request how a kind of event would look. Pure.

A test is an event of its own kind, so that nothing that counts events counts it; the event that it
shows lies inside its facts. Invariant: whatever a driver or a template makes of it, it says first
that it is a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dotagent.core import events
from dotagent.core.decide import Close, Judgement, Verdict, Wait
from dotagent.core.duration import HOUR_MS, MINUTE_MS, SECOND_MS
from dotagent.core.events import OutageSoFar, Source, Told
from dotagent.core.model import (
    AGENT_EVENTS,
    Blocked,
    Event,
    Exit,
    Exited,
    Kind,
    Message,
    TimedOut,
    WindowState,
)

MARK = "This is a test"
PRINTED = "Here stands the end of what the agent printed."
_NOBODY = ("example", "daily")
"""Whose events a test without an agent shows."""

_ENDS: Mapping[Kind, tuple[Verdict, Exit, str]] = {
    Kind.ATTEMPT_FAILED: (Verdict.FAILED, Exited(code=1), "exit 1"),
    Kind.TIMED_OUT: (Verdict.FAILED, TimedOut(after_ms=30 * MINUTE_MS), "timed out after 30 min"),
    Kind.PREFLIGHT: (
        Verdict.FAILED,
        Blocked(by="cmd", why="no network"),
        "preflight blocked it: no network",
    ),
    Kind.SUCCESS: (Verdict.SUCCEEDED, Exited(code=0), "ok"),
    Kind.RECOVERED: (Verdict.SUCCEEDED, Exited(code=0), "ok"),
}


def event(
    now: int, host: str, *, agent: str = "", schedule_id: str = "", shows: Kind | None = None
) -> Event:
    """The test itself. ``shows``: the kind of event that it looks like."""
    line = f"{MARK} message of dotagent on host {host}"
    facts: dict[str, Any] = {"test": True, "line": line, "detail": ""}
    if agent:
        facts["line"] += f", for {agent}"
    if shows is not None:
        shown = _shown(shows, now, host, agent or _NOBODY[0], schedule_id or _NOBODY[1])
        facts["line"] += f": how {shows} looks"
        facts["shows"] = {
            "kind": shown.kind,
            "agent": shown.agent,
            "schedule": shown.schedule_id,
            "facts": dict(shown.facts),
        }
    elif agent:
        facts["shows"] = {"kind": Kind.TEST, "agent": agent, "schedule": "", "facts": {**facts}}
    return Event(kind=Kind.TEST, at=now, facts=facts)


def inner(test: Event) -> Event:
    """The event that a test shows; the test itself where it shows none."""
    shown = test.facts.get("shows")
    if shown is None:
        return test
    return Event(
        kind=Kind(shown["kind"]),
        at=test.at,
        agent=shown["agent"],
        schedule_id=shown["schedule"],
        facts={**shown["facts"], "test": True},
    )


def marked(message: Message) -> Message:
    """The same, saying that it is a test; unchanged where it is none, or says so."""
    if not message.facts.get("test") or message.line.startswith(MARK):
        return message
    return replace(
        message, line=f"{MARK}: {message.line}", legacy=f"{MARK}: {message.legacy or message.line}"
    )


# ---------------------------------------------------------------------------------- how each looks


def _shown(kind: Kind, now: int, host: str, agent: str, schedule_id: str) -> Event:
    source = Source(agent=agent, schedule_id=schedule_id, host=host)
    outage = OutageSoFar(opened_at=now - 2 * HOUR_MS, failures=3, windows=1)
    if kind in _ENDS:
        return _of_attempt(kind, source, now, outage)
    if kind is Kind.GIVEN_UP:
        last = {"words": "exit 1", "code": 1, "duration_ms": 4 * SECOND_MS}
        return events.given_up(
            source,
            now,
            why="attempts used up",
            attempts=3,
            max_attempts=3,
            last=last,
            expected_at=now - HOUR_MS,
            outage=outage,
        )
    if kind is Kind.MISSED:
        return events.missed(
            source,
            now,
            why="the machine was off",
            first_at=now - HOUR_MS,
            last_at=now - HOUR_MS,
            count=1,
            exact=True,
            outage=None,
        )
    if kind is Kind.STILL_FAILING:
        return events.still_failing(source, now, outage, words="exit 1")
    what = "the daily summary" if kind in AGENT_EVENTS else kind.replace("_", " ")
    return events.of_system(kind, now, f"here stands what there is to say: {what}", "And more.")


def _of_attempt(kind: Kind, source: Source, now: int, outage: OutageSoFar) -> Event:
    verdict, exit, words = _ENDS[kind]
    found = events.of_attempt(
        source,
        Judgement(verdict=verdict, exit=exit, words=words),
        Close(state=WindowState.SUCCEEDED, why="")
        if verdict is Verdict.SUCCEEDED
        else Wait(at=now + 10 * MINUTE_MS, why=words),
        Told(
            number=2,
            max_attempts=3,
            ended_at=now,
            lasted_ms=4 * SECOND_MS,
            expected_at=now - 10 * MINUTE_MS,
        ),
        outage if kind is Kind.RECOVERED else None,
    )
    return next(each for each in found if each.kind is kind)
