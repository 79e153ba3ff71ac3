"""The engine: one process over the home's database. Who calls the steps, and when.

One loop: take what other processes asked, plan, claim, start what was claimed, then sleep until the
next thing is due, the bell rings, something ends or the clock is stepped. Each attempt and each
send is a task of its own: nothing delays another or a signal (promise P3). Invariants: only the
holder of the lock runs an engine (rules R1); the next wake is computed after the bell is drained
(R2); while the store is in trouble nothing new is claimed (R12).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from dotagent.core.config import Config
from dotagent.core.errors import HomeError, StoreBusy
from dotagent.engine.asked import Asked
from dotagent.engine.chores import Chores
from dotagent.engine.journal import Journal
from dotagent.engine.mode import Mode, Turn, Unfinished
from dotagent.engine.outgoing import Outgoing
from dotagent.engine.recorder import Recorder
from dotagent.engine.standing_in import TAKES_OVER, StandIn
from dotagent.engine.surroundings import Surroundings
from dotagent.ports import Clock
from dotagent.steps.catalogue import Catalogue, Drivers
from dotagent.steps.greet import tell_broken
from dotagent.steps.parts import Parts
from dotagent.steps.perform import Attempt, Job
from dotagent.steps.plugin_call import Folders
from dotagent.store import attempts, outbox, plan, timely, windows
from dotagent.store.attempts import Run
from dotagent.store.database import Tx
from dotagent.store.holders import Orphan
from dotagent.system.home import keep_reserve

LOOK_AGAIN_MS = 1_000
FULL_MS = 5_000
"""When to look whether a full disk has room again."""
BUSY_MS = 1_000
"""When to try again what the store would not take."""
END_MS = 20_000
"""How long interrupted attempts may take to die and to settle, in a store that may be in trouble;
what has not settled by then is settled as lost by the next holder."""
SEND_GRACE_MS = 3_000
"""How long a planned stop waits for answers; what has none by then is sent again, flagged."""


class Engine:
    """Runs the line. ``surroundings`` is what may change around it: files, zone, clock, bell."""

    def __init__(
        self,
        parts: Parts,
        catalogue: Catalogue,
        mode: Mode,
        surroundings: Surroundings,
        recorder: Recorder,
    ) -> None:
        self.parts = parts
        self.catalogue = catalogue
        self.mode = mode
        self.attempts: dict[int, Attempt] = {}
        self.folders = Folders()
        self.journal: Journal | None = None
        """The daemon's log; a command has none."""
        self.lost: Sequence[Orphan] = ()
        """What a dead holder left running: until those have been answered who asked before us."""
        self._surroundings = surroundings
        self.recorder = recorder
        self.stand_in = StandIn(self)
        self._asked = Asked(self)
        self.chores = Chores()
        self.outgoing = Outgoing(self)
        self._tasks: set[asyncio.Task[None]] = set()
        self._poke = asyncio.Event()
        self._stopping: str | None = None
        self._failure: BaseException | None = None
        self.is_ending = False
        self._ticks: dict[int, int] = {}
        """Requests to run what is due once, and how many runs that has been so far."""

    # ------------------------------------------------------------------------------- from outside

    def poke(self) -> None:
        """Something may be due: look again."""
        self._poke.set()

    def stop(self, why: str) -> None:
        """Begin a planned stop; a second call ends the waiting (rules R11)."""
        if self._stopping is not None:
            self._interrupt(why)
        self._stopping = why
        self.poke()

    def tick(self, request_id: int) -> None:
        """Plan and start what is due now; the request is answered when all of it has started."""
        self._ticks[request_id] = 0

    def unfinished(self) -> Unfinished:
        """What a stop has to wait for."""
        runs = [f"{each.run.agent}/{each.run.schedule_id}" for each in self.attempts.values()]
        return Unfinished(runs=sorted(runs), sends=self.outgoing.count, grace_ms=self._grace_ms)

    @property
    def stopping(self) -> bool:
        return self._stopping is not None

    @property
    def stopped_by(self) -> str | None:
        """The name of the signal that stopped it."""
        return self._stopping

    @property
    def room(self) -> int:
        """How many more attempts may run."""
        most = self.config.daemon.max_running or self.mode.max_running
        return most - len(self.attempts)

    @property
    def _grace_ms(self) -> int:
        if self._failure is not None:
            return 0
        given = self.mode.stop_grace_ms
        handing_over = self.is_ending and not self.stopping
        return self.config.daemon.stop_grace_ms if given is None or handing_over else given

    @property
    def _plans(self) -> bool:
        return self.mode.plan or self.stand_in.wanted

    async def run(self) -> None:
        """The loop, until a stop or until this command's own work is settled. Raises what a task
        of its own raised: a fault of dotagent itself ends it visibly, never halfway."""
        self.parts.clock.watch(self.poke)
        self.parts.trouble.on_change = self.poke
        self.recorder.on_broken = self.poke
        recorder = asyncio.create_task(self.recorder.run())
        recorder.add_done_callback(self._done)
        try:
            while self._stopping is None and not self._settled():
                self._poke.clear()
                turn = await self._look()
                if self.journal is not None:
                    self.journal.look()
                if not turn.more:
                    self._surroundings.due_at = at = self._soon(turn.wake_at)
                    await self._sleep(at)
            await self._wind_down()
        finally:
            await self._surroundings.close()
            await self.chores.close()
            await self.parts.vault.close()
            await self._cancel_all()
            recorder.cancel()
            with suppress(asyncio.CancelledError):
                await recorder
            await self.recorder.flush()
        if self._failure is not None:
            raise self._failure

    def close_log(self) -> None:
        """The recorder writes no more."""
        if self.journal is not None:
            self.journal.close()

    # ------------------------------------------------------------------------------------ one turn

    async def _look(self) -> Turn:
        """One turn. What the store would not take is tried again at the next: the loop itself never
        waits for a store in trouble, so that a stop is heard."""
        try:
            await self._surroundings.renew(self)
            await self._tell_of_the_record()
            await self._asked.look()
            self.chores.look(self, self._surroundings.looks)
            turn = await self._turn()
            self.parts.trouble.is_refused = False
            return turn
        except StoreBusy as error:
            self.chores.refused(self, error)
            return Turn(wake_at=self.parts.clock.now() + BUSY_MS)

    async def _turn(self) -> Turn:
        if self.parts.trouble.waiting:
            return Turn()
        if not await self._has_room():
            return Turn(wake_at=self.parts.clock.now() + FULL_MS)
        planning = self._plans or bool(self._ticks)
        turn = await self.parts.store.write(lambda tx: self._claim(tx, planning))
        if not self._ticks:
            self.stand_in.began(turn.runs)
        for run in turn.runs:
            self.start(run)
        self.outgoing.send(turn.claims)
        await self._count(turn)
        return turn

    async def _tell_of_the_record(self) -> None:
        """Somebody else has changed the audit file."""
        broken = self.recorder.broken
        if broken is not None:
            await tell_broken(self.parts, broken)
            self.recorder.broken = None

    async def _has_room(self) -> bool:
        """After a full disk nothing new starts until the reserve is back (product §8)."""
        trouble = self.parts.trouble
        if trouble.spent:
            with suppress(HomeError):  # a disk that may only be read has no room either
                kept = await asyncio.to_thread(keep_reserve, self.parts.paths.reserve)
                trouble.spent = not kept
        return not trouble.spent

    async def _count(self, turn: Turn) -> None:
        """A tick is answered once all that is due has started, of new manifests too."""
        for request_id in self._ticks:
            self._ticks[request_id] += len(turn.runs)
        is_reading = self._surroundings.is_reading(self.parts.clock)
        if self._ticks and not turn.more and not turn.full and not is_reading:
            await self._asked.ticked(self._ticks)
            self._ticks = {}

    def _claim(self, tx: Tx, planning: bool) -> Turn:
        now, actor = self.parts.clock.now(), self.parts.actor
        planned = plan.plan_due(tx, actor, now) if planning else None
        if planning:
            is_through = planned is None or not planned.more
            timely.look(tx, actor, now, self.config.summary, planned=is_through)
        runs = attempts.claim_due(tx, actor, now, self.room) if planning and self.room > 0 else []
        room = self.outgoing.room
        claims = outbox.claim(tx, actor, now, room) if room > 0 else []
        return Turn(
            runs=runs,
            claims=claims,
            wake_at=self._wake_at(tx, now, len(runs), len(claims)),
            more=planned is not None and planned.more,
            full=len(runs) >= self.room,
        )

    def _wake_at(self, tx: Tx, now: int, started: int, sent: int) -> int | None:
        """The earliest thing that time alone makes due. Where there is no room, an end makes it."""
        wakes = [self._surroundings.look_at]
        if self._plans:
            actor, summary = self.parts.actor, self.config.summary
            wakes.append(self.chores.due_at)
            wakes += [plan.next_look(tx), timely.next_wake(tx, actor, now, summary)]
            if self.room - started > 0:
                wakes.append(windows.next_wake(tx))
        if self.outgoing.room - sent > 0:
            wakes.append(outbox.next_wake(tx))
        known = [at for at in wakes if at is not None]
        return max(min(known), now) if known else None

    def _soon(self, at: int | None) -> int | None:
        """A command also looks whether its person has waited long enough."""
        if self.mode.until is None:
            return at
        again = self.parts.clock.now() + LOOK_AGAIN_MS
        return again if at is None else min(at, again)

    async def _sleep(self, at: int | None) -> None:
        """Until ``at``, a poke, or a stepped clock."""
        poked = asyncio.create_task(self._poke.wait())
        waits: set[asyncio.Task[Any]] = {poked}
        if at is not None:
            waits.add(asyncio.create_task(_reached(self.parts.clock, at)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _settled(self) -> bool:
        if self._failure is not None:
            return True
        until = self.mode.until
        # ``until`` also shows how things stand: it is asked every time.
        is_done = until is not None and until(self.parts.reader)
        return is_done and not self.stand_in.own_work_runs and not self._asked.owes

    # --------------------------------------------------------------------------------------- tasks

    def start(self, run: Run, job: Job | None = None) -> None:
        """Make a claimed attempt in a task of its own."""
        attempt = Attempt(self.parts, run)
        self.attempts[run.attempt_id] = attempt
        self._spawn(self._perform(attempt, job))

    async def _perform(self, attempt: Attempt, job: Job | None) -> None:
        run = attempt.run
        try:
            claims = await attempt.perform(self.catalogue, job, room=self.outgoing.room_for_news)
        finally:
            del self.attempts[run.attempt_id]
        self.outgoing.send(claims)
        if attempt.failed is not None:
            self.mode.failed(run, attempt.failed)
        await self._asked.ended(run)
        await self.folders.after(self.parts, run.attempt_id, run.marker)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this beside all else; a fault of it is ours."""
        self._spawn(work)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
        self.poke()

    # ---------------------------------------------------------------------------------------- stop

    async def _wind_down(self) -> None:
        """No new starts; what runs may end by itself within the grace, then it is interrupted. Only
        a stop cuts sends short: each has its own deadline."""
        self.is_ending = True
        await self._attempts_end(lambda: self._grace_ms)
        self._interrupt(self._stopping or TAKES_OVER)
        await self._attempts_end(lambda: END_MS)
        clock = self.parts.clock
        sends_until = clock.monotonic() + SEND_GRACE_MS
        while self._tasks and self._failure is None:
            left_ms = sends_until - clock.monotonic()
            if self.stopping and left_ms <= 0:
                break
            self._poke.clear()
            await self._sleep(clock.now() + left_ms if self.stopping else None)

    async def _attempts_end(self, most_ms: Callable[[], int]) -> None:
        """Within that time from now, which may get shorter meanwhile; or not."""
        clock = self.parts.clock
        began = clock.monotonic()
        while self.attempts and (left_ms := began + most_ms() - clock.monotonic()) > 0:
            self._poke.clear()
            await self._sleep(clock.now() + left_ms)

    def _interrupt(self, why: str) -> None:
        for attempt in self.attempts.values():
            attempt.stop(why)

    async def _cancel_all(self) -> None:
        """A send that is cut short settles as unknown, if the store takes that at once."""
        self.parts.trouble.ending = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def config(self) -> Config:
        """What config.toml says, as last read."""
        return self._surroundings.config

    @property
    def drivers(self) -> Drivers:
        """The drivers that manifests may name."""
        return self._surroundings.drivers

    async def reload(self) -> None:
        """Read manifests, configuration and secrets now."""
        await self._surroundings.reread(self)


async def _reached(clock: Clock, at: int) -> None:
    await clock.sleep_until(at)
