"""The record against its own chain and against the database: is it what was written?

A file, a reading connection and whether somebody acts now go in, a finding comes out; nothing is
written. Invariant: what is committed and on its way into the file is never called a break.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice

from dotagent.core import chain
from dotagent.core.tampering import Deed, Difference, difference
from dotagent.store import holders, look
from dotagent.store.database import Store
from dotagent.store.reading import Reader
from dotagent.system import auditfile, segments
from dotagent.system.paths import Paths

BATCH = 1_000
LOOKS = 20
"""How often the file of a home that is at work is looked at again before it counts as cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of a record. ``entries``: lines that hold. ``broken_at`` counts lines from 1;
    None: it is whole. ``waiting``: entries that are committed and not in the file yet."""

    path: str
    entries: int
    broken_at: int | None = None
    reason: str = ""
    waiting: int = 0
    note: str = ""

    @property
    def whole(self) -> bool:
        return self.broken_at is None


def attest(
    path: str,
    reader: Reader,
    *,
    legacy: chain.Verdict | None = None,
    held: bool = False,
    pause: Callable[[], object] = lambda: None,
) -> Finding:
    """The record in ``path``. ``legacy``: the log that it may continue; ``held``: whether somebody
    may be writing it, for whom ``pause`` waits. Raises ``HomeError`` if it cannot be read."""
    first = finding = _looked(path, reader, legacy, held)
    for _ in range(LOOKS if held else 0):
        if finding.waiting == 0 or finding.entries > first.entries:
            return finding
        pause()
        finding = _looked(path, reader, legacy, held)
    if finding.waiting and held:
        reason = f"{_cut(finding.entries, finding.waiting)} and should be there by now"
        return replace(finding, broken_at=finding.entries + 1, reason=reason, waiting=0)
    return finding


def attest_held(paths: Paths, store: Store, catch_up: Callable[[], object]) -> Finding:
    """The record of a home that we hold, with a connection of our own: for a thread. What waits is
    not waited for: ``catch_up`` has it written, whatever the clock says meanwhile."""
    legacy = auditfile.verify_legacy(paths.legacy_audit)
    with closing(store.read()) as reader:
        return attest(paths.audit, reader, legacy=legacy, held=True, pause=catch_up)


def attest_alone(path: str) -> Finding:
    """A record without its database: its own chain is all there is to follow."""
    verdict = auditfile.verify_file(path, first=_named_first(path) or chain.GENESIS)
    reason = verdict.reason or (
        f"the {_entries(verdict.count)} hold together, but the database that they were written from"
        " is not there, so that a cut end would not show"
    )
    at = verdict.broken_at or verdict.count + 1
    return Finding(path=path, entries=verdict.count, broken_at=at, reason=reason)


def attest_legacy(path: str, verdict: chain.Verdict, reader: Reader | None) -> Finding:
    """The log of dotagent 0.1.x: its chain, and that it goes as far as our record says."""
    finding = Finding(
        path=path, entries=verdict.count, broken_at=verdict.broken_at, reason=verdict.reason
    )
    anchor = look.audit_anchor(reader) if reader is not None else chain.GENESIS
    if not finding.whole or anchor in (chain.GENESIS, verdict.head):
        return finding
    whole = auditfile.verify_file(path, anchor, blank_lines=True)
    if whole.broken_at is not None and whole.broken_at <= verdict.count:
        note = f"what stands from line {whole.broken_at} on came after the new record had begun"
        return replace(finding, note=note)
    return replace(finding, broken_at=whole.broken_at, reason=whole.reason)


# ------------------------------------------------------------------------------------- one look


def _looked(path: str, reader: Reader, legacy: chain.Verdict | None, held: bool) -> Finding:
    """One look. Where a whole segment is missing that says more than the chain can; a break in one
    is named with its place there."""
    finding = _look(path, reader, legacy, held)
    if finding.broken_at is None:
        return finding
    gap = segments.gap(path, segments.found(path))
    if gap is not None:
        return replace(finding, reason=gap)
    place = segments.place(path, finding.broken_at)
    if place is None:
        return finding
    return replace(finding, note=f"That is line {place[1]} of {place[0]}.")


def _look(path: str, reader: Reader, legacy: chain.Verdict | None, held: bool) -> Finding:
    """Once through the file; only where it is not as expected, once more beside the database,
    which can say what was done."""
    anchor = look.audit_anchor(reader)
    last = look.audit_hash(reader, look.audit_head(reader)) or anchor
    named = _named_first(path)
    older = legacy.head if legacy is not None else chain.GENESIS
    first = named if named in (chain.GENESIS, anchor, older) else anchor
    verdict = auditfile.verify_file(path, last, first=first)
    finding = Finding(path=path, entries=verdict.count)
    if named == anchor and anchor not in (chain.GENESIS, older):
        finding = replace(finding, note="the log that it goes on from is not as it was then")
    if verdict.broken_at is None:
        return finding
    before = 0 if named in (None, anchor) else _lines_before(path, anchor)
    pruned = look.audit_first(reader) - 1
    if before is None or verdict.broken_at <= before + pruned:
        return replace(finding, broken_at=verdict.broken_at, reason=verdict.reason)
    return _compare(replace(finding, entries=before + pruned), reader, held, pruned)


def _compare(finding: Finding, reader: Reader, held: bool, pruned: int) -> Finding:
    """What the file's lines are beside the database's. ``finding.entries``: older lines, from
    before this database was begun, and those of its first rows, which are ``pruned``."""
    path, before = finding.path, finding.entries
    differs = difference(islice(_lines(path), before, None), _recorded(reader, pruned))
    torn = _torn(path)
    if differs is None:
        head = before + look.audit_head(reader) - pruned
        if torn:
            differs = Difference(deed=Deed.ADDED, at=head - before + 1)
        else:  # it has grown while we looked
            return replace(finding, entries=head)
    at = before + differs.at
    finding = replace(finding, entries=at - 1)
    if differs.deed is Deed.CUT:
        written = pruned + differs.at - 1
        coming = look.audit_after(reader, written, 1)
        if torn and not (coming and coming[0][1].startswith(torn)):
            differs = Difference(deed=Deed.CHANGED, at=differs.at)
        elif _may_wait(reader, written, held):
            return replace(finding, waiting=differs.count)
    return replace(finding, broken_at=at, reason=_reason(differs, at))


def _may_wait(reader: Reader, written: int, held: bool) -> bool:
    """Whether what comes after the row ``written`` may just not be in the file yet: whoever acts
    now writes it, or the next one, where the last one died."""
    return written >= look.audit_synced(reader) and (held or holders.last_crashed(reader))


def _reason(differs: Difference, at: int) -> str:
    match differs.deed:
        case Deed.CHANGED:
            return f"line {at} was changed"
        case Deed.INSERTED:
            return f"line {at} was inserted"
        case Deed.SWAPPED:
            return f"lines {at} and {at + 1} were swapped"
        case Deed.REMOVED:
            were = "was" if differs.count == 1 else "were"
            return f"{_entries(differs.count)} {were} removed before line {at}"
        case Deed.ADDED:
            return f"line {at} was added after the last entry"
        case Deed.CUT:
            return _cut(at - 1, differs.count)


def _cut(written: int, missing: int) -> str:
    were = "entry was" if missing == 1 else "entries were"
    return f"the file ends after line {written}, but {missing} more {were} recorded"


def _entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{number:,} entries"


# --------------------------------------------------------------------------------------- the lines


def _lines(path: str) -> Iterator[bytes]:
    """The record's whole lines, without their ends."""
    return (line[:-1] for line in segments.lines(path) if line.endswith(b"\n"))


def _torn(path: str) -> bytes:
    """What stands after the last whole line."""
    last = b"\n"
    for line in segments.lines(path):
        last = line
    return b"" if last.endswith(b"\n") else last


def _recorded(reader: Reader, seq: int) -> Iterator[bytes]:
    """What the database holds after ``seq``, up to what it holds when the end is reached."""
    while rows := look.audit_after(reader, seq, BATCH):
        yield from (line for _, line in rows)
        seq = rows[-1][0]


def _named_first(path: str) -> str | None:
    """What the record's first line names as the one before it. Raises ``HomeError``."""
    try:
        return auditfile.named_by(next(segments.lines(path), None))
    except OSError as error:
        raise auditfile.unreadable(path, error) from error


def _lines_before(path: str, anchor: str) -> int | None:
    """How many lines are older than the database, where that was begun anew: up to the one that
    its first row names; None if there is none such."""
    if anchor == chain.GENESIS:
        return 0
    numbered = enumerate(_lines(path), 1)
    return next((at for at, line in numbered if chain.digest(line) == anchor), None)
