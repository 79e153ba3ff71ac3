"""The composition root: the only module that names concrete classes and wires them together.

``hold`` takes the home's lock, opens the store, settles what a dead holder left, runs the engine,
and gives everything back in order.
"""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache

from dotagent import __version__
from dotagent.core.errors import DotagentError
from dotagent.core.model import Outcome
from dotagent.core.secret import Redactor
from dotagent.core.targets import PLUGIN
from dotagent.drivers.kit import registry
from dotagent.drivers.kit.sender import Kit
from dotagent.engine.alive import watched
from dotagent.engine.embedded import Engine
from dotagent.engine.journal import Journal, keep_fault
from dotagent.engine.mode import Mode, Unfinished
from dotagent.engine.recorder import Recorder
from dotagent.engine.surroundings import Surroundings
from dotagent.engine.watching import Watching
from dotagent.plugins.client import Answer
from dotagent.plugins.find import search_dirs
from dotagent.plugins.sender import Config as PluginConfig
from dotagent.plugins.sender import PluginSender
from dotagent.ports import Parcel, Sender
from dotagent.steps import tenure
from dotagent.steps.catalogue import Catalogue
from dotagent.steps.configure import configure
from dotagent.steps.faults import fault
from dotagent.steps.greet import First, greet
from dotagent.steps.parts import Parts
from dotagent.steps.plugin_call import keep_words
from dotagent.steps.recover import recover
from dotagent.steps.secrecy import all_values
from dotagent.store import damage, database, look
from dotagent.store.actor import Actor
from dotagent.store.attempts import Run
from dotagent.store.database import Reader, Store
from dotagent.store.holders import DAEMON
from dotagent.supervisor.spawner import RealSpawner
from dotagent.supervisor.speak import speak
from dotagent.system import environment, home, legacy, lock, zone
from dotagent.system.bell import Bell
from dotagent.system.chance import chance
from dotagent.system.clock import SystemClock, asleep
from dotagent.system.discovery import roots
from dotagent.system.identity import gone, identify
from dotagent.system.paths import Paths
from dotagent.system.paths import home as home_of
from dotagent.system.signals import HUP, Signals
from dotagent.system.threads import Threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What a process takes the lock for. ``until`` makes it a command: it ends when that is true
    of the store and nothing runs any more. ``own``: the request that it was started for. ``plan``
    runs what schedules are due. ``failed`` hears of each attempt that failed, ``told`` of each
    critical event of the home: when, and its words."""

    role: str
    plan: bool = False
    until: Callable[[Reader], bool] | None = None
    own: int | None = None
    failed: Callable[[Run, str], None] = lambda run, words: None
    told: Callable[[int, str], None] = lambda at, words: None


class Fault(DotagentError):
    """A fault of dotagent itself; its traceback stands in the daemon's log."""


@cache
def drivers() -> Mapping[str, type | None]:
    """Every driver that a manifest may name, with the record of its keys; None where this version
    does not have it."""
    known = dict.fromkeys((*registry.KNOWN, *registry.names()))
    return {name: _config_of(name) for name in known}


def _config_of(name: str) -> type | None:
    if name == PLUGIN:
        return PluginConfig
    loaded = registry.load(name)
    return loaded.config if loaded is not None else None


class Senders:
    """Hands each parcel to who can send it."""

    def __init__(self, kit: Sender, plugins: Sender) -> None:
        self._kit = kit
        self._plugins = plugins

    async def send(self, parcel: Parcel) -> Outcome:
        """One try, inside the parcel's total deadline."""
        sender = self._plugins if parcel.driver == PLUGIN else self._kit
        return await sender.send(parcel)


def paths_of(env: Mapping[str, str]) -> Paths:
    """The home's paths, the home being made where it is not there. Raises ``HomeError``."""
    paths = Paths(home_of(env))
    home.prepare(paths)
    return paths


def roots_of(paths: Paths, env: Mapping[str, str]) -> tuple[str, ...]:
    """The roots that a holder with this environment looks into. Raises ``HomeError``."""
    return _roots(paths, env, _inherited(paths, env))


def _inherited(paths: Paths, env: Mapping[str, str]) -> Mapping[str, str]:
    """What agents inherit: the captured environment, else the holder's own."""
    captured = environment.read(paths.environment)
    return env if captured is None else captured


def _roots(paths: Paths, env: Mapping[str, str], inherited: Mapping[str, str]) -> tuple[str, ...]:
    return roots(inherited if "DOTAGENT_ROOT" in inherited else env, paths.agents)


