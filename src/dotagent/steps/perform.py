"""One attempt, from claim to settled: preflight, spawn, watch, judge, commit.

Invariants: a claimed attempt always settles, also when this code itself fails; the child's identity
is stored before anything waits for it; the settling commit is repeated until it stands (rules R12).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from dotagent.core.decide import Codes, Judgement, Verdict, judge
from dotagent.core.errors import DotagentError, HomeError, NotFound, StoreCorrupt
from dotagent.core.expect import unmet
from dotagent.core.manifest import Manifest, Schedule
from dotagent.core.model import Blocked, Ended, Exited, Interrupted, NotStarted
from dotagent.ports import Child, Order
from dotagent.steps import attempt_order, preflight
from dotagent.steps.catalogue import Catalogue
from dotagent.steps.faults import fault
from dotagent.steps.heartbeats import Beat
from dotagent.steps.parts import Parts
from dotagent.steps.vault import names_in
from dotagent.store import attempts, look
from dotagent.store.attempts import Run
from dotagent.store.outbox import Claim
from dotagent.store.settle_attempt import settle
from dotagent.system import proof, scratch
from dotagent.system.scratch import Scratch


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What an attempt runs: the manifest in force, the folder it lies in, which schedule."""

    manifest: Manifest
    schedule: Schedule
    folder: str
    dry_run: bool = False
    tee: tuple[str, str] | None = None
    base: Mapping[str, str] | None = field(default=None, repr=False)
    """What it inherits instead of the daemon's environment."""


