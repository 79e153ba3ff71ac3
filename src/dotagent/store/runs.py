"""The runs of all agents in the order of their ends: windows, and runs by hand.

Look-ups on a reading connection, each along an index, cut at a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dotagent.core.case import Case, Standing
from dotagent.core.past import Span
from dotagent.store import history
from dotagent.store.reading import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs: those that ended (or live) at ``since_at`` or later, the newest ``limit`` of
    them. ``failed``: only those that cost an attempt or were lost."""

    agent: str | None = None
    schedule: str | None = None
    since_at: int = 0
    failed: bool = False
    limit: int = 50


def runs(reader: Reader, wanted: Wanted, now: int, actor: str | None) -> list[Case]:
    """A case for each run, the newest last."""
    known: dict[str, Mapping[str, Standing]] = {}

    def standing(agent: str, schedule: str) -> Standing:
        if agent not in known:
            known[agent] = {each.schedule: each for each in history.standings(reader, agent)}
        return known[agent].get(schedule) or Standing(agent=agent, schedule=schedule)

    found: list[tuple[int, Case]] = []
    for query in (_LIVE + _names(wanted), _closed(wanted)):
        for row in reader.execute(query, _args(wanted)).fetchall():
            window = history.window_of(row)
            whose = standing(row["agent"], row["schedule"])
            case = history.case_of_window(reader, whose, window, now, actor)
            ended_at = now if window.closed_at is None else window.closed_at
            found.append((ended_at, _as_asked(case, window.expected_at)))
    for row in reader.execute(_manual(wanted), _args(wanted)).fetchall():
        attempt = history.attempt_of(row)
        whose = standing(row["agent"], row["schedule"])
        case = history.case_of_attempt(reader, whose, attempt, now, actor)
        ended_at = now if attempt.ended_at is None else attempt.ended_at
        found.append((ended_at, _as_asked(case, attempt.started_at)))
    found.sort(key=lambda each: each[0])
    return [case for _, case in found[-wanted.limit :]]


def _as_asked(case: Case, at: int) -> Case:
    """About that very run: how the schedule stands now is another question."""
    return replace(case, asked=Span(first_at=at, last_at=at))


_LIVE = "SELECT * FROM windows WHERE state IN ('waiting', 'running') AND attempts > 0"


def _names(wanted: Wanted) -> str:
    return (" AND agent = :agent" if wanted.agent else "") + (
        " AND schedule = :schedule" if wanted.schedule else ""
    )


def _args(wanted: Wanted) -> Mapping[str, str | int | None]:
    return {
        "agent": wanted.agent,
        "schedule": wanted.schedule,
        "since": wanted.since_at,
        "limit": wanted.limit,
    }


def _closed(wanted: Wanted) -> str:
    failed = " AND (state IN ('given_up', 'missed') OR attempts > 1)" if wanted.failed else ""
    return (
        f"SELECT * FROM windows WHERE closed_at >= :since{failed}{_names(wanted)}"
        " ORDER BY closed_at DESC LIMIT :limit"
    )


def _manual(wanted: Wanted) -> str:
    failed = " AND verdict = 'failed'" if wanted.failed else ""
    return (
        f"{history.ATTEMPTS} WHERE kind = 'manual'"
        f" AND coalesce(ended_at, claimed_at) >= :since{failed}{_names(wanted)}"
        " ORDER BY id DESC LIMIT :limit"
    )
