"""The evidence of ``why`` as plain data, in the shape that ``cli/why.py`` describes."""

from __future__ import annotations

from typing import Any

from dotagent.cli.looking import Look
from dotagent.core.case import Attempt, Case, News, Telling
from dotagent.core.fit import one_line
from dotagent.core.render import line_of


def case_data(seen: Look, case: Case) -> dict[str, Any]:
    """All but the sentence."""
    outage = case.outage
    return {
        "agent": case.standing.agent,
        "schedule": case.standing.schedule,
        "log": seen.paths.agent_log(case.standing.agent),
        **window_data(seen, case),
        "attempts": [_attempt(seen, attempt) for attempt in case.attempts],
        "events": [_news(seen, news) for news in case.news],
        "outage": None
        if outage is None
        else {
            "opened": seen.iso(outage.opened_at),
            "failures": outage.failures,
            "lost_runs": outage.windows,
            "closed": seen.iso(outage.closed_at),
            "closed_by": outage.closed_by,
            "acknowledged": seen.iso(outage.acked_at),
            "acknowledged_why": outage.acked_why,
        },
        "silenced": [
            {"id": each.id, "until": seen.iso(each.until_at), "reason": each.reason}
            for each in case.silenced
        ],
        "away": [
            {"from": seen.iso(away.from_at), "to": seen.iso(away.to_at), "why": away.why}
            for away in case.away
        ],
    }


def window_data(seen: Look, case: Case) -> dict[str, Any]:
    """``window`` alone."""
    window = case.window
    if window is None:
        return {"window": None}
    return {
        "window": {
            "id": window.id,
            "expected": seen.iso(window.expected_at),
            "expected_to": seen.iso(window.expected_to),
            "count": window.count,
            "count_is_exact": window.exact,
            "planned": seen.iso(window.planned_at),
            "deadline": seen.iso(window.deadline_at),
            "state": window.state.value,
            "reason": one_line(window.reason),
            "attempts": window.attempts,
            "next_try": seen.iso(window.next_at),
            "closed": seen.iso(window.closed_at),
            "late": window.late,
            "caught_up": window.caught_up,
        }
    }


def _attempt(seen: Look, attempt: Attempt) -> dict[str, Any]:
    ended = attempt.ended_at
    return {
        "id": attempt.id,
        "number": attempt.number,
        "kind": attempt.kind.value,
        "started": seen.iso(attempt.started_at),
        "ended": seen.iso(ended),
        "duration_ms": attempt.lasted_ms,
        "verdict": None if attempt.verdict is None else attempt.verdict.value,
        "words": one_line(attempt.words),
        "said": attempt.said,
        "output": list(attempt.output),
        "remarks": [one_line(each) for each in attempt.remarks],
    }


def _news(seen: Look, news: News) -> dict[str, Any]:
    event = news.event
    return {
        "seq": event.seq,
        "kind": event.kind.value,
        "severity": event.severity.value,
        "at": seen.iso(event.at),
        "line": one_line(line_of(event, seen.zone)),
        "deliveries": [_telling(seen, told) for told in news.told],
    }


def _telling(seen: Look, told: Telling) -> dict[str, Any]:
    return {
        "id": told.id,
        "channel": told.name,
        "driver": told.driver,
        "state": told.state.value,
        "reason": one_line(told.reason),
        "folded": told.folded,
        "ended": seen.iso(told.ended_at),
        "next_try": seen.iso(told.next_at),
        "sends": [
            {
                "number": send.number,
                "started": seen.iso(send.started_at),
                "ended": seen.iso(send.ended_at),
                "outcome": send.outcome,
                "why": None if send.why is None else one_line(send.why),
                "may_repeat": send.may_repeat,
            }
            for send in told.sends
        ],
    }
