"""The composition root: the only module that names concrete classes and wires them together.

``hold`` takes the home's lock, opens the store, settles what a dead holder left, runs the engine,
and gives everything back in order.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache

from dotagent import __version__
from dotagent.core import events
from dotagent.core.config import Config
from dotagent.core.errors import StoreCorrupt
from dotagent.core.model import Kind, Outcome
from dotagent.drivers.kit import registry
from dotagent.drivers.kit.sender import Kit
from dotagent.engine.embedded import Engine, Mode
from dotagent.engine.recorder import Recorder
from dotagent.engine.surroundings import Surroundings
from dotagent.engine.watching import Watching
from dotagent.plugins.find import search_dirs
from dotagent.plugins.sender import PluginSender
from dotagent.ports import Parcel, Sender
from dotagent.steps.catalogue import Catalogue
from dotagent.steps.configure import read as read_config
from dotagent.steps.parts import Parts
from dotagent.steps.recover import recover
from dotagent.store import database, facts, holders, look, record
from dotagent.store.actor import Actor
from dotagent.store.database import Reader, Store, Tx
from dotagent.store.holders import DAEMON, Beginning
from dotagent.store.tell import tell
from dotagent.supervisor.spawner import RealSpawner
from dotagent.supervisor.speak import speak
from dotagent.system import auditfile, environment, home, lock, zone
from dotagent.system.bell import Bell
from dotagent.system.chance import chance
from dotagent.system.clock import SystemClock
from dotagent.system.discovery import roots
from dotagent.system.identity import Identity, identify
from dotagent.system.paths import Paths
from dotagent.system.paths import home as home_of

SIGNALS = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "SIGINT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What a process takes the lock for. ``until`` makes it a command: it ends when that is true
    of the store. ``plan`` runs what schedules are due."""

    role: str
    plan: bool = False
    until: Callable[[Reader], bool] | None = None


@cache
def drivers() -> Mapping[str, type | None]:
    """Every driver that a manifest may name, with the record of its keys; None where this version
    does not have it."""
    known = dict.fromkeys((*registry.KNOWN, *registry.names()))
    return {name: _config_of(name) for name in known}


def _config_of(name: str) -> type | None:
    loaded = registry.load(name)
    return loaded.config if loaded is not None else None


class Senders:
    """Hands each parcel to who can send it."""

    def __init__(self, kit: Sender, plugins: Sender) -> None:
        self._kit = kit
        self._plugins = plugins

    async def send(self, parcel: Parcel) -> Outcome:
        """One try, inside the parcel's total deadline."""
        sender = self._plugins if parcel.driver == "plugin" else self._kit
        return await sender.send(parcel)


def paths_of(env: Mapping[str, str]) -> Paths:
    """The home's paths, the home being made where it is not there. Raises ``HomeError``."""
    paths = Paths(home_of(env))
    home.prepare(paths)
    return paths


def prepare_store(paths: Paths) -> None:
    """Make the database where there is none, so that a request can be written. ``StoreError``."""
    database.open_store(paths.database).close()


async def hold(
    paths: Paths, env: Mapping[str, str], purpose: Purpose, ready: Callable[[], None] = lambda: None
) -> str | None:
    """Hold the home and run the engine until it is stopped or its purpose is settled. Returns the
    name of the signal that stopped it, None where its purpose was settled.

    Raises ``HeldError`` at once if somebody else holds it. ``ready`` is called when the engine is
    about to run.
    """
    clock = SystemClock()
    with ExitStack() as stack:
        stack.callback(clock.close)
        held = lock.take(paths.lock, purpose.role, os.getpid(), clock.now())
        stack.callback(held.release)
        bell = Bell(paths.bell)
        stack.callback(bell.close)
        store = _open(paths, clock)
        stack.callback(store.close)
        async with _engine(paths, env, purpose, clock, store, bell) as engine:
            ready()
            await engine.run()
            return engine.stopped_by


def _open(paths: Paths, clock: SystemClock) -> Store:
    """The store, checked if the last holder died. A damaged one is set aside and said (product
    §8); the next start begins a new record and tells people."""
    try:
        if os.path.exists(paths.database):
            reader = database.connect_reader(paths.database)
            try:
                crashed = holders.last_crashed(reader)
            finally:
                reader.close()
            if crashed:
                database.check(paths.database)
        return database.open_store(paths.database)
    except StoreCorrupt as error:
        aside = f"{paths.database}.damaged-{clock.now() // 1000}"
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(paths.database + suffix):
                os.replace(paths.database + suffix, aside + suffix)
        raise StoreCorrupt(
            f"{error.message}; it is kept as {aside}",
            "The next start begins a new record; agents and their files are untouched.",
        ) from error


