"""What dotagent 0.1.x left in this home, for the agents that are about to be adopted.

Read on a thread, beside discovery; the store takes it over in the transaction that adopts them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from dotagent.core.legacy import NOTHING, Left
from dotagent.core.manifest import Manifest
from dotagent.core.secret import Unresolved
from dotagent.core.targets import of_manifest
from dotagent.steps.address import address_of
from dotagent.steps.parts import Parts
from dotagent.steps.secrecy import resolved
from dotagent.system import legacy

IMESSAGE = "imessage"


def left(
    parts: Parts, manifests: Sequence[Manifest], roots: Iterable[str], there: Iterable[str]
) -> Left:
    """Of these new agents; nothing where 0.1.x was never here. ``there``: the names of all agents
    of this pass, which looked into ``roots``."""
    files = legacy.Files(parts.paths)
    if not manifests or not files.are_there():
        return NOTHING
    known = files.known()
    beats = {}
    for manifest in manifests:
        for schedule in manifest.schedules:
            beat = files.beat(manifest.agent.name, schedule.slug)
            if beat is not None:
                beats[manifest.agent.name, schedule.id] = beat
    windows = files.windows({manifest.agent.name for manifest in manifests})
    sent = _sent(parts, files, manifests)
    looked_into, here = set(roots), set(there)
    elsewhere = [
        (name, entry.path)
        for name, entry in known.items()
        if name not in here and os.path.dirname(os.path.dirname(entry.path)) not in looked_into
    ]
    return Left(
        known=known,
        beats=beats,
        windows=windows,
        sent=sent,
        stray=legacy.lying(elsewhere),
        bad=files.bad,
    )


def _sent(parts: Parts, files: legacy.Files, manifests: Sequence[Manifest]) -> dict[str, int]:
    """When each iMessage recipient was last written to, by fingerprint."""
    found: dict[str, int] = {}
    for manifest in manifests:
        for target in of_manifest(manifest, parts.home_key, parts.addressed):
            if target.driver != IMESSAGE:
                continue
            try:
                settings, _ = resolved(parts, target.settings)
            except Unresolved:
                continue
            recipient = settings.get("to")
            at = files.sent(recipient) if isinstance(recipient, str) else None
            if at is not None:
                found[address_of(parts, target, settings)] = at
    return found
