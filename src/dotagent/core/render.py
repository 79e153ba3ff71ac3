"""An event becomes the message that a person reads. Pure; limits and markup are the drivers'.

Every line stands alone on a phone: whose run, what happened, where, what happens next. The text of
dotagent 0.1.x (contract §6.2) travels along for plugins and hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import tzinfo
from typing import Any

from dotagent.core import sample
from dotagent.core.duration import human
from dotagent.core.fit import one_line
from dotagent.core.model import AGENT_EVENTS, Event, Kind, Message, Tail
from dotagent.core.moment import between, clock, local
from dotagent.core.result import numbers

Facts = Mapping[str, Any]

REPEAT = " (may be a repeat)"
"""Ends the line of a message that may have arrived already."""


def render(
    event: Event,
    *,
    key: str,
    zone: tzinfo,
    stdout: Tail = Tail(),  # noqa: B008 - a frozen record
    stderr: Tail = Tail(),  # noqa: B008
    doubtful: bool = False,
) -> Message:
    """The message of one delivery. ``key`` is its idempotency key; ``doubtful`` marks a repeat
    of a message that may have arrived already."""
    if event.kind is Kind.TEST:
        event, stdout = sample.inner(event), Tail(text=sample.PRINTED)
    tail = _tail(event, stdout, stderr)
    line = _line(event, zone)
    result = event.facts.get("result") or {}
    message = Message(
        key=key,
        kind=event.kind,
        severity=event.severity,
        at=event.at,
        title=event.agent or "dotagent",
        line=line,
        tail=tail,
        link=result.get("link"),
        legacy=_legacy(event, line, tail, stdout.text, stderr.text),
        agent=event.agent,
        schedule_id=event.schedule_id,
        facts=event.facts,
    )
    message = sample.marked(message)
    return doubted(message) if doubtful else message


def doubted(message: Message) -> Message:
    """The same, marked as one that may have arrived before."""
    return replace(message, line=f"{message.line}{REPEAT}")


def resent(message: Message, zone: tzinfo) -> Message:
    """The same, marked as old news that a person wanted sent again."""
    was = f"{local(message.at, zone):%Y-%m-%d %H:%M}"
    return replace(message, line=f"{message.line} (of {was}, sent again by hand)")


def line_of(event: Event, zone: tzinfo) -> str:
    """The event in one line, as in its message."""
    return _line(event, zone)


def _tail(event: Event, stdout: Tail, stderr: Tail) -> str:
    """What helps the reader: what a failure said on stderr, else on stdout; a success's output."""
    if event.kind not in AGENT_EVENTS or event.kind is Kind.DAILY_SUMMARY:
        return str(event.facts.get("detail", ""))
    if event.kind is Kind.SUCCESS:
        return stdout.text
    if event.kind is Kind.RECOVERED:
        return ""
    if event.kind is Kind.STILL_FAILING:
        return str(event.facts.get("output", ""))
    return stderr.text or stdout.text


def _line(event: Event, zone: tzinfo) -> str:
    writer = _WRITERS.get(event.kind)
    if writer is None:
        return one_line(str(event.facts["line"]))
    text = f"{event.agent}/{event.schedule_id}: {writer(event.facts, event.at, zone)}"
    if event.kind is not Kind.RECOVERED:
        text += _late(event.facts, event.at, zone) + _caught_up(event.facts, event.at, zone)
    said = _reported(event.facts.get("result") or {})
    return one_line(f"{text} — {said}" if said else text)


def _reported(result: Facts) -> str:
    """What the script reported of itself: its summary, and its numbers."""
    summary = str(result.get("summary") or "")
    listed = numbers(result)
    return f"{summary} ({listed})" if summary and listed else summary or listed


def _late(facts: Facts, at: int, zone: tzinfo) -> str:
    """A run that nothing could make at its time says how late it is."""
    late_ms = facts.get("late_ms")
    if late_ms is None:
        return ""
    return f"; the {clock(facts['expected_at'], at, zone)} run, {human(late_ms)} late"


def _caught_up(facts: Facts, at: int, zone: tzinfo) -> str:
    """A late run names the older ones that it stands in for (rules R8)."""
    older = facts.get("caught_up")
    if older is None:
        return ""
    runs = _count(older["count"], "earlier run")
    some = runs if older["exact"] else f"more than {runs}"
    return f"; in place of {some} since {clock(older['first_at'], at, zone)}"


def _which(facts: Facts) -> str:
    """``attempt 2 of 3``, or ``manual run``: a run that a person asked for is no schedule's try."""
    return "manual run" if facts["manual"] else f"attempt {facts['number']} of {facts['max']}"


def _next(facts: Facts, at: int, zone: tzinfo) -> str:
    if facts["manual"]:
        return ""
    if facts.get("skipped"):
        return "; this run is skipped"
    next_at = facts.get("next_at")
    if next_at is None:
        return "; no more tries"
    wait = next_at - at
    return (
        f"; next try in {human(wait)}"
        if wait < 60_000
        else f"; next try {clock(next_at, at, zone)}"
    )