class Attempt:
    """An attempt under way. ``stop`` ends it early; safe to call at any time."""

    def __init__(self, parts: Parts, run: Run) -> None:
        self.parts = parts
        self.run = run
        self._asking: asyncio.Task[Blocked | None] | asyncio.Task[None] | None = None
        self._child: Child | None = None
        self._stop: Interrupted | None = None
        self._began_ms = parts.clock.monotonic()
        self.failed: str | None = None
        """How it failed, in words, once that is committed."""

    def stop(self, why: str, by: str = "") -> None:
        """Interrupt it: TERM, grace, KILL (rules R11); for good, where a person wants that. The
        first reason stands."""
        self._stop = self._stop or Interrupted(why=why, by=by)
        if self._asking is not None:
            self._asking.cancel()
        if self._child is not None:
            self._child.interrupt(why)

    async def perform(
        self, catalogue: Catalogue, job: Job | None, *, room: Callable[[], int]
    ) -> Sequence[Claim]:
        """Make the attempt and settle it; ``job`` None is the manifest that the store adopted.
        Returns the deliveries to send at once, ``room()`` at most as it settles."""
        parts, run = self.parts, self.run
        try:
            job = job or job_of(parts, catalogue, run)
            ended, judgement = await self._make(job, _folder(run))
        except StoreCorrupt:
            raise  # nothing can be settled any more: whoever holds the home sets the file aside
        except DotagentError as error:
            ended, judgement = self._not_started(error.message)
        except Exception as error:  # a fault of ours must not take the other agents down
            ended, judgement = self._not_started(fault(error))
        claims = await parts.commit(
            lambda tx: settle(tx, parts.actor, run.attempt_id, judgement, ended, room=room())
        )
        self.failed = judgement.words if judgement.verdict is Verdict.FAILED else None
        return claims

    async def _make(self, job: Job, folder: Scratch) -> tuple[Ended, Judgement]:
        parts, run = self.parts, self.run
        await self._await_secrets(job.manifest)
        blocked = await self._ask(job.manifest)
        if blocked is not None:
            ended = self._timed(Ended(exit=blocked, ended_at=parts.clock.now()))
            return ended, _judge(job, ended, None)
        self._began_ms = parts.clock.monotonic()
        beat = Beat(parts, run, job.schedule, silent=job.dry_run)
        order = attempt_order.make(
            parts,
            job.manifest,
            job.schedule,
            run,
            folder=job.folder,
            scratch=folder,
            started_at=beat.start(),
            dry_run=job.dry_run,
            tee=job.tee,
            base=job.base,
        )
        expect = job.manifest.expect
        before = await proof.before(expect, order.cwd) if expect is not None else None
        ended = self._timed(await self._run(order, beat.started_at))
        missing = None
        if expect is not None and before is not None and isinstance(ended.exit, Exited):
            facts = await proof.facts(
                expect,
                order.cwd,
                before=before,
                ended=ended,
                started_at=beat.started_at,
                zone=parts.actor.zone,
            )
            missing = unmet(expect, facts=facts)
        judgement = _judge(job, ended, missing)
        beat.end(judgement, ended.ended_at)
        return ended, judgement

    async def _await_secrets(self, manifest: Manifest) -> None:
        """What it needs and 1Password keeps may still be on its way; a stop is not held up."""
        configs = [hook.config for hook in manifest.preflight]
        needed = {*manifest.env.from_secrets, *names_in(configs)}
        self._asking = asyncio.create_task(self.parts.vault.arrived(needed))
        try:
            await self._asking
        except asyncio.CancelledError:
            if self._stop is None:
                raise
        finally:
            self._asking = None

    async def _ask(self, manifest: Manifest) -> Blocked | Interrupted | None:
        """What preflight says against it; a stop ends the question."""
        self._asking = asyncio.create_task(preflight.ask(self.parts, manifest, self.run))
        try:
            return await self._asking
        except asyncio.CancelledError:
            if self._stop is None:
                raise
            return self._stop
        finally:
            self._asking = None

    async def _run(self, order: Order, started_at: int) -> Ended:
        if self._stop is not None:  # nothing has begun yet that would have to be ended
            return Ended(exit=self._stop, ended_at=self.parts.clock.now())
        started = await self.parts.spawner.start(order)
        if isinstance(started, NotStarted):
            return Ended(exit=started, ended_at=self.parts.clock.now())
        return await self._watch(started, started_at, order.timeout_ms)

    async def _watch(self, child: Child, started_at: int, timeout_ms: int) -> Ended:
        parts, attempt_id = self.parts, self.run.attempt_id
        self._child = child
        if self._stop is not None:
            child.interrupt(self._stop.why)
        with suppress(DotagentError):  # a store in trouble: the marker still finds the child
            await parts.store.write(
                lambda tx: attempts.spawned(
                    tx, attempt_id, started_at, child.pid, child.started_ticks, timeout_ms
                )
            )
        ended = await child.wait()
        if self._stop is not None and isinstance(ended.exit, Interrupted):
            return replace(ended, exit=self._stop)
        return ended

    def _timed(self, ended: Ended) -> Ended:
        return replace(ended, lasted_ms=self.parts.clock.monotonic() - self._began_ms)

    def _not_started(self, why: str) -> tuple[Ended, Judgement]:
        ended = Ended(exit=NotStarted(code=126, why=why), ended_at=self.parts.clock.now())
        return ended, judge(ended.exit, Codes())


def _folder(run: Run) -> Scratch:
    try:
        return scratch.make(run.marker)
    except OSError as error:
        why = f"its temporary folder could not be made: {error.strerror}"
        raise HomeError(why) from error


def job_of(parts: Parts, catalogue: Catalogue, run: Run) -> Job:
    """The adopted manifest and the schedule of a claimed window. Raises ``DotagentError``."""
    row = look.agent(parts.reader, run.agent)
    assert row is not None
    manifest = catalogue.manifest(run.agent, run.manifest_sha256)
    for schedule in manifest.schedules:
        if schedule.id == run.schedule_id:
            return Job(manifest=manifest, schedule=schedule, folder=os.path.dirname(row["path"]))
    raise NotFound(f"the manifest of {run.agent} has no schedule {run.schedule_id!r}")


def _judge(job: Job, ended: Ended, missing: str | None) -> Judgement:
    run = job.manifest.run
    codes = Codes(
        success=run.success_codes,
        warn=run.warn_codes,
        skip=run.skip_codes,
        no_retry=run.no_retry_codes,
    )
    said = ended.result
    return judge(
        ended.exit,
        codes,
        outcome=said.get("outcome"),
        retry_at=said.get("retry_at"),
        unmet=missing,
    )
