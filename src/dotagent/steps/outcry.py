"""A word past the outbox: the store cannot be written, and people must hear that now (product §8).

Nothing of it can be recorded while it lasts; once there is room again, that it was so goes the
usual way. Invariant: it is sent to each global notifier that asks for it, once, and never raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dotagent.core import events
from dotagent.core.model import Event, Kind, Outcome, Sent
from dotagent.core.render import render
from dotagent.core.span import human
from dotagent.core.targets import PLUGIN, Target
from dotagent.ports import Parcel
from dotagent.steps.deliver import TIMEOUT_MS
from dotagent.steps.parts import Parts
from dotagent.steps.secrecy import resolved
from dotagent.store.database import Tx
from dotagent.store.tell import tell


async def cry_out(parts: Parts, why: str) -> Sequence[Target]:
    """Tell everybody who asks for ``store_error``; who took it."""
    line = "the database cannot be written: nothing new is started until it can"
    event = events.of_system(Kind.STORE_ERROR, parts.clock.now(), line, why)
    asked = [each for each in parts.routes if not each.events or Kind.STORE_ERROR in each.events]
    outcomes = await asyncio.gather(
        *(_send(parts, target, event) for target in asked), return_exceptions=True
    )
    return [target for target, what in zip(asked, outcomes, strict=True) if isinstance(what, Sent)]


async def _send(parts: Parts, target: Target, event: Event) -> Outcome | None:
    settings, secrets = resolved(parts, {**target.settings, "proxy": target.proxy})
    proxy = settings.pop("proxy")
    purpose = {"purpose": target.purpose} if target.driver == PLUGIN else {}
    key = f"{parts.home_id}-store-{event.at}"
    parcel = Parcel(
        driver=target.driver,
        settings={**settings, **purpose},
        message=render(event, key=key, zone=parts.actor.zone),
        timeout_ms=target.timeout_ms or TIMEOUT_MS,
        proxy=proxy,
        ca_file=target.ca_file,
        secrets=secrets,
    )
    return await parts.sender.send(parcel)


async def tell_it_is_over(parts: Parts, since_at: int, why: str) -> None:
    """It can be written again: the event and its deliveries, as any other."""

    def commit(tx: Tx) -> None:
        now = parts.clock.now()
        lasted = human(now - since_at)
        line = f"the database could not be written for {lasted}; what was held up goes on"
        event = events.of_system(Kind.STORE_ERROR, now, line, why)
        tell(tx, parts.actor, now, [event])

    await parts.commit(commit)
