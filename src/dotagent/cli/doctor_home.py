"""The home around the agents: who acts in it, whether the record stands, which channels are in
trouble, what the agents' environment is. Looks, and writes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from dotagent.core.errors import DotagentError, HomeError, OldDaemon
from dotagent.core.hindrance import FULL, STOPPED
from dotagent.core.model import Problem
from dotagent.core.moment import clock
from dotagent.store import checkup, look
from dotagent.store.checkup import Channel, Known
from dotagent.store.reading import Reader
from dotagent.system import auditfile, environment, legacy, modes
from dotagent.system.hindrance import DAEMON, hindrance
from dotagent.system.lock import Holder, peek
from dotagent.system.paths import Paths

HASH = 12
"""Characters of a hash that people compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """What was found. ``daemon_env``: the daemon's own, which says where it looks; ``agents_env``:
    what agents inherit."""

    known: Known = checkup.NOTHING
    daemon_env: Mapping[str, str] = field(repr=False)
    agents_env: Mapping[str, str] = field(repr=False)
    captured: Mapping[str, str] | None = field(default=None, repr=False)
    """What ``install`` captured; None if it never did."""
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    unusable: bool = False
    """It is no folder: there is nothing else to look at."""


def examine(paths: Paths, env: Mapping[str, str], now: int, zone: tzinfo) -> Home:
    """Everything but the files that people write. ``env`` is this shell's."""
    if not os.path.isdir(paths.home):
        return _no_home(paths, env)
    problems = modes.findings(paths)
    holder = None
    try:
        holder = peek(paths.lock)
    except HomeError as error:
        problems.append(_of(paths.lock, error))
    daemon_env = _daemon_env(holder) or env
    agents_env = daemon_env
    captured = None
    try:
        captured = environment.read(paths.environment)
        agents_env = daemon_env if captured is None else captured
    except HomeError as error:
        problems.append(_of(paths.environment, error))
    known = checkup.NOTHING
    try:
        with checkup.untouched(paths.database) as reader:
            if reader is not None:
                known = checkup.known(reader, now)
                problems += _record(paths, reader)
    except DotagentError as error:
        problems.append(_of(paths.database, error))
    problems += [*_damaged(paths.database), *_older(paths)]
    problems += _nobody_acts(paths, holder, known, now, zone)
    for channel in known.channels:
        problems += _channel(paths, channel, now, zone)
    return Home(
        known=known,
        daemon_env=daemon_env,
        agents_env=agents_env,
        captured=captured,
        problems=tuple(problems),
        notes=(_who_acts(holder, now, zone), *_changed(known, now, zone)),
    )


def _no_home(paths: Paths, env: Mapping[str, str]) -> Home:
    if not os.path.lexists(paths.home):
        notes = (f"The home {paths.home} is not there yet.",)
        return Home(daemon_env=env, agents_env=env, notes=notes)
    message = "your home must be a folder, and this is none"
    hint = f"mv {paths.home} {paths.home}.aside, or set DOTAGENT_HOME to another folder"
    problem = Problem(path="", file=paths.home, message=message, hint=hint)
    return Home(daemon_env=env, agents_env=env, problems=(problem,), unusable=True)


def _of(path: str, error: DotagentError) -> Problem:
    return Problem(path="", file=path, message=error.message, hint=error.hint)


# --------------------------------------------------------------------------------------- who acts


def _daemon_env(holder: Holder | None) -> Mapping[str, str] | None:
    """The running daemon's environment, as far as the kernel shows it (proc(5))."""
    if holder is None or holder.role != DAEMON or holder.pid is None:
        return None
    try:
        return environment.read(f"/proc/{holder.pid}/environ")
    except HomeError:  # not ours to read, or rewritten by the process itself
        return None


def _who_acts(holder: Holder | None, now: int, zone: tzinfo) -> str:
    if holder is None:
        return "No daemon runs: nothing starts on schedule. Start one: dotagent install"
    who = f"process {holder.pid}" if holder.pid is not None else "a process that names no number"
    since = f", since {clock(holder.started_at, now, zone)}" if holder.started_at else ""
    if holder.role in (DAEMON, None):
        return f"The daemon runs: {who}{since}."
    return f"{holder.role} is at work: {who}{since}. No daemon runs."


def _changed(known: Known, now: int, zone: tzinfo) -> Iterator[str]:
    """What has changed since it was adopted (product §4)."""
    for name, agent in known.agents.items():
        if agent.changed_at is not None:
            was, is_now = agent.adopted_sha256[:HASH], agent.sha256[:HASH]
            hashes = f"it was {was}, now it is {is_now}"
            if was == is_now:
                hashes = f"it was other than {was} in between, and is that again"
            since = clock(agent.first_seen_at, now, zone)
            when = clock(agent.changed_at, now, zone)
            yield (
                f"The manifest of {name} has changed since it was adopted ({since}): {hashes}, "
                f"last changed {when}."
            )