def _with_known(named: Sequence[str], reader: Reader) -> tuple[str, ...]:
    """A command's shell may lack the daemon's ``DOTAGENT_ROOT``: agents of a root that it does not
    name are not removed for that."""
    return tuple(dict.fromkeys((*named, *look.root_devices(reader))))


def prepare_store(paths: Paths) -> None:
    """Make the database where there is none, so that a request can be written. One that is there
    is its holder's to bring up to date. ``StoreError``."""
    database.make(paths.database)


async def hold(
    paths: Paths,
    env: Mapping[str, str],
    purpose: Purpose,
    ready: Callable[[], None] = lambda: None,
    leaving: Callable[[str, Unfinished], None] = lambda signal, unfinished: None,
    signals: Signals | None = None,
) -> str | None:
    """Hold the home and run the engine until it is stopped or its purpose is settled. Returns the
    name of the signal that stopped it, None where its purpose was settled.

    Raises ``HeldError`` at once if somebody else holds it. ``ready`` is called when the engine is
    about to run, ``leaving`` when a signal stops it. ``signals`` listens already, so that one that
    comes before all this is heard; else they are listened to from here to the end of this.
    """
    async with holding(paths, env, purpose, leaving, signals) as engine:
        if not engine.stopping:
            ready()
        with watched(engine.parts.clock, env, os.getpid()):
            await engine.run()
        return engine.stopped_by


@asynccontextmanager
async def holding(
    paths: Paths,
    env: Mapping[str, str],
    purpose: Purpose,
    leaving: Callable[[str, Unfinished], None] = lambda signal, unfinished: None,
    signals: Signals | None = None,
) -> AsyncIterator[Engine]:
    """``hold``, but that the engine is handed out and whoever has it runs it."""
    clock = SystemClock()
    asyncio.get_running_loop().set_default_executor(Threads())
    with ExitStack() as stack:
        stack.enter_context(_faults_of(None))
        if signals is None:
            signals = Signals().listen()
            stack.callback(signals.restore)
        stack.callback(clock.close)
        held = lock.take(paths.lock, purpose.role, os.getpid(), clock.now(), gone=gone)
        stack.callback(held.release)
        legacy.refuse_running(paths)
        stack.enter_context(damage.set_aside(paths.database, clock.now))
        has_room = home.keep_reserve(paths.reserve) if purpose.role == DAEMON else True
        bell = Bell(paths.bell)
        stack.callback(bell.close)
        store = damage.open_checked(paths.database)
        stack.callback(store.close)
        listener = _Listener(purpose, signals, leaving)
        async with _engine(paths, env, purpose, clock, store, bell, listener) as engine:
            if not has_room:
                engine.parts.trouble.has_no_reserve()
            yield engine


@asynccontextmanager
async def _engine(
    paths: Paths,
    env: Mapping[str, str],
    purpose: Purpose,
    clock: SystemClock,
    store: Store,
    bell: Bell,
    listener: _Listener,
) -> AsyncIterator[Engine]:
    """An engine that has settled what a dead holder left; its end is written down after it."""
    me = identify()
    beginning, anew = await tenure.begin(paths, store, clock, purpose.role, me)
    inherited = _inherited(paths, env)
    async with Kit(clock=clock, speak=speak, env=inherited) as kit:
        actor = Actor(epoch=beginning.epoch, host=me.host, zone=zone.machine_zone(env))
        parts = _parts(paths, clock, store, actor, inherited, kit)
        recorder = Recorder(paths.audit, store, clock)
        ours = _roots(paths, env, inherited)
        is_daemon = purpose.role == DAEMON
        looked_into = ours if is_daemon else _with_known(ours, parts.reader)
        surroundings = _surroundings(env, looked_into, clock)
        engine = Engine(parts, Catalogue(paths, drivers), _mode(purpose), surroundings, recorder)
        watching = _watch(paths, purpose, engine, surroundings, bell)
        store.on_audit = recorder.wake
        try:
            with listener.attached(engine, surroundings), _faults_of(engine):
                daemon = (__version__, me.pid) if is_daemon else None
                first = First(standing=recorder.check(), anew=anew, daemon=daemon)
                _keep_log(engine, recorder, first)
                await _first_words(engine, surroundings, env, first)
                engine.lost = await recover(parts, engine.folders, me.boot_id)
                yield engine
                reason = engine.stopped_by if is_daemon else None
                await tenure.end(store, actor, clock, reason=reason, synced=recorder.written)
        finally:
            asyncio.get_running_loop().remove_reader(bell.fileno())
            watching.close()
            await recorder.flush()
            recorder.close()
            engine.close_log()
            parts.reader.close()


