"""A good manifest as the store adopts it: its rows. No address, no secret stands in them."""

from __future__ import annotations

import os
from collections.abc import Iterable

from dotagent.core.manifest import Manifest
from dotagent.core.secret import Unresolved
from dotagent.core.targets import Target, fingerprint
from dotagent.core.when import Every, definition
from dotagent.steps.address import address_of
from dotagent.steps.parts import Parts
from dotagent.steps.secrecy import resolved
from dotagent.steps.uses import uses_of
from dotagent.store.adopt import AgentRows, ScheduleRow
from dotagent.store.routing import RouteRow


def agent_rows(parts: Parts, manifest: Manifest, path: str, sha256: str) -> AgentRows:
    """A good manifest as the store adopts it."""
    targets = parts.targets_of(manifest)
    return AgentRows(
        name=manifest.agent.name,
        path=path,
        root=os.path.dirname(os.path.dirname(path)),
        sha256=sha256,
        enabled=manifest.agent.enabled,
        inherits=manifest.agent.inherit_notifiers,
        schedules=schedule_rows(manifest),
        routes=route_rows(parts, targets),
        plugins={use.path: use.name for use in uses_of(manifest)},
    )


def schedule_rows(manifest: Manifest) -> list[ScheduleRow]:
    """A manifest's schedules as the store keeps them."""
    return [
        ScheduleRow(
            id=schedule.id,
            slug=schedule.slug,
            definition=definition(schedule.when),
            run_at_start=isinstance(schedule.when, Every) and schedule.when.run_at_start,
            catch_up=schedule.catch_up,
            overlap=schedule.overlap,
            stale_after_ms=schedule.stale_after_ms,
            stale_is_default=schedule.stale_is_default,
            max_attempts=schedule.max_attempts,
            backoff_ms=schedule.backoff_ms,
        )
        for schedule in manifest.schedules
    ]


def route_rows(parts: Parts, targets: Iterable[Target]) -> list[RouteRow]:
    """Targets as the store's routing keeps them: no address, no secret."""
    rows = []
    for target in targets:
        try:
            settings, _ = resolved(parts, target.settings)
            address = address_of(parts, target, settings)
        except Unresolved:
            # Not yet known where it points: the text as written stands in until it is.
            written = {name: target.settings.get(name) for name in parts.addressed(target.driver)}
            address = fingerprint(parts.home_key, target.driver, written)
        rows.append(
            RouteRow(
                notifier=target.key,
                name=target.name,
                driver=target.driver,
                events=sorted(target.events),
                remind=target.remind,
                fingerprint=address,
                pace=parts.pace(target.driver),
                quiet_hours=target.quiet_hours,
                rate_limit_ms=target.rate_limit_ms,
                collapse=target.collapse,
                folds=parts.folds(target.driver),
            )
        )
    return rows