@asynccontextmanager
async def _engine(
    paths: Paths,
    env: Mapping[str, str],
    purpose: Purpose,
    clock: SystemClock,
    store: Store,
    bell: Bell,
) -> AsyncIterator[Engine]:
    """An engine that has settled what a dead holder left; its end is written down after it."""
    me = identify()
    beginning = await _begin(paths, store, clock, purpose, me)
    inherited = environment.read(paths.environment) or env
    async with Kit(clock=clock, speak=speak, env=inherited) as kit:
        actor = Actor(epoch=beginning.epoch, host=me.host, zone=zone.machine_zone(env))
        parts = _parts(paths, clock, store, actor, inherited, kit)
        recorder = Recorder(paths.audit, store)
        surroundings = _surroundings(paths, env, inherited)
        config = read_config(paths.config, paths.good_config, drivers).config
        mode = _mode(purpose, config)
        engine = Engine(parts, Catalogue(paths, drivers), mode, surroundings, recorder)
        watching = _listen(paths, purpose, engine, surroundings, bell)
        store.on_audit = recorder.wake
        try:
            await _greet(parts, recorder, beginning, purpose, me)
            await recover(parts, me.boot_id)
            yield engine
            reason = engine.stopped_by if purpose.role == DAEMON else None
            await store.write(lambda tx: holders.end(tx, actor, clock.now(), reason=reason))
        finally:
            asyncio.get_running_loop().remove_reader(bell.fileno())
            watching.close()
            await recorder.flush()
            recorder.close()
            parts.reader.close()


def _surroundings(
    paths: Paths, env: Mapping[str, str], inherited: Mapping[str, str]
) -> Surroundings:
    return Surroundings(
        env=env,
        roots=roots(inherited if "DOTAGENT_ROOT" in inherited else env, paths.agents),
        drivers=drivers,
        zone=lambda: zone.machine_zone(env),
        zone_mark=lambda: zone.fingerprint(env),
    )


def _listen(
    paths: Paths, purpose: Purpose, engine: Engine, surroundings: Surroundings, bell: Bell
) -> Watching:
    """Signals, the bell and, for who plans, the kernel's file notices."""
    loop = asyncio.get_running_loop()
    for number, name in SIGNALS.items():
        loop.add_signal_handler(number, engine.stop, name)
    loop.add_signal_handler(signal.SIGHUP, _reload, surroundings, engine)
    loop.add_reader(bell.fileno(), _rung, bell, engine)
    watching = Watching(paths, surroundings, engine.poke)
    if purpose.plan:
        watching.begin()
    return watching


def _reload(surroundings: Surroundings, engine: Engine) -> None:
    surroundings.files_changed()
    engine.poke()


def _rung(bell: Bell, engine: Engine) -> None:
    bell.drain()
    engine.poke()


def _mode(purpose: Purpose, config: Config) -> Mode:
    default = max(16, 4 * (os.cpu_count() or 1))
    return Mode(
        plan=purpose.plan,
        max_running=config.daemon.max_running or default,
        # A person who interrupts a command does not want to wait for what it runs.
        stop_grace_ms=config.daemon.stop_grace_ms if purpose.until is None else 0,
        until=purpose.until,
    )


def _parts(
    paths: Paths,
    clock: SystemClock,
    store: Store,
    actor: Actor,
    inherited: Mapping[str, str],
    kit: Kit,
) -> Parts:
    reader = store.read()
    home_id, home_key = look.home(reader)
    user_home = inherited.get("HOME", "")
    plugins = PluginSender(speak, search_dirs(inherited, user_home, paths.home), inherited)
    return Parts(
        paths=paths,
        clock=clock,
        store=store,
        reader=reader,
        spawner=RealSpawner(clock),
        speak=speak,
        sender=Senders(kit, plugins),
        driver=registry.load,
        actor=actor,
        home_id=home_id,
        home_key=home_key,
        chance=chance,
        environment=inherited,
        user_home=user_home,
    )


async def _begin(
    paths: Paths, store: Store, clock: SystemClock, purpose: Purpose, me: Identity
) -> Beginning:
    legacy = auditfile.verify_legacy(paths.legacy_audit) if _is_new(store) else None
    return await store.write(
        lambda tx: holders.begin(
            tx,
            clock.now(),
            role=purpose.role,
            pid=me.pid,
            started_ticks=me.started_ticks,
            boot_id=me.boot_id,
            anchor=legacy.head if legacy is not None else None,
        )
    )


def _is_new(store: Store) -> bool:
    reader = store.read()
    try:
        return not holders.any_yet(reader)
    finally:
        reader.close()


async def _greet(
    parts: Parts, recorder: Recorder, beginning: Beginning, purpose: Purpose, me: Identity
) -> None:
    """First words: the daemon's own, and what is wrong with the record, each told once."""
    standing = recorder.check()
    folder, name = os.path.split(parts.paths.database)
    damaged = sorted(entry for entry in os.listdir(folder) if entry.startswith(f"{name}.damaged-"))

    def commit(tx: Tx) -> None:
        now = parts.clock.now()
        if purpose.role == DAEMON:
            holders.greet(tx, parts.actor, now, beginning, version=__version__, pid=me.pid)
        if facts.remember(tx, "audit_broken", standing.broken or "") and standing.broken:
            _tell_broken(tx, parts, now, standing)
        last = damaged[-1] if damaged else ""
        if facts.remember(tx, "damaged", last) and last and not last.endswith(("-wal", "-shm")):
            line = "the database was damaged and set aside; what came before is not in the new one"
            detail = os.path.join(folder, last)
            tell(tx, parts.actor, now, [events.of_system(Kind.STORE_ERROR, now, line, detail)])

    await parts.commit(commit)


def _tell_broken(tx: Tx, parts: Parts, now: int, standing: auditfile.Standing) -> None:
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