def _keep_log(engine: Engine, recorder: Recorder, first: First) -> None:
    """The daemon's log, from what a dead daemon has committed and not written any more."""
    if first.daemon is None:
        return
    engine.journal = journal = Journal(engine)
    if first.standing.broken is None:
        journal.since(first.standing.written_seq)
    journal.wake, recorder.after = recorder.wake, journal.follow


async def _first_words(
    engine: Engine, surroundings: Surroundings, env: Mapping[str, str], first: First
) -> None:
    """Whom to tell must be known before there is something to tell."""
    engine.parts, surroundings.config = await configure(engine.parts, drivers, env)
    await greet(engine.parts, first)


def _surroundings(
    env: Mapping[str, str], looked_into: Sequence[str], clock: SystemClock
) -> Surroundings:
    return Surroundings(
        env=env,
        roots=looked_into,
        drivers=drivers,
        zone=lambda: zone.machine_zone(env),
        zone_mark=lambda: zone.fingerprint(env),
        asleep=asleep,
    )


class _Listener:
    """Brings signals to the engine: the daemon reads its files again on SIGHUP, all else stops."""

    def __init__(
        self, purpose: Purpose, signals: Signals, leaving: Callable[[str, Unfinished], None]
    ) -> None:
        self._purpose = purpose
        self._signals = signals
        self._leaving = leaving

    @contextmanager
    def attached(self, engine: Engine, surroundings: Surroundings) -> Iterator[None]:
        """While this lasts, ``engine`` hears; what came before it existed is told at once."""
        loop = asyncio.get_running_loop()

        def hear(name: str) -> None:
            if name == HUP and self._purpose.role == DAEMON:
                _reload(surroundings, engine)
                return
            first = not engine.stopping
            engine.stop(name)
            if first:
                self._leaving(name, engine.unfinished())

        with self._signals.told_to(lambda name: loop.call_soon_threadsafe(hear, name)):
            yield


@contextmanager
def _faults_of(engine: Engine | None) -> Iterator[None]:
    """What is no error that dotagent knows of ends as a ``Fault``. Without an engine nobody knows
    what is secret: only the place is named."""
    try:
        yield
    except DotagentError:
        raise
    except Exception as error:
        raise (Fault(fault(error)) if engine is None else _fault(engine, error)) from None


def _fault(engine: Engine, error: Exception) -> Fault:
    """What nobody foresaw: said shortly to the person, in full to the log, to neither a secret."""
    trace = "".join(traceback.format_exception(error))
    trace = Redactor(all_values(engine.parts, engine.catalogue)).text(trace)
    log, kept = engine.parts.paths.daemon_log, keep_fault(engine, __version__, trace)
    return Fault(
        f"a fault of dotagent itself has ended it ({type(error).__name__})",
        f"Its traceback is in {log}; please report it." if kept else f"{log} cannot be written.",
    )


def _watch(
    paths: Paths, purpose: Purpose, engine: Engine, surroundings: Surroundings, bell: Bell
) -> Watching:
    """The bell and, for who plans, the kernel's file notices."""
    loop = asyncio.get_running_loop()
    loop.add_reader(bell.fileno(), _rung, bell, engine)
    zone_file = zone.file(surroundings.env)
    watching = Watching(paths, surroundings, engine.poke, () if zone_file is None else (zone_file,))
    if purpose.plan:
        watching.begin()
    else:
        engine.stand_in.on_begin = watching.begin
    return watching


def _reload(surroundings: Surroundings, engine: Engine) -> None:
    surroundings.files_changed()
    engine.poke()


def _rung(bell: Bell, engine: Engine) -> None:
    bell.drain()
    engine.poke()


def _mode(purpose: Purpose) -> Mode:
    return Mode(
        plan=purpose.plan,
        max_running=max(16, 4 * (os.cpu_count() or 1)),
        # A person who interrupts a command does not want to wait for what it runs.
        stop_grace_ms=None if purpose.until is None else 0,
        until=purpose.until,
        own=purpose.own,
        failed=purpose.failed,
        told=purpose.told,
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
    dirs = search_dirs(inherited, user_home, paths.home)

    async def heard(name: str, what: str, answer: Answer) -> None:
        await keep_words(parts, name, what, answer)

    plugins = PluginSender(speak, dirs, inherited, heard)
    parts = Parts(
        paths=paths,
        clock=clock,
        store=store,
        reader=reader,
        spawner=RealSpawner(clock),
        speak=speak,
        ping=kit.ping,
        sender=Senders(kit, plugins),
        driver=registry.load,
        actor=actor,
        home_id=home_id,
        home_key=home_key,
        chance=chance,
        environment=inherited,
        user_home=user_home,
    )
    return parts