def _words(facts: Facts) -> str:
    """How it ended, for a sentence that goes on; a reason ends in a comma, or what follows reads as
    part of it: ``could not start: no command “x”, on host web-1``."""
    suggest = f" ({facts['suggest']})" if facts.get("suggest") else ""
    words = f"{facts['words']}{suggest}"
    return f"{words}," if ": " in words or ", but " in words else words


def _attempt_failed(facts: Facts, at: int, zone: tzinfo) -> str:
    lasted_ms = facts["duration_ms"]
    took = "" if lasted_ms is None else f" after {human(lasted_ms)}"
    return (
        f"{_which(facts)} failed, {_words(facts)}{took} on host {facts['host']}"
        f"{_next(facts, at, zone)}"
    )


def _ended(facts: Facts, at: int, zone: tzinfo) -> str:
    return f"{_which(facts)} {_words(facts)} on host {facts['host']}{_next(facts, at, zone)}"


def _given_up(facts: Facts, at: int, zone: tzinfo) -> str:
    tries = "1 attempt" if facts["number"] == 1 else f"{facts['number']} attempts"
    run = f"the {clock(facts['expected_at'], at, zone)} run " if facts.get("expected_at") else ""
    return (
        f"gave up {run}after {tries}, last {facts['words']}, on host {facts['host']}"
        f" ({facts['why']}){_since(facts, at, zone)}"
    )


def _since(facts: Facts, at: int, zone: tzinfo) -> str:
    since = facts.get("since")
    if since is None or at - since < 60_000:
        return ""
    return f"; failing since {clock(since, at, zone)}"


def _recovered(facts: Facts, at: int, zone: tzinfo) -> str:
    failed = _count(facts["failures"], "failed attempt")
    windows = f", {_count(facts['windows'], 'lost run')}" if facts["windows"] else ""
    cost = f"{failed}{windows}" if facts["failures"] or facts["windows"] else "overdue"
    return (
        f"recovered on host {facts['host']} after {human(facts['lasted_ms'])}"
        f" ({cost} since {clock(facts['since'], at, zone)})"
    )


def _success(facts: Facts, at: int, zone: tzinfo) -> str:
    said = f"{facts['words']}, " if facts.get("warned") else ""
    verb = "finished with a warning:" if said else "ok,"
    return f"{verb} {said}took {human(facts['duration_ms'])} on host {facts['host']}"


def _missed(facts: Facts, at: int, zone: tzinfo) -> str:
    first = clock(facts["first_at"], at, zone)
    if facts["count"] == 1:
        return f"the {first} run was missed on host {facts['host']}: {facts['why']}"
    some = str(facts["count"]) if facts["exact"] else f"more than {facts['count']}"
    span = between(facts["first_at"], facts["last_at"], at, zone)
    return f"{some} runs missed ({span}) on host {facts['host']}: {facts['why']}"


def _still_failing(facts: Facts, at: int, zone: tzinfo) -> str:
    last = f"; last {facts['words']}" if facts["words"] else ""
    held = facts.get("held_back")
    if held is not None:
        outages = _count(held["outages"], "earlier outage")
        last += f"; {outages} since {clock(held['since_at'], at, zone)} not told"
    without = facts.get("without")
    if without is not None:
        since = "" if without["ever"] else "it was first seen "
        return (
            f"overdue on host {facts['host']}: no run has succeeded for"
            f" {human(at - without['since_at'])}"
            f" (since {since}{clock(without['since_at'], at, zone)}){last}"
        )
    return (
        f"still failing on host {facts['host']}, for {human(at - facts['since'])}"
        f" (since {clock(facts['since'], at, zone)}){last}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


_WRITERS: Mapping[Kind, Callable[[Facts, int, tzinfo], str]] = {
    Kind.ATTEMPT_FAILED: _attempt_failed,
    Kind.TIMED_OUT: _ended,
    Kind.PREFLIGHT: _ended,
    Kind.GIVEN_UP: _given_up,
    Kind.RECOVERED: _recovered,
    Kind.SUCCESS: _success,
    Kind.MISSED: _missed,
    Kind.STILL_FAILING: _still_failing,
}


def _legacy(event: Event, line: str, tail: str, stdout: str, stderr: str) -> str:
    """Contract §6.2, to the letter; an event that 0.1.x does not have gets the body."""
    facts, agent = event.facts, event.agent
    match event.kind:
        case Kind.SUCCESS:
            return stdout
        case Kind.ATTEMPT_FAILED | Kind.TIMED_OUT:
            exited = f"{agent} exited {facts['code']}"
            return f"{exited}\n{stderr}" if stderr else f"{exited} (tail empty)"
        case Kind.GIVEN_UP:
            head = f"🚨 {agent}/{event.schedule_id} gave up after {facts['number']} attempts"
            return f"{head} (exit {facts['code']})\n{stderr}"
        case Kind.RECOVERED:
            return f"agent {agent} recovered on attempt {facts['number']}"
        case Kind.PREFLIGHT:
            aborted = f"preflight aborted by plugin {facts['plugin']}"
            return f"{aborted}: {facts['suggest']}" if facts.get("suggest") else aborted
        case _:
            return f"{line}\n{tail}" if tail else line
