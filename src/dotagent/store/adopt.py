"""What discovery found becomes what runs: files, agents, schedules, routing (rules R3, R9, R16).

Invariants: a bad file changes nothing but its own row; a schedule's cursor never moves back; one
pass makes at most one event of each kind, listing what it found; a first start is silent about
what it adopts, never about what is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dotagent.core import events
from dotagent.core.ending import Ending
from dotagent.core.legacy import NOTHING, Left
from dotagent.core.model import Event, Kind, WindowState
from dotagent.store import inherit, outages, overdue, pauses, plugin_uses, record, windows
from dotagent.store.actor import Actor
from dotagent.store.database import Tx
from dotagent.store.due import AT_ONCE
from dotagent.store.routing import RouteRow, set_routes
from dotagent.store.tell import tell


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """One manifest file as it lies on disk now. ``changed`` if it was read in this pass."""

    path: str
    root: str
    dev: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    sha256: str
    agent: str | None
    problems: str
    fatal: bool
    shadowed_by: str | None
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRow:
    id: str
    slug: str
    definition: str
    run_at_start: bool
    catch_up: str
    overlap: str
    stale_after_ms: int
    stale_is_default: bool
    max_attempts: int
    backoff_ms: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRows:
    """An agent to adopt: its good copy is already on disk under this ``sha256``."""

    name: str
    path: str
    root: str
    sha256: str
    enabled: bool
    inherits: bool
    schedules: Sequence[ScheduleRow]
    routes: Sequence[RouteRow]
    plugins: Mapping[str, str] = field(default_factory=dict)
    """Which plugin is used in which place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One discovery pass. ``files``: every file there is; ``agents``: those to adopt anew;
    ``roots``: each root's device, None where it is not there; ``wrong``: files newly bad, with the
    text for people; ``left``: what dotagent 0.1.x knew of the agents that are new."""

    files: Sequence[FileRow]
    agents: Sequence[AgentRows] = ()
    roots: Mapping[str, int | None] = field(default_factory=dict)
    wrong: Sequence[tuple[str, str]] = ()
    left: Left = NOTHING


def adopt(tx: Tx, actor: Actor, now: int, found: Found) -> set[str]:
    """Bring the store in line with one pass. Returns destinations with something to send."""
    first = tx.value("SELECT 1 FROM agents") is None and not found.left.known
    touched = _roots(tx, actor, now, found.roots)
    _files(tx, found.files)
    phantoms, drifted = [], []
    for agent in found.agents:
        before = _before(tx, found.left, agent.name)
        _audit(tx, actor, now, agent, before)
        if before is None:
            phantoms.append(f"{agent.name} ({agent.path})")
        elif before != agent.sha256:
            was = f"{agent.name} ({agent.path})"
            drifted.append(f"{was}\nwas {before[:12]}, is {agent.sha256[:12]}")
        _agent(tx, now, agent, found.left)
        _schedules(tx, now, agent)
        set_routes(tx, now, agent.name, agent.routes)
        inherit.inherit(tx, actor, now, found.left, agent)
        plugin_uses.set_uses(tx, agent.name, agent.plugins)
        touched |= windows.close_used_up(tx, actor, now, agent.name)
    _remove_missing(tx, now)
    news = _news(now, found.wrong, [] if first else phantoms, drifted)
    news += inherit.news(tx, now, found.left)
    return touched | tell(tx, actor, now, news)


def _before(tx: Tx, left: Left, name: str) -> str | None:
    """The hash of the manifest that the agent was last known by, here or to dotagent 0.1.x."""
    sha256: str | None = tx.value("SELECT sha256 FROM agents WHERE name = ?", name)
    if sha256 is None and name in left.known:
        return left.known[name].sha256
    return sha256


# ------------------------------------------------------------------------------- files and roots


def _roots(tx: Tx, actor: Actor, now: int, roots: Mapping[str, int | None]) -> set[str]:
    """A root that was there and is not any more is held, not removed (rules R9). One that nobody
    looks into any more is no root: its agents are removed."""
    for row in tx.all("SELECT path FROM roots"):
        if row["path"] not in roots:
            tx.run("DELETE FROM roots WHERE path = ?", row["path"])
    vanished = []
    for path, dev in roots.items():
        known = tx.one("SELECT * FROM roots WHERE path = ?", path)
        if dev is not None:
            tx.run("INSERT OR REPLACE INTO roots (path, dev) VALUES (?, ?)", path, dev)
            if known is not None and known["vanished_at"] is not None:
                _release(tx, now, path)
        elif known is not None and known["vanished_at"] is None:
            tx.run("UPDATE roots SET vanished_at = ? WHERE path = ?", now, path)
            vanished.append((path, _hold(tx, now, path)))
    if not vanished:
        return set()
    line = f"the folder {vanished[0][0]} is gone or unreadable; its agents wait until it is back"
    if len(vanished) > 1:
        line = f"{len(vanished)} folders with agents are gone or unreadable; their agents wait"
    detail = "\n".join(f"{path}: {count} schedules held" for path, count in vanished)
    return tell(tx, actor, now, [events.of_system(Kind.ROOT_VANISHED, now, line, detail)])


_OF_ROOT = "SELECT name FROM agents WHERE root = ? AND gone_at IS NULL"


def _hold(tx: Tx, now: int, root: str) -> int:
    tx.run(
        f"UPDATE windows SET next_at = NULL WHERE state = 'waiting' AND agent IN ({_OF_ROOT})",
        root,
    )
    wanted = f"agent IN ({_OF_ROOT}) AND gone_at IS NULL"
    for row in tx.all(f"SELECT agent, id FROM schedules WHERE {wanted}", root):
        overdue.freeze(tx, now, row["agent"], row["id"])
    return tx.change(
        f"UPDATE schedules SET held_at = ?, next_due_at = NULL WHERE {wanted}", now, root
    )


def _release(tx: Tx, now: int, root: str) -> None:
    """Back again: the gap is treated as downtime, by planning from the old cursor (rules R8)."""
    held = f"SELECT agent, id FROM schedules WHERE held_at IS NOT NULL AND agent IN ({_OF_ROOT})"
    for row in tx.all(held, root):
        _let_go(tx, now, row["agent"], row["id"])


def _let_go(tx: Tx, now: int, agent: str, schedule: str) -> None:
    # Its own instant has passed, by the clock that planned it; this one may be wrong (rules R3).
    tx.run(
        "UPDATE windows SET next_at = expected_at WHERE state = 'waiting' AND next_at IS NULL"
        " AND agent = ? AND schedule = ?",
        agent,
        schedule,
    )
    tx.run(
        "UPDATE schedules SET held_at = NULL, next_due_at = ? WHERE agent = ? AND id = ?",
        AT_ONCE,
        agent,
        schedule,
    )
    overdue.thaw(tx, now, agent, schedule)


def _files(tx: Tx, files: Sequence[FileRow]) -> None:
    held = {row[0] for row in tx.all("SELECT path FROM roots WHERE vanished_at IS NOT NULL")}
    here = {file.path for file in files}
    for row in tx.all("SELECT path, root FROM manifests"):
        if row["path"] not in here and row["root"] not in held:
            tx.run("DELETE FROM manifests WHERE path = ?", row["path"])
    for file in files:
        if file.changed:
            tx.run(
                "INSERT OR REPLACE INTO manifests (path, root, dev, inode, size, mtime_ns,"
                " ctime_ns, sha256, agent, problems, fatal, shadowed_by)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                file.path,
                file.root,
                file.dev,
                file.inode,
                file.size,
                file.mtime_ns,
                file.ctime_ns,
                file.sha256,
                file.agent,
                file.problems,
                int(file.fatal),
                file.shadowed_by,
            )


# ------------------------------------------------------------------------------- agents, schedules


def visit(tx: Tx, now: int, agent: AgentRows) -> None:
    """An agent of somewhere else, run once by hand: known as one that has gone again (R16)."""
    if tx.value("SELECT 1 FROM agents WHERE name = ? AND gone_at IS NULL", agent.name):
        return
    _agent(tx, now, agent, NOTHING)
    set_routes(tx, now, agent.name, agent.routes)
    tx.run("UPDATE agents SET gone_at = ? WHERE name = ?", now, agent.name)


def _audit(tx: Tx, actor: Actor, now: int, agent: AgentRows, before: str | None) -> None:
    file = {"agent": agent.name, "path": agent.path}
    if before is None:
        sha = {"sha256": agent.sha256}
        record.append(tx, actor, now, "critical", "phantom_agent_detected", **file, **sha)
        record.append(tx, actor, now, "info", "manifest_loaded", **file, **sha)
    elif before != agent.sha256:
        hashes = {"expected_sha256": before, "actual_sha256": agent.sha256}
        record.append(tx, actor, now, "critical", "manifest_drift_detected", **file, **hashes)


def _agent(tx: Tx, now: int, agent: AgentRows, left: Left) -> None:
    known = left.known.get(agent.name)
    adopted = agent.sha256 if known is None else known.sha256
    tx.run(
        "INSERT INTO agents (name, path, root, sha256, enabled, inherits, first_seen_at,"
        " adopted_sha256, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET path = excluded.path,"
        " root = excluded.root, sha256 = excluded.sha256, enabled = excluded.enabled,"
        " inherits = excluded.inherits, gone_at = NULL,"
        " changed_at = CASE sha256 WHEN excluded.sha256 THEN changed_at ELSE ?10 END",
        agent.name,
        agent.path,
        agent.root,
        agent.sha256,
        int(agent.enabled),
        int(agent.inherits),
        (known.first_seen_at if known is not None else None) or now,
        adopted,
        now if adopted != agent.sha256 else None,
        now,
    )


_NAMED = "SELECT id FROM schedules WHERE agent = ? AND (gone_at IS NULL OR gone_why = ?)"
"""What the manifest names, or did when it was last read."""


def _schedules(tx: Tx, now: int, agent: AgentRows) -> None:
    wanted = {schedule.id for schedule in agent.schedules}
    for row in tx.all(_NAMED, agent.name, Ending.DISABLED):
        if row["id"] not in wanted:
            dismiss(tx, now, agent.name, row["id"], Ending.REMOVED)
    for schedule in agent.schedules:
        _schedule(tx, now, agent, schedule)
        if not agent.enabled:
            dismiss(tx, now, agent.name, schedule.id, Ending.DISABLED)


def _schedule(tx: Tx, now: int, agent: AgentRows, new: ScheduleRow) -> None:
    old = tx.one("SELECT * FROM schedules WHERE agent = ? AND id = ?", agent.name, new.id)
    if old is None:
        tx.run(
            "INSERT INTO schedules (agent, id, slug, definition, run_at_start, catch_up, overlap,"
            " stale_after_ms, stale_is_default, max_attempts, backoff, first_seen_at, anchor_at,"
            " next_due_at) VALUES (?1, ?2, '', '', 0, '', '', 0, 0, 0, '', ?3, ?3, ?4)",
            agent.name,
            new.id,
            now,
            AT_ONCE,
        )
    elif old["held_at"] is not None:
        # Found in a root that is there: it waits for the vanished one no longer (rules R9).
        _let_go(tx, now, agent.name, new.id)
    if old is not None and (old["gone_at"] is not None or old["definition"] != new.definition):
        # The planner carries the cursor over the edit or the absence (rules R3).
        tx.run(
            "UPDATE schedules SET planned_as = coalesce(planned_as, definition),"
            " was_away = max(was_away, gone_at IS NOT NULL), next_due_at = ?,"
            " health = CASE WHEN gone_at IS NULL THEN health ELSE 'new' END,"
            " reason = CASE WHEN gone_at IS NULL THEN reason ELSE '' END,"
            " gone_at = NULL, gone_why = NULL WHERE agent = ? AND id = ?",
            AT_ONCE,
            agent.name,
            new.id,
        )
        pauses.forget_skips(tx, now, agent.name, new.id)
    elif old is not None and old["stale_after_ms"] != new.stale_after_ms:
        # When it is overdue must be found anew.
        tx.run(
            "UPDATE schedules SET next_due_at = ? WHERE agent = ? AND id = ?"
            " AND next_due_at IS NOT NULL",
            AT_ONCE,
            agent.name,
            new.id,
        )
    _say_how(tx, agent, new)


def _say_how(tx: Tx, agent: AgentRows, new: ScheduleRow) -> None:
    """What the manifest says of the schedule now."""
    tx.run(
        "UPDATE schedules SET slug = ?, definition = ?, run_at_start = ?, catch_up = ?,"
        " overlap = ?, stale_after_ms = ?, stale_is_default = ?, max_attempts = ?, backoff = ?"
        " WHERE agent = ? AND id = ?",
        new.slug,
        new.definition,
        int(new.run_at_start),
        new.catch_up,
        new.overlap,
        new.stale_after_ms,
        int(new.stale_is_default),
        new.max_attempts,
        json.dumps(list(new.backoff_ms)),
        agent.name,
        new.id,
    )


def dismiss(tx: Tx, now: int, agent: str, schedule: str, why: str) -> None:
    """A schedule is no longer wanted (rules R9): its waiting window ends skipped, a running one
    with its attempt; the outage closes and reminders stop. One that was disabled may be removed."""
    tx.run(
        "UPDATE schedules SET gone_at = ?1, gone_why = ?2, next_due_at = NULL, held_at = NULL,"
        " frozen_at = NULL, stale_at = NULL, health = 'off', reason = ?2"
        " WHERE agent = ?3 AND id = ?4 AND gone_why IS NOT ?2",
        now,
        why,
        agent,
        schedule,
    )
    live = tx.one(
        "SELECT * FROM windows WHERE agent = ? AND schedule = ?"
        " AND state IN ('waiting', 'running')",
        agent,
        schedule,
    )
    if live is not None and live["state"] == WindowState.WAITING:
        windows.shut(tx, now, live["id"], WindowState.SKIPPED, why)
    if live is None or live["state"] == WindowState.WAITING:
        outages.close(tx, now, agent, schedule, why)


def _remove_missing(tx: Tx, now: int) -> None:
    """Agents whose file is gone. A file that is merely bad, or whose root has vanished, still has
    its row and keeps its agent."""
    for row in tx.all(
        "SELECT name FROM agents WHERE gone_at IS NULL AND name NOT IN"
        " (SELECT agent FROM manifests WHERE agent IS NOT NULL)"
    ):
        tx.run("UPDATE agents SET gone_at = ? WHERE name = ?", now, row["name"])
        plugin_uses.set_uses(tx, row["name"], {})
        for schedule in tx.all(_NAMED, row["name"], Ending.DISABLED):
            dismiss(tx, now, row["name"], schedule["id"], Ending.REMOVED)


# --------------------------------------------------------------------------------------------- news


def _news(
    now: int, wrong: Sequence[tuple[str, str]], phantoms: list[str], drifted: list[str]
) -> list[Event]:
    news = []
    if wrong:
        first = wrong[0][0]
        line = f"the manifest {first} is not right and changes nothing until it is mended"
        if len(wrong) > 1:
            line = f"{len(wrong)} manifests are not right and change nothing until they are mended"
        detail = "\n".join(text for _, text in wrong)
        news.append(events.of_system(Kind.MANIFEST_INVALID, now, line, detail))
    for kind, names, what in (
        (Kind.PHANTOM_AGENT_DETECTED, phantoms, "new"),
        (Kind.MANIFEST_DRIFT_DETECTED, drifted, "changed"),
    ):
        if names:
            manifests = "manifest" if len(names) == 1 else "manifests"
            line = f"{len(names)} {what} {manifests}: {names[0].splitlines()[0]}"
            if len(names) > 1:
                line = f"{line} and {len(names) - 1} more"
            news.append(events.of_system(kind, now, line, "\n".join(names)))
    return news
