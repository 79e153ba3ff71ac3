"""Discovery: what lies in the roots becomes what the store knows (product §7, rules R9, R16).

One stat a file; only what changed is read. A file that is right has its copy kept before the store
adopts it, so that what runs is always there; one that is wrong changes nothing but its own row.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from dotagent.core.legacy import NOTHING, Left
from dotagent.core.manifest import Manifest, read_manifest
from dotagent.core.model import Problem
from dotagent.core.problems import explain
from dotagent.steps import inherit
from dotagent.steps.catalogue import Drivers
from dotagent.steps.parts import Parts
from dotagent.steps.rows import agent_rows
from dotagent.store import adopt, look
from dotagent.store.adopt import AgentRows, FileRow, Found
from dotagent.store.reading import Reader
from dotagent.system import discovery, goodcopy
from dotagent.system.discovery import Candidate, Scan


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One file of this pass: its row, and its manifest where it was read and is good."""

    row: FileRow
    data: bytes | None = None
    manifest: Manifest | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class Progress:
    """How far a look is, for whoever waits for it: new or changed manifests in all, and of these
    those that have been read."""

    total: int = 0
    read: int = 0


SETTLE_MS = 1_000
"""A bad file that was written this short a time ago may be half there: it is looked at again
before it is believed."""
KEEP_AGAIN_MS = 30_000
"""When a copy that could not be kept is tried again."""
AWAY_MS = 60_000
"""How often a root is looked for that is away: of a mount nobody is told (inotify(7), BUGS), nor
of a folder that comes where its parent is not there either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What lies in the roots, beside what the store knows of it. ``adopting``: the good manifests
    that it does not run yet; ``half_there``: a file was left for the next look; ``away``: a root
    is not there whose coming nobody may tell."""

    sights: Sequence[Sight]
    adopting: Sequence[Sight]
    roots: Mapping[str, int | None]
    wrong: Sequence[tuple[str, str]]
    half_there: bool
    away: bool

    def found(self, agents: Sequence[AgentRows], left: Left = NOTHING) -> Found:
        """The pass as the store takes it, with what is to be adopted of it."""
        files = [sight.row for sight in self.sights]
        return Found(files=files, agents=agents, roots=self.roots, wrong=self.wrong, left=left)


async def discover(
    parts: Parts,
    drivers: Drivers,
    roots: Sequence[str],
    before: Callable[[], object] = lambda: None,
    *,
    believe: bool = False,
    progress: Progress | None = None,
) -> int | None:
    """Look into all roots, adopt what changed. Returns when to look again without being told:
    where a file may be only half written, a copy could not be kept, or a root is away. ``before``
    is called right before the look, in its thread; ``believe`` what was saved this very moment too.
    Raises ``StoreBusy``."""
    # Thousands of new manifests, or a slow disk, must not hold up what runs.
    seen, agents, left = await asyncio.to_thread(
        _look_and_keep, parts, drivers, roots, before, believe, progress or Progress()
    )
    now, found = parts.clock.now(), seen.found(agents, left)
    await parts.store.write(lambda tx: adopt.adopt(tx, parts.actor, now, found))
    waits = [SETTLE_MS] if seen.half_there else []
    waits += [KEEP_AGAIN_MS] if len(agents) < len(seen.adopting) else []
    waits += [AWAY_MS] if seen.away else []
    return now + min(waits) if waits else None


def _look_and_keep(
    parts: Parts,
    drivers: Drivers,
    roots: Sequence[str],
    before: Callable[[], object],
    trust: bool,
    progress: Progress,
) -> tuple[Survey, list[AgentRows], Left]:
    """The survey, what of it may be adopted (what has a good copy to run from), and what dotagent
    0.1.x left of those that are new."""
    before()
    reader = parts.store.read()
    try:
        seen = survey(reader, drivers, roots, None if trust else parts.clock.now(), progress)
        known = set(look.agent_names(reader))
    finally:
        reader.close()
    kept = _keep(parts, seen.adopting)
    agents = [agent_rows(parts, each, sight.row.path, sight.row.sha256) for sight, each in kept]
    new = [each for _, each in kept if each.agent.name not in known]
    names = [sight.row.agent for sight in seen.sights if sight.row.agent is not None]
    return seen, agents, inherit.left(parts, new, roots, names)


