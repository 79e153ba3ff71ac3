"""A notifier's template, for who looks at a message afterwards.

The words themselves are not kept: they are made again of the event by the template in force.
Invariant: what cannot be read any more is no error, the message is then shown in our own words.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from dotagent.core.config import read_config
from dotagent.core.errors import DotagentError
from dotagent.core.targets import Addressed, Target, of_manifest, of_notifiers
from dotagent.steps.catalogue import Drivers, accepted, parse
from dotagent.store import look
from dotagent.store.outbox_view import Delivery
from dotagent.store.reading import Reader
from dotagent.system.paths import Paths


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWords:
    """``template``: None for our own words. ``since_at``: since when its file is as it is."""

    template: str | None = None
    since_at: int = 0


def own_words(
    reader: Reader, paths: Paths, drivers: Drivers, addressed: Addressed, delivery: Delivery
) -> OwnWords:
    """Whose words a message of this delivery has."""
    path = paths.good_manifest(delivery.scope) if delivery.scope else paths.good_config
    try:
        targets = _targets(reader, path, drivers, addressed, delivery.scope)
        since_at = os.stat(path).st_mtime_ns // 1_000_000
    except (DotagentError, OSError):
        return OwnWords()
    found = (each.template for each in targets if each.key == delivery.notifier)
    return OwnWords(template=next(found, None), since_at=since_at)


def _targets(
    reader: Reader, path: str, drivers: Drivers, addressed: Addressed, scope: str
) -> Sequence[Target]:
    _, home_key = look.home(reader)
    if scope:
        row = look.agent(reader, scope)
        data = accepted(path, row["sha256"] if row is not None else "")
        return of_manifest(parse(path, data, drivers()), home_key, addressed)
    config, _ = read_config(accepted(path, look.fact(reader, "config_digest") or ""), drivers())
    return of_notifiers(config.notifiers if config is not None else (), home_key, addressed)
