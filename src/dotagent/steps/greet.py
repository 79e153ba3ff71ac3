"""A new holder's first words: that a daemon runs, and what is wrong with the record, told once.

Nothing of this stops a start: the record goes on from what is there, and people hear of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from dotagent.core import events
from dotagent.core.model import Kind
from dotagent.steps.attest import Finding
from dotagent.steps.parts import Parts
from dotagent.store import damage, facts, holders, record
from dotagent.store.database import Tx
from dotagent.store.tell import tell
from dotagent.system.auditfile import Standing

_BROKEN = "audit_broken"
"""What is wrong with the end of the file, as ``status`` shows it."""
_TOLD = "audit_told"
"""The line of the last break that was found at the end of the file."""
_FLAW = "audit_flaw"
"""The line of the last one that was found anywhere else."""


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


async def tell_flaw(parts: Parts, finding: Finding) -> None:
    """The whole record was followed, and one line is not as it was written. A break stays where it
    is, so each is told once; one at the end was told when it was found there. ``StoreBusy``."""

    def commit(tx: Tx) -> None:
        at = str(finding.broken_at)
        if finding.reason == facts.recall(tx, _BROKEN):
            return
        if at == facts.recall(tx, _TOLD) or not facts.remember(tx, _FLAW, at):
            return
        now = parts.clock.now()
        where = finding.note and f"{finding.note} "
        _tell(tx, parts, now, finding.reason, (finding.broken_at or 1) - 1, None, where)

    await parts.store.write(commit)


def _tell(
    tx: Tx, parts: Parts, now: int, what: str, position: int, actual: str | None, where: str = ""
) -> None:
    fields = {
        "position": position,
        "expected_prev_hash": tx.value("SELECT hash FROM audit WHERE seq = ?", position),
        "actual_prev_hash": actual,
    }
    record.append(tx, parts.actor, now, "critical", "audit_chain_broken", **fields)
    line = f"the audit record was changed from outside: {what}"
    detail = f"{where}See: dotagent audit verify"
    event = events.of_system(Kind.AUDIT_CHAIN_BROKEN, now, line, detail)
    tell(tx, parts.actor, now, [event])


def _tell_store(tx: Tx, parts: Parts, now: int, line: str, detail: str) -> None:
    tell(tx, parts.actor, now, [events.of_system(Kind.STORE_ERROR, now, line, detail)])


def _tell_broken(tx: Tx, parts: Parts, now: int, standing: Standing) -> None:
    """Once for each thing that is wrong, until all is well at a start."""
    if not facts.remember(tx, _BROKEN, standing.broken or "") or not standing.broken:
        return
    at = str(standing.written_seq + 1)
    facts.remember(tx, _TOLD, at)
    if at == facts.recall(tx, _FLAW):
        return
    _tell(tx, parts, now, standing.broken, standing.written_seq, standing.head)
