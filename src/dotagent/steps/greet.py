"""A new holder's first words: that a daemon runs, and what is wrong with the record, told once.

Nothing of this stops a start: the record goes on from what is there, and people hear of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from dotagent.core import events
from dotagent.core.model import Kind
from dotagent.steps.parts import Parts
from dotagent.store import damage, facts, holders, record
from dotagent.store.database import Tx
from dotagent.store.tell import tell
from dotagent.system.auditfile import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """What a holder finds as it begins. ``anew``: the database is new beside a record that is
    not; ``daemon``: its version and process, where it is one."""

    standing: Standing
    anew: bool
    daemon: tuple[str, int] | None = None


async def greet(parts: Parts, first: First) -> None:
    """Write the first words down; tell people what they must know."""
    aside = damage.kept(parts.paths.database)

    def commit(tx: Tx) -> None:
        now, standing = parts.clock.now(), first.standing
        if first.daemon is not None:
            version, pid = first.daemon
            holders.greet(tx, parts.actor, now, version=version, pid=pid)
        facts.remember(tx, facts.SYNCED, str(standing.written_seq))
        _tell_broken(tx, parts, now, standing)
        last = aside[-1] if aside else ""
        if facts.remember(tx, "damaged", last) and last:
            line = "the database was damaged and set aside; what came before is not in the new one"
            _tell_store(tx, parts, now, line, f"It is kept as {last}")
        elif first.anew:
            line = "the database was gone; a new one was begun, and what came before is not in it"
            _tell_store(tx, parts, now, line, f"The record goes on in {parts.paths.audit}")

    await parts.commit(commit)


async def tell_broken(parts: Parts, standing: Standing) -> None:
    """The record was changed while somebody holds the home. Raises ``StoreBusy``."""
    await parts.store.write(lambda tx: _tell_broken(tx, parts, parts.clock.now(), standing))


def _tell_store(tx: Tx, parts: Parts, now: int, line: str, detail: str) -> None:
    tell(tx, parts.actor, now, [events.of_system(Kind.STORE_ERROR, now, line, detail)])


def _tell_broken(tx: Tx, parts: Parts, now: int, standing: Standing) -> None:
    """Once for each thing that is wrong, until all is well at a start."""
    if not facts.remember(tx, "audit_broken", standing.broken or "") or not standing.broken:
        return
    fields = {
        "position": standing.written_seq,
        "expected_prev_hash": tx.value(
            "SELECT hash FROM audit WHERE seq = ?", standing.written_seq
        ),
        "actual_prev_hash": standing.head,
    }
    record.append(tx, parts.actor, now, "critical", "audit_chain_broken", **fields)
    line = f"the audit record was changed from outside: {standing.broken}"
    event = events.of_system(Kind.AUDIT_CHAIN_BROKEN, now, line, "See: dotagent audit verify")
    tell(tx, parts.actor, now, [event])