def _keep(parts: Parts, adopting: Sequence[Sight]) -> list[tuple[Sight, Manifest]]:
    """Those that have a good copy now. On a full disk some have none, and are looked at again."""
    good = {parts.paths.good_manifest(sight.row.agent or ""): sight for sight in adopting}
    kept = goodcopy.write_many({path: sight.data or b"" for path, sight in good.items()})
    return [(good[path], m) for path in sorted(kept) if (m := good[path].manifest) is not None]


def survey(
    reader: Reader,
    drivers: Drivers,
    roots: Sequence[str],
    now: int | None,
    progress: Progress | None = None,
) -> Survey:
    """One look at all roots; writes nothing. Without ``now``, a file that was saved this very
    moment is believed too."""
    scan = discovery.scan(roots)
    known, before = look.manifests(reader), look.root_devices(reader)
    seen = _read_all(scan.found, known, drivers, progress or Progress())
    settled, half_there = (seen, False) if now is None else _settled(seen, known, now)
    sights = [*_shadowed([*settled, *_refused(scan, known)])]
    there = _roots(before, scan, known)
    return Survey(
        sights=sights,
        adopting=_to_adopt(look.running(reader), sights, drivers),
        roots=there,
        wrong=_wrong(sights, known),
        half_there=half_there,
        away=any(dev is None and _may_come_unsaid(path, before) for path, dev in there.items()),
    )


# ------------------------------------------------------------------------------------ one file


def _read_all(
    found: Sequence[Candidate], known: Mapping[str, FileRow], drivers: Drivers, progress: Progress
) -> list[Sight]:
    rows = [known.get(candidate.path) for candidate in found]
    pairs = list(zip(found, rows, strict=True))
    progress.total = sum(row is None or not _same(each, row) for each, row in pairs)
    seen = []
    for candidate, row in pairs:
        sight = _look(candidate, row, drivers)
        progress.read += sight.row.changed and sight.row is not row
        seen.append(sight)
    return seen


def _look(candidate: Candidate, row: FileRow | None, drivers: Drivers) -> Sight:
    """The row as it was where the file is unchanged; else what reading it shows."""
    if row is not None and _same(candidate, row):
        return Sight(row=row)
    reading = discovery.read(candidate)
    agent = row.agent if row is not None else None
    if isinstance(reading, Problem):
        return _bad(candidate.path, candidate.root, agent, (reading,), candidate)
    manifest, problems = read_manifest(reading.data, drivers())
    if manifest is not None:
        agent = manifest.agent.name
    file = _row(reading.candidate, reading.sha256, agent, problems, fatal=manifest is None)
    return Sight(row=file, data=reading.data, manifest=manifest, problems=tuple(problems))


def _settled(
    seen: Sequence[Sight], known: Mapping[str, FileRow], now: int
) -> tuple[list[Sight], bool]:
    """All but those that may be half written: of these what was known of them before stands. And
    whether there are any."""
    settled = []
    half_there = False
    for sight in seen:
        before = known.get(sight.row.path)
        if not _half_written(sight, now):
            settled.append(sight)
            continue
        half_there = True
        if before is not None:
            settled.append(Sight(row=before))
    return settled, half_there


def _half_written(sight: Sight, now: int) -> bool:
    age_ms = now - sight.row.mtime_ns // 1_000_000
    return sight.row.changed and sight.row.fatal and 0 <= age_ms < SETTLE_MS


def _same(candidate: Candidate, row: FileRow) -> bool:
    names = ("dev", "inode", "size", "mtime_ns", "ctime_ns", "root")
    return all(getattr(candidate, name) == getattr(row, name) for name in names)


def _row(
    candidate: Candidate,
    sha256: str,
    agent: str | None,
    problems: Iterable[Problem],
    *,
    fatal: bool,
) -> FileRow:
    return FileRow(
        path=candidate.path,
        root=candidate.root,
        dev=candidate.dev,
        inode=candidate.inode,
        size=candidate.size,
        mtime_ns=candidate.mtime_ns,
        ctime_ns=candidate.ctime_ns,
        sha256=sha256,
        agent=agent,
        problems=json.dumps([asdict(problem) for problem in problems], ensure_ascii=False),
        fatal=fatal,
        shadowed_by=None,
        changed=True,
    )