def _nobody_acts(
    paths: Paths, holder: Holder | None, known: Known, now: int, zone: tzinfo
) -> Iterator[Problem]:
    """That nobody acts is a choice; that something is due and nobody acts is trouble. So is a ping
    that nobody hears: the end of the daemon would pass unnoticed."""
    if known.deadman:
        message = f"[deadman]: the last ping was not heard: {known.deadman}"
        yield Problem(path="", file=paths.config, message=message, fatal=False)
    if known.metrics:
        message = f"[metrics]: {known.metrics}"
        yield Problem(path="", file=paths.config, message=message, fatal=False)
    if holder is not None:
        yield from _nothing_starts(paths, holder, known, now, zone)
        return
    died = f"the last {known.crashed} ended without a word; " if known.crashed else ""
    if known.late and known.late_since_at is not None:
        schedules = "a schedule is" if known.late == 1 else f"{known.late} schedules are"
        since = clock(known.late_since_at, now, zone)
        message = f"{died}{schedules} due since {since}, and nobody runs it"
        yield Problem(
            path="", file=paths.home, message=message, hint="start it: dotagent daemon", fatal=False
        )
    elif known.crashed:
        message = f"{died}what it had begun is settled by whoever acts next"
        yield Problem(path="", file=paths.home, message=message, fatal=False)


def _nothing_starts(
    paths: Paths, holder: Holder, known: Known, now: int, zone: tzinfo
) -> Iterator[Problem]:
    """Somebody acts, and yet nothing is started."""
    who = f"{holder.role or DAEMON}, process {holder.pid}"
    found = hindrance(paths.reserve, holder, now)
    if found == FULL:
        message = "the disk is full: the daemon starts nothing until there is room again"
        hint = "make room on it; the rest goes by itself"
        yield Problem(path="", file=paths.home, message=message, hint=hint)
    elif found == STOPPED:
        message = f"{who}, is stopped: as long as it is, nothing is started and nobody is told"
        hint = f"let it go on: kill -CONT {holder.pid}"
        yield Problem(path="", file=paths.home, message=message, hint=hint)
    elif holder.role == DAEMON and known.unstarted and known.unstarted_since_at is not None:
        schedules = "a schedule is" if known.unstarted == 1 else f"{known.unstarted} schedules are"
        since = clock(known.unstarted_since_at, now, zone)
        message = f"{schedules} due since {since}, and {who}, has not started it"
        hint = "it may hang: see what it says, or start it again"
        yield Problem(path="", file=paths.home, message=message, hint=hint)


# -------------------------------------------------------------------------------------- the record


def _record(paths: Paths, reader: Reader) -> Iterator[Problem]:
    """Whether the end of the audit file stands where the database says."""
    try:
        standing = auditfile.check(
            paths.audit,
            lambda seq: look.audit_after(reader, seq, 1),
            look.audit_head(reader),
            lambda digest: look.audit_seq_of(reader, digest),
            synced_seq=look.audit_synced(reader),
        )
    except HomeError as error:
        yield _of(paths.audit, error)
        return
    if standing.broken is not None:
        hint = "see what was done to it: dotagent audit verify"
        yield Problem(path="", file=paths.audit, message=standing.broken, hint=hint)


def _older(paths: Paths) -> Iterator[Problem]:
    """A daemon of 0.1.x that runs beside us."""
    try:
        legacy.refuse_running(paths)
    except OldDaemon as error:
        yield _of(paths.legacy_pid, error)


def _damaged(database: str) -> Iterator[Problem]:
    """Databases that were set aside (product §8)."""
    folder, name = os.path.split(database)
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return  # said by whoever looked at the folder itself
    for entry in names:
        if entry.startswith(f"{name}.damaged-") and not entry.endswith(("-wal", "-shm")):
            message = "a damaged database that was set aside; what it held is not in the new one"
            path = os.path.join(folder, entry)
            hint = "remove it once it is of no more use"
            yield Problem(path="", file=path, message=message, hint=hint, fatal=False)


# ---------------------------------------------------------------------------------------- channels


def _channel(paths: Paths, channel: Channel, now: int, zone: tzinfo) -> Iterator[Problem]:
    name = f"the channel “{channel.name}” ({channel.driver})"
    if channel.parked_at is not None:
        since = clock(channel.parked_at, now, zone)
        yield Problem(
            path="",
            file=paths.home,
            message=f"{name} accepts no messages since {since}: {channel.why}",
            hint="mend it; it is tried once a day: dotagent deliveries",
        )
    if channel.dead:
        messages = "a message" if channel.dead == 1 else f"{channel.dead} messages"
        was = "was" if channel.dead == 1 else "were"
        since = f" since {clock(channel.since_at, now, zone)}" if channel.since_at else ""
        yield Problem(
            path="",
            file=paths.home,
            message=f"{messages} to {name} {was} lost{since}",
            hint="see them: dotagent deliveries --dead",
            fatal=False,
        )
