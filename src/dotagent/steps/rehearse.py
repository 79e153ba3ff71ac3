"""What a ``tick`` would do now: discovery and planning on a copy of the present, nothing kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from dotagent.steps.catalogue import Drivers
from dotagent.steps.discover import Sight, survey
from dotagent.steps.rows import schedule_rows
from dotagent.store import adopt, attempts, plan, plan_view, rehearsal
from dotagent.store.actor import Actor
from dotagent.store.adopt import AgentRows

ALL = 1_000_000
"""A real tick starts all that is due, some of it as slots become free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """A run that would start: attempt ``number`` of ``most``."""

    agent: str
    schedule_id: str
    number: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What would start now, and when the next thing would be due after that."""

    agents: int
    dispatches: Sequence[Dispatch]
    next_at: int | None


def rehearse(
    database: str, drivers: Drivers, roots: Sequence[str], zone: tzinfo, now: int
) -> Outlook:
    """Play a tick through. Raises ``StoreError`` where the database cannot be read."""
    tx = rehearsal.copy(database)
    try:
        actor = Actor(epoch=0, host="", zone=zone)
        seen = survey(tx.db, drivers, roots, now)
        agents = [_rows(sight) for sight in seen.adopting]
        adopt.adopt(tx, actor, now, seen.found(agents))
        plan.recheck(tx, now)
        while plan.plan_due(tx, actor, now).more:
            continue
        runs = attempts.claim_due(tx, actor, now, ALL)
        most = plan_view.max_attempts(tx.db)
        return Outlook(
            agents=plan_view.agents(tx.db),
            dispatches=[
                Dispatch(
                    agent=run.agent,
                    schedule_id=run.schedule_id,
                    number=run.number,
                    most=most[run.agent, run.schedule_id],
                )
                for run in runs
            ],
            next_at=plan_view.next_at(tx.db),
        )
    finally:
        tx.db.close()


def _rows(sight: Sight) -> AgentRows:
    """The agent as planning sees it: whom it tells is of no account here."""
    assert sight.manifest is not None
    return AgentRows(
        name=sight.manifest.agent.name,
        path=sight.row.path,
        root=sight.row.root,
        sha256=sight.row.sha256,
        enabled=sight.manifest.agent.enabled,
        inherits=sight.manifest.agent.inherit_notifiers,
        schedules=schedule_rows(sight.manifest),
        routes=(),
    )
