"""What there is to tell: an attempt and its window's decision, or a gap, become events.

Firing rules of product §4. Invariants: the last failed attempt is told as itself and then as
``given_up``; ``success`` comes before the ``recovered`` it causes; an interruption tells nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dotagent.core import exits
from dotagent.core.decide import GOOD, Close, Judgement, Verdict, Wait
from dotagent.core.model import (
    Blocked,
    Event,
    Exit,
    Kind,
    Lost,
    NotStarted,
    TimedOut,
    WindowState,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an event comes from; ``host`` is the machine's name."""

    agent: str
    schedule_id: str
    host: str
    window_id: int | None = None
    attempt_id: int | None = None
    outage_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageSoFar:
    """The open outage, this failure counted."""

    opened_at: int
    failures: int
    windows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """Earlier outages that nothing was told of: they came and went while messages stayed back."""

    outages: int
    since_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Without:
    """A schedule without success although nothing failed: since its last one, if it ``ever`` had
    one, else since it was first seen."""

    since_at: int
    ever: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtUp:
    """The older windows that a late one stands in for (rules R8); more than ``count`` of them
    where that is not ``exact``."""

    first_at: int
    count: int
    exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The attempt's own numbers, for its message. ``max_attempts``: all that it may use."""

    number: int
    max_attempts: int
    ended_at: int
    lasted_ms: int
    """How long it ran, which the span between two instants is not where the clock was set."""
    expected_at: int | None
    manual: bool = False
    result: Mapping[str, Any] | None = None
    caught_up: CaughtUp | None = None
    late_ms: int | None = None
    """How long after its time it was begun, where nothing could run it then."""


def of_attempt(
    source: Source,
    judgement: Judgement,
    decision: Wait | Close,
    told: Told,
    outage: OutageSoFar | None,
) -> list[Event]:
    """The events of one settled attempt, in the order in which they must arrive."""
    facts = _facts(source, judgement, told, outage)

    def event(kind: Kind, **more: Any) -> Event:
        return _event(source, kind, told.ended_at, {**facts, **more})

    verdict = judgement.verdict
    if verdict is Verdict.INTERRUPTED:
        return []
    if verdict in GOOD:
        found = [event(Kind.SUCCESS, warned=verdict is Verdict.WARNED)]
        if outage is not None:
            found.append(event(Kind.RECOVERED, lasted_ms=told.ended_at - outage.opened_at))
        return found
    if verdict is Verdict.SKIPPED:
        blocked = isinstance(judgement.exit, Blocked)
        return [event(Kind.PREFLIGHT, skipped=True)] if blocked else []
    next_at = decision.at if isinstance(decision, Wait) else None
    found = [event(failure_kind(judgement), next_at=next_at)]
    if isinstance(decision, Close) and decision.state is WindowState.GIVEN_UP:
        found.append(event(Kind.GIVEN_UP, why=decision.why))
    return found


def failure_kind(judgement: Judgement) -> Kind:
    """The event of one failed attempt."""
    match judgement.exit:
        case TimedOut():
            return Kind.TIMED_OUT
        case Blocked():
            return Kind.PREFLIGHT
        case _:
            return Kind.ATTEMPT_FAILED


def given_up(
    source: Source,
    at: int,
    *,
    why: str,
    attempts: int,
    max_attempts: int,
    last: Mapping[str, Any],
    expected_at: int,
    outage: OutageSoFar | None,
) -> Event:
    """A window closed without success after its last attempt was told (stale, overtaken).
    ``last`` holds the last attempt's ``words``, ``code`` and ``duration_ms``."""
    facts = {
        **last,
        "host": source.host,
        "number": attempts,
        "max": max_attempts,
        "why": why,
        "expected_at": expected_at,
        **_outage_facts(outage),
    }
    return _event(source, Kind.GIVEN_UP, at, facts)


def missed(
    source: Source,
    at: int,
    *,
    why: str,
    first_at: int,
    last_at: int,
    count: int,
    exact: bool,
    outage: OutageSoFar | None,
) -> Event:
    """Windows that passed while nothing could run them and that will not be caught up."""
    facts = {
        "host": source.host,
        "why": why,
        "first_at": first_at,
        "last_at": last_at,
        "count": count,
        "exact": exact,
        **_outage_facts(outage),
    }
    return _event(source, Kind.MISSED, at, facts)


def still_failing(
    source: Source,
    at: int,
    outage: OutageSoFar,
    *,
    words: str,
    without: Without | None = None,
    output: str = "",
    held_back: HeldBack | None = None,
) -> Event:
    """The reminder: how long it has been, and how it last ended (``words``, may be empty), with the
    ``output`` of that. ``without``: it is overdue, nothing has failed. ``held_back``: what else was
    never told."""
    facts = {"host": source.host, "words": words, **_outage_facts(outage)}
    if output:
        facts["output"] = output
    if held_back is not None:
        facts["held_back"] = asdict(held_back)
    if without is not None:
        facts["without"] = asdict(without)
    return _event(source, Kind.STILL_FAILING, at, facts)


def of_system(
    kind: Kind, at: int, line: str, detail: str = "", *, about: str | None = None
) -> Event:
    """An event about dotagent itself: its line and what it found, ready to read."""
    return Event(kind=kind, at=at, about=about, facts={"line": line, "detail": detail})


def _event(source: Source, kind: Kind, at: int, facts: Mapping[str, Any]) -> Event:
    return Event(
        kind=kind,
        at=at,
        agent=source.agent,
        schedule_id=source.schedule_id,
        window_id=source.window_id,
        attempt_id=source.attempt_id,
        outage_id=source.outage_id,
        facts=facts,
    )


def _facts(
    source: Source, judgement: Judgement, told: Told, outage: OutageSoFar | None
) -> dict[str, Any]:
    exit = judgement.exit
    facts = {
        "host": source.host,
        "number": told.number,
        "max": told.max_attempts,
        "words": judgement.words,
        "code": exits.legacy_code(exit),
        "duration_ms": _lasted(exit, told),
        "expected_at": told.expected_at,
        "manual": told.manual,
        **_outage_facts(outage),
    }
    if isinstance(exit, Blocked):
        facts.update(plugin=exit.by, suggest=exit.suggest)
    if told.result:
        facts["result"] = dict(told.result)
    if told.late_ms is not None:
        facts["late_ms"] = told.late_ms
    if told.caught_up is not None:
        facts["caught_up"] = asdict(told.caught_up)
    return facts


def _lasted(exit: Exit, told: Told) -> int | None:
    """How long it ran, where that is known: what was lost ended nobody knows when."""
    return None if isinstance(exit, NotStarted | Lost) else told.lasted_ms


def _outage_facts(outage: OutageSoFar | None) -> dict[str, Any]:
    if outage is None:
        return {}
    return {"since": outage.opened_at, "failures": outage.failures, "windows": outage.windows}
