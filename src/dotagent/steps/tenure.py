"""A holder's time begins and ends: its row in the store, and where its record goes on.

Invariant: the first line of a new database's record names the end of the record that is there
already, so that a chain never begins twice.
"""

from __future__ import annotations

from contextlib import closing

from dotagent.core import chain
from dotagent.ports import Clock
from dotagent.store import holders
from dotagent.store.actor import Actor
from dotagent.store.database import Store
from dotagent.store.holders import Beginning
from dotagent.system import auditfile
from dotagent.system.identity import Identity
from dotagent.system.paths import Paths


async def begin(
    paths: Paths, store: Store, clock: Clock, role: str, me: Identity
) -> tuple[Beginning, bool]:
    """The holder's row; and whether the database is new beside a record that goes on."""
    anchor, anew = _anchor(paths) if _is_new(store) else (None, False)
    beginning = await store.write(
        lambda tx: holders.begin(
            tx,
            clock.now(),
            role=role,
            pid=me.pid,
            started_ticks=me.started_ticks,
            boot_id=me.boot_id,
            anchor=anchor,
        )
    )
    return beginning, anew


async def end(store: Store, actor: Actor, clock: Clock, *, reason: str | None, synced: int) -> None:
    """The holder's row is closed."""
    await store.write(lambda tx: holders.end(tx, actor, clock.now(), reason=reason, synced=synced))


def _is_new(store: Store) -> bool:
    with closing(store.read()) as reader:
        return not holders.any_yet(reader)


def _anchor(paths: Paths) -> tuple[str | None, bool]:
    """What the first line of a new database's record names as the one before it: the end of the
    record that is there, else that of the log of dotagent 0.1.x."""
    here = auditfile.check(paths.audit, lambda seq: (), 0, lambda digest: None).head
    if here != chain.GENESIS:
        return here, True
    legacy = auditfile.verify_legacy(paths.legacy_audit)
    return (None if legacy is None else legacy.head), False
