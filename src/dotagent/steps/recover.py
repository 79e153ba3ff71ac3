"""What a new holder settles of a dead one, before anything new is claimed (rules R1, R5, R17)."""

from __future__ import annotations

from dotagent.core.decide import Codes, judge
from dotagent.core.model import Ended, Lost
from dotagent.ports import Spawner
from dotagent.steps.parts import Parts
from dotagent.steps.plugin_call import Folders
from dotagent.store import holders, requests
from dotagent.store.database import Tx
from dotagent.store.holders import Orphan
from dotagent.store.settle_attempt import settle as settle_attempt


async def recover(parts: Parts, folders: Folders, boot_id: str) -> list[Orphan]:
    """Kill what survived, settle it as lost, hand the unanswered sends back to the outbox. Returns
    the attempts that were lost."""
    orphans = await parts.commit(lambda tx: holders.orphans(tx, parts.actor, boot_id))
    for orphan in orphans:
        await _bury(parts, parts.spawner, orphan)
    # Nothing runs now: a folder of this home that is still there was left behind.
    await folders.sweep(parts)

    def settle(tx: Tx) -> None:
        now = parts.clock.now()
        holders.recover_sends(tx, parts.actor, now)
        requests.recover(tx, parts.actor, now)

    await parts.commit(settle)
    return orphans


async def _bury(parts: Parts, spawner: Spawner, orphan: Orphan) -> None:
    """One attempt. It is not claimed again before its death is confirmed; one that cannot be
    killed is settled all the same, and told as escaped."""
    escaped: tuple[int, ...] = ()
    if orphan.same_boot:
        gone = await spawner.reap(orphan.marker, orphan.pid, orphan.started_ticks)
        if not gone and orphan.pid is not None:
            escaped = (orphan.pid,)
    why = "dotagent died while it ran" if orphan.pid is not None else "dotagent died as it started"
    ended = Ended(exit=Lost(why=why), ended_at=parts.clock.now(), escaped=escaped)
    judgement = judge(ended.exit, Codes())
    # Nothing is sent yet: what this tells waits for the engine's first claim.
    await parts.commit(
        lambda tx: settle_attempt(tx, parts.actor, orphan.attempt_id, judgement, ended, room=0)
    )