def _bad(
    path: str,
    root: str,
    agent: str | None,
    problems: tuple[Problem, ...],
    candidate: Candidate | None = None,
) -> Sight:
    """A file that may not even be read."""
    nothing = dict.fromkeys(("mtime_ns", "ctime_ns", "size", "inode", "dev"), 0)
    nowhere = Candidate(path=path, root=root, dir=os.path.dirname(path), **nothing)
    row = _row(candidate or nowhere, "", agent, problems, fatal=True)
    return Sight(row=row, problems=problems)


def _refused(scan: Scan, known: Mapping[str, FileRow]) -> list[Sight]:
    """Files that the scan would not trust: bad, and whatever they were the copy of runs on."""
    by_file: dict[str, list[Problem]] = {}
    for problem in scan.problems:
        if problem.file in scan.vanished_roots:
            continue  # a folder that cannot be listed is no manifest: its agents are held
        by_file.setdefault(problem.file, []).append(problem)
    sights = []
    for path, problems in by_file.items():
        row = known.get(path)
        root = os.path.dirname(os.path.dirname(path))
        sights.append(_bad(path, root, row.agent if row is not None else None, tuple(problems)))
    return sights


def _shadowed(sights: Sequence[Sight]) -> Iterable[Sight]:
    """Of two manifests with one name the first runs; the other is a problem."""
    first: dict[str, str] = {}
    for sight in sights:
        agent = sight.row.agent
        by = first.setdefault(agent, sight.row.path) if agent is not None else None
        shadow = None if by in (None, sight.row.path) else by
        if shadow == sight.row.shadowed_by:
            yield sight
        else:
            row = replace(sight.row, shadowed_by=shadow, changed=True)
            yield replace(sight, row=row)


# ---------------------------------------------------------------------------------- the whole pass


def _roots(
    before: Mapping[str, int | None], scan: Scan, known: Mapping[str, FileRow]
) -> dict[str, int | None]:
    """Each root's device, None where it is not there. A mount point whose file system is gone
    is still a folder: empty, with another identity, where there were agents before."""
    there: dict[str, int | None] = dict.fromkeys(scan.vanished_roots)
    had = {row.root for row in known.values()}
    has = {candidate.root for candidate in scan.found}
    for listed in scan.listed:
        other = before.get(listed.path) not in (None, listed.dev)
        gone = other and listed.path in had and listed.path not in has
        there[listed.path] = None if gone else listed.dev
    return there


def _may_come_unsaid(root: str, before: Mapping[str, int | None]) -> bool:
    return root in before or not os.path.isdir(os.path.dirname(root))


def _to_adopt(
    running: Mapping[str, tuple[str, str]], sights: Sequence[Sight], drivers: Drivers
) -> list[Sight]:
    """The files that run and whose adoption differs: new, changed, or no longer shadowed."""
    found = []
    for sight in sights:
        row = sight.row
        if row.shadowed_by is not None or row.fatal or row.agent is None:
            continue
        if running.get(row.agent) == (row.path, row.sha256):
            continue
        found.append(sight if sight.manifest is not None else _read_again(sight, drivers))
    return [sight for sight in found if sight.manifest is not None]


def _read_again(sight: Sight, drivers: Drivers) -> Sight:
    """An unchanged file that becomes the one that runs (its elder has gone)."""
    row = sight.row
    candidate = Candidate(
        path=row.path,
        root=row.root,
        dir=os.path.dirname(row.path),
        mtime_ns=row.mtime_ns,
        ctime_ns=row.ctime_ns,
        size=row.size,
        inode=row.inode,
        dev=row.dev,
    )
    again = _look(candidate, None, drivers)
    return replace(again, row=replace(again.row, shadowed_by=None))


def _wrong(sights: Sequence[Sight], known: Mapping[str, FileRow]) -> list[tuple[str, str]]:
    """Files newly bad, for people: each told once per change."""
    wrong = []
    for sight in sights:
        row, before = sight.row, known.get(sight.row.path)
        shadowed = row.shadowed_by is not None
        if not (row.changed and (row.fatal or shadowed)):
            continue
        if before is not None and _told(before) == _told(row):
            continue
        texts = [explain(problem, row.path) for problem in sight.problems if problem.fatal]
        if shadowed:
            texts.append(f"{row.path}: {row.shadowed_by} already has the name {row.agent!r}")
        wrong.append((row.path, "\n".join(texts)))
    return wrong


def _told(row: FileRow) -> tuple[object, ...]:
    return row.sha256, row.fatal, row.problems, row.shadowed_by
