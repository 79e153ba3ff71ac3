"""Requests of other processes, carried out by the holder (rules R2).

``run``: an attempt that a person asked for; ``stop``: who asked wants it no more. ``stop_runs``:
what runs of an agent ends. ``retry``, ``cancel``: deliveries. ``silence``, ``end_silence``,
``ack``, ``summary``: what is told; ``test``: a message that tries channels. ``pause``, ``resume``,
``skip``: what is not to run. ``tick``: plan and start what is due now. ``stand_in``: do so for a
daemon that waits. ``reload``: read manifests, configuration and secrets again. An answer is plain
data; one with ``error`` and ``exit`` says what a command must print and exit with.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dotagent.core.errors import (
    DotagentError,
    HomeError,
    NotFound,
    StoreBusy,
    StoreCorrupt,
    UsageError,
)
from dotagent.core.manifest import Manifest, Schedule
from dotagent.core.model import AttemptKind
from dotagent.core.shapes import EventName
from dotagent.core.targets import of_notifiers
from dotagent.core.when import Every
from dotagent.engine.stopping import Stops
from dotagent.steps.catalogue import accepted, parse
from dotagent.steps.faults import fault
from dotagent.steps.perform import Job
from dotagent.steps.rows import agent_rows
from dotagent.store import adopt, attempts, look, pausing, requests, resend, say, tryout
from dotagent.store.actor import Actor
from dotagent.store.attempts import Run
from dotagent.store.database import Op, T, Tx
from dotagent.store.requests import Request
from dotagent.store.tryout import Wish
from dotagent.system import goodcopy, shellenv

if TYPE_CHECKING:
    from dotagent.engine.embedded import Engine

DAY_MS = 86_400_000
Answer = Mapping[str, Any]
READING = "the manifests are still being read; it goes on when that is done"


class Asked:
    """Takes the requests of the home. ``None`` from a handler: not yet, look again next turn."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._called_off: set[int] = set()
        self._stops = Stops(engine)
        self._handlers: Mapping[str, Callable[[Request, Any], Awaitable[Answer | None]]] = {
            "run": self._run,
            "stop": self._stop,
            "stop_runs": self._stops.look,
            "retry": self._retry,
            "cancel": self._cancel,
            "silence": self._silence,
            "end_silence": self._end_silence,
            "ack": self._ack,
            "summary": self._summary,
            "test": self._test,
            "pause": self._pause,
            "resume": self._resume,
            "skip": self._skip,
            "tick": self._tick,
            "stand_in": engine.stand_in.look,
            "reload": self._reload,
        }

    async def _write(self, op: Op[T]) -> T:
        """Now or not at all: what the store does not take is asked again at the next turn."""
        return await self._engine.parts.store.write(op)

    async def look(self) -> None:
        """Take what waits, in order; one may call off another."""
        parts = self._engine.parts
        self._engine.stand_in.wanted = False
        for request in requests.waiting(parts.reader):
            if requests.request(parts.reader, request.id).state == "waiting":
                await self._handle(request)
        self._engine.lost = ()

    @property
    def owes(self) -> bool:
        """Whether somebody is still to be answered who was the cause that runs ended."""
        return self._stops.owes

    async def _handle(self, request: Request) -> None:
        parts = self._engine.parts
        handler = self._handlers.get(request.kind)
        try:
            if handler is None:
                raise UsageError(f"this dotagent does not know the request {request.kind!r}")
            answer = await handler(request, request.args)
        except (StoreBusy, StoreCorrupt):
            raise  # it still waits, for the next turn or for the next holder
        except DotagentError as error:
            answer = {"error": error.message, "hint": error.hint, "exit": error.exit_code}
        except Exception as error:  # of another version, say: it must not be asked for ever
            said = f"the request {request.kind!r} could not be carried out: {fault(error)}"
            answer = {"error": said, "hint": None, "exit": DotagentError.exit_code}
        if answer is not None:
            done = answer
            await self._write(lambda tx: requests.finish(tx, parts.clock.now(), request.id, done))

    async def ended(self, run: Run) -> None:
        """An attempt has settled: answer whoever asked for it. One that only our own end
        interrupted waits for the next holder, who may be the very one that asked."""
        if run.request_id is None:
            return
        parts, request_id = self._engine.parts, run.request_id
        is_final = request_id in self._called_off or request_id == self._engine.mode.own
        self._called_off.discard(request_id)
        await parts.commit(
            lambda tx: requests.ran(
                tx, parts.clock.now(), request_id, run.attempt_id, is_final=is_final
            )
        )

    async def ticked(self, ticks: Mapping[int, int]) -> None:
        """All that was due has started: answer who asked, with how many runs that was."""
        parts = self._engine.parts

        def commit(tx: Tx) -> None:
            for request_id, count in ticks.items():
                requests.finish(tx, parts.clock.now(), request_id, {"dispatched": count})

        await self._write(commit)

    # ---------------------------------------------------------------------------------- attempts

    async def _run(self, request: Request, args: Mapping[str, Any]) -> Answer | None:
        if not request.note:  # the first look: what a person has just saved is what they mean
            await self._engine.reload()
        parts = self._engine.parts
        try:
            manifest, sha256, folder = await self._manifest(args)
        except NotFound:
            if await self._may_come(request):
                return None
            raise
        schedule = _schedule(manifest, args.get("schedule"))
        if parts.trouble.waiting or parts.trouble.spent:
            await self._note(
                request, f"it starts as soon as it can be recorded: {parts.trouble.why}"
            )
            return None
        if self._engine.room <= 0:
            await self._note(request, "all slots are taken; it starts as soon as one is free")
            return None

        base = self._shell_env(args)
        kind = AttemptKind(args["kind"])
        run = await self._claim(request.id, manifest.agent.name, schedule.id, kind, sha256)
        if run is None:
            await self._note(
                request, "a run of this schedule is in progress; it starts when that ends"
            )
            return None
        job = Job(
            manifest=manifest,
            schedule=schedule,
            folder=folder,
            dry_run=bool(args.get("dry_run")),
            tee=tee_paths(parts.paths.requests, request.id) if args.get("tee") else None,
            base=base,
        )
        if base is not None:
            shellenv.take_back(parts.paths.requests, args["shell_env"])
        self._engine.start(run, job)
        return None

    async def _claim(
        self, request_id: int, agent: str, schedule_id: str, kind: AttemptKind, sha256: str
    ) -> Run | None:
        """The attempt, and the request taken; None while another one of the schedule runs."""
        parts = self._engine.parts

        def claim(tx: Tx) -> Run | None:
            claimed = attempts.claim_asked(
                tx,
                parts.actor,
                parts.clock.now(),
                agent=agent,
                schedule_id=schedule_id,
                kind=kind,
                sha256=sha256,
                request_id=request_id,
            )
            if claimed is not None:
                requests.take(tx, parts.actor, request_id)
            return claimed

        return await self._write(claim)

    def _shell_env(self, args: Mapping[str, Any]) -> Mapping[str, str] | None:
        """The environment of the person who asks, where the run is to have that."""
        name = args.get("shell_env")
        return None if name is None else shellenv.read(self._engine.parts.paths.requests, name)

    async def _manifest(self, args: Mapping[str, Any]) -> tuple[Manifest, str, str]:
        """The manifest to run, its hash and its folder: an adopted one, or the file that the
        request names together with its hash (``./agents`` of the person who asks)."""
        parts, name = self._engine.parts, args["agent"]
        row = look.agent(parts.reader, name)
        if row is None or row["gone_at"] is not None:
            row = None
        # Who asked may have looked before we had: a file of the home is not a visitor.
        if args.get("path") and (row is None or row["path"] != args["path"]):
            return await self._visit(args["path"], args["sha256"])
        if row is None:
            raise NotFound(f"there is no agent {name!r}", "See: dotagent status")
        manifest = self._engine.catalogue.manifest(name, row["sha256"])
        return manifest, row["sha256"], os.path.dirname(row["path"])

    async def _visit(self, path: str, sha256: str) -> tuple[Manifest, str, str]:
        """An agent that is not of this home: its notifiers are known, nothing is scheduled."""
        parts = self._engine.parts
        data = accepted(path, sha256)
        manifest = parse(path, data, self._engine.drivers())
        name = manifest.agent.name
        row = look.agent(parts.reader, name)
        if row is not None and row["gone_at"] is None:
            raise UsageError(f"there is an agent {name!r} in the home too: {row['path']}")
        try:
            goodcopy.write(parts.paths.good_manifest(name), data)
        except OSError as error:
            raise HomeError(f"no copy of {path} can be kept: {error.strerror}") from error
        rows = replace(agent_rows(parts, manifest, path, sha256), schedules=())
        await self._write(lambda tx: adopt.visit(tx, parts.clock.now(), rows))
        return manifest, sha256, os.path.dirname(path)

    async def _stop(self, request: Request, args: Mapping[str, Any]) -> Answer:
        parts, wanted, why = self._engine.parts, int(args["request"]), str(args["why"])
        for attempt in self._engine.attempts.values():
            if attempt.run.request_id == wanted:
                self._called_off.add(wanted)
                attempt.stop(why)
                return {}
        await self._write(lambda tx: requests.call_off(tx, parts.clock.now(), wanted, why))
        return {}

    async def _may_come(self, request: Request) -> bool:
        """Whether a look under way may still bring the agent; its end wakes us."""
        reading = self._engine.chores.reading
        if reading is not None:
            await self._note(request, READING)
        return reading is not None

    async def _note(self, request: Request, text: str) -> None:
        if request.note != text:
            await self._write(lambda tx: requests.note(tx, request.id, text))

    # -------------------------------------------------------------------------------- deliveries

    async def _retry(self, request: Request, args: Mapping[str, Any]) -> None:
        def again(tx: Tx, now: int) -> list[int]:
            ids = list(args.get("ids", ()))
            ids += resend.dead(tx) if args.get("dead") else []
            ids += resend.waiting_for_parked(tx) if args.get("parked") else []
            return resend.again(tx, now, ids)

        await self._over_deliveries(request, again)

    async def _cancel(self, request: Request, args: Mapping[str, Any]) -> None:
        why = f"cancelled: {args['why']}" if args.get("why") else "cancelled by hand"
        await self._over_deliveries(
            request,
            lambda tx, now: resend.cancel(tx, self._engine.parts.actor, now, args["ids"], why),
        )

    async def _over_deliveries(
        self, request: Request, act: Callable[[Tx, int], Sequence[int]]
    ) -> None:
        """Done and answered in one commit: nothing goes out twice because the answer was lost."""
        await self._say(request, lambda tx, now: {"deliveries": list(act(tx, now))})

    # ------------------------------------------------------------------------------- what is told

    async def _silence(self, request: Request, args: Mapping[str, Any]) -> None:
        await self._say(request, lambda tx, now: say.silence(tx, self._actor, now, args))

    async def _end_silence(self, request: Request, args: Mapping[str, Any]) -> None:
        await self._say(request, lambda tx, now: say.end_silence(tx, self._actor, now, args))

    async def _ack(self, request: Request, args: Mapping[str, Any]) -> None:
        await self._say(request, lambda tx, now: say.ack(tx, self._actor, now, args))

    async def _summary(self, request: Request, args: Mapping[str, Any]) -> None:
        settings = self._engine.config.summary
        await self._say(request, lambda tx, now: say.summary(tx, self._actor, now, settings))

    async def _test(self, request: Request, args: Mapping[str, Any]) -> None:
        if not request.note:
            await self._renewed(request)
        try:
            wish = await self._wish(args)
        except NotFound:
            if await self._may_come(request):
                return
            raise
        await self._say(request, lambda tx, now: tryout.tryout(tx, self._actor, now, wish))

    async def _wish(self, args: Mapping[str, Any]) -> Wish:
        """The notifiers that there are to try: hooks are none."""
        parts, shows = self._engine.parts, args.get("event")
        keys = [("", target.key) for target in parts.routes]
        agent, schedule = str(args.get("agent") or ""), ""
        if agent:
            manifest, _, _ = await self._manifest({"agent": agent})
            own = of_notifiers(manifest.notifiers, parts.home_key, parts.addressed)
            keys += [(agent, target.key) for target in own]
            schedule = _schedule(manifest, None).id
        return Wish(
            keys=keys,
            names=tuple(args.get("notifiers") or ()),
            agent=agent,
            schedule_id=schedule,
            shows=None if shows is None else EventName().take(shows),
        )

    @property
    def _actor(self) -> Actor:
        return self._engine.parts.actor

    async def _say(self, request: Request, act: Callable[[Tx, int], Answer]) -> None:
        """Done and answered in one commit."""
        now = self._engine.parts.clock.now()
        await self._write(lambda tx: requests.finish(tx, now, request.id, act(tx, now)))

    # -------------------------------------------------------------------------- what is not to run

    async def _pause(self, request: Request, args: Mapping[str, Any]) -> None:
        await self._renewed(request)
        await self._say(request, lambda tx, now: pausing.pause(tx, self._actor, now, args))

    async def _resume(self, request: Request, args: Mapping[str, Any]) -> None:
        await self._renewed(request)
        await self._say(request, lambda tx, now: pausing.resume(tx, self._actor, now, args))

    async def _skip(self, request: Request, args: Mapping[str, Any]) -> None:
        await self._renewed(request)
        await self._say(request, lambda tx, now: pausing.skip(tx, self._actor, now, args))

    async def _renewed(self, request: Request) -> None:
        """What a person has just saved is what they speak of."""
        if request.id != self._engine.mode.own:  # else all files have just been read
            await self._engine.reload()

    # ------------------------------------------------------------------------------------ the rest

    async def _tick(self, request: Request, args: Mapping[str, Any]) -> Answer | None:
        await self._renewed(request)
        if self._engine.mode.plan:
            return {}
        parts = self._engine.parts
        await self._write(lambda tx: requests.take(tx, parts.actor, request.id))
        self._engine.tick(request.id)
        return None

    async def _reload(self, request: Request, args: Mapping[str, Any]) -> Answer:
        await self._engine.reload()
        return {}


def _schedule(manifest: Manifest, wanted: str | None) -> Schedule:
    """The named schedule, else the first. An agent without schedules can be run by hand too."""
    for schedule in manifest.schedules:
        if wanted in (None, schedule.id):
            return schedule
    if wanted is None:
        return Schedule(id="manual", when=Every(every_ms=DAY_MS))
    ids = ", ".join(schedule.id for schedule in manifest.schedules)
    raise NotFound(
        f"{manifest.agent.name} has no schedule {wanted!r}", f"It has: {ids}" if ids else None
    )


def tee_paths(folder: str, request_id: int) -> tuple[str, str]:
    """Where the output of a request's attempt is copied for the person who watches."""
    return f"{folder}/{request_id}.out", f"{folder}/{request_id}.err"
