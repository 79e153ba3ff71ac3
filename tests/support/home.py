"""A home with a past: filled by the store's own operations, at times of the test's choosing.

A ``Past`` is the holder of its home: it adopts, plans, claims, settles and sends as the engine
does, without files, processes or network. Its clock stands still until ``go``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from dotagent.core.decide import Codes, Judgement, judge
from dotagent.core.manifest_notifier import QuietHours
from dotagent.core.model import (
    AttemptKind,
    Ended,
    Exit,
    Exited,
    Outcome,
    Sent,
    Tail,
    TimedOut,
)
from dotagent.core.slug import slug
from dotagent.core.when import Calendar, Every, When, definition
from dotagent.ports import Pace
from dotagent.store import (
    adopt,
    attempts,
    database,
    holders,
    outages,
    outbox,
    plan,
    resend,
    settle_attempt,
    settle_send,
)
from dotagent.store.actor import Actor
from dotagent.store.adopt import AgentRows, FileRow, Found, ScheduleRow
from dotagent.store.attempts import Run
from dotagent.store.database import Op, T, Tx
from dotagent.store.outbox import Claim
from dotagent.store.routing import RouteRow, set_routes
from dotagent.system import home as home_folder
from dotagent.system.paths import Paths

ROOM = 100
HOUR_MS = 3_600_000


def at(text: str, zone: tzinfo = UTC) -> int:
    """The instant of ``2026-03-29 08:30`` or ``2026-03-29 08:30:04`` on that zone's wall."""
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def daily(time: str) -> When:
    """Every day at this time."""
    hour, minute = time.split(":")
    return Calendar(expression=f"{int(minute)} {int(hour)} * * *")


def route(
    name: str,
    driver: str = "",
    events: Sequence[str] = (),
    remind: Sequence[int] = (),
    quiet_hours: QuietHours | None = None,
) -> RouteRow:
    """A notifier called ``name``, with a destination of its own."""
    driver = driver or name
    return RouteRow(
        notifier=name,
        name=name,
        driver=driver,
        events=list(events),
        remind=list(remind),
        fingerprint=f"{driver}-{name}",
        pace=Pace(),
        quiet_hours=quiet_hours,
    )


class Past:
    """See the module. ``start``: when its history begins, as ``2026-03-29 08:00``; ``root``: where
    its manifests would lie, in the home if not somewhere else."""

    def __init__(
        self, folder: Path, start: str, zone: tzinfo = UTC, root: str | None = None
    ) -> None:
        self.zone = zone
        self.day = start.split()[0]
        self.now = at(start, zone)
        self.paths = Paths(str(folder))
        home_folder.prepare(self.paths)
        self.store = database.open_store(self.paths.database)
        self._runner = asyncio.Runner()
        self._claims: list[Claim] = []
        self._runs: list[Run] = []
        self.agents: dict[str, tuple[FileRow, AgentRows]] = {}
        self.root = root or self.paths.agents
        self.actor = self.begin()

    def close(self) -> None:
        """Close the store: what happened stays."""
        self.store.close()
        self._runner.close()

    def write(self, op: Op[T]) -> T:
        """One transaction."""
        return self._runner.run(self.store.write(op))

    def go(self, text: str) -> None:
        """Set the clock: ``08:30``, ``08:30:04`` of its day, or with a date to another day."""
        day, _, time = text.rpartition(" ")
        self.day = day or self.day
        self.now = at(f"{self.day} {time}", self.zone)

    # ------------------------------------------------------------------------------------ holders

    def begin(self, role: str = "daemon") -> Actor:
        """A new holder takes the home."""
        begun = self.write(
            lambda tx: holders.begin(
                tx, self.now, role=role, pid=1, started_ticks=1, boot_id="a boot"
            )
        )
        self.actor = Actor(epoch=begun.epoch, host="web-1", zone=self.zone)
        return self.actor

    def end(self) -> None:
        """The holder ends by itself."""
        self.write(lambda tx: holders.end(tx, self.actor, self.now, reason="SIGTERM", synced=0))

    # --------------------------------------------------------------------------------- manifests

    def agent(
        self,
        name: str,
        schedules: Mapping[str, When] | None = None,
        *,
        routes: Sequence[RouteRow] = (),
        enabled: bool = True,
        max_attempts: int = 3,
        backoff_ms: Sequence[int] = (300_000,),
        stale_after_ms: int = 2 * HOUR_MS,
        stale_is_default: bool = False,
        catch_up: str = "last",
        overlap: str = "skip",
    ) -> None:
        """A manifest appears or changes; it is adopted and planned at once."""
        path = f"{self.root}/{name}/agent.toml"
        sha256 = f"{len(self.agents)}-{self.now}"
        rows = [
            ScheduleRow(
                id=schedule_id,
                slug=slug(()),
                definition=definition(when),
                run_at_start=isinstance(when, Every) and when.run_at_start,
                catch_up=catch_up,
                overlap=overlap,
                stale_after_ms=stale_after_ms,
                stale_is_default=stale_is_default,
                max_attempts=max_attempts,
                backoff_ms=list(backoff_ms),
            )
            for schedule_id, when in (schedules or {}).items()
        ]
        agent = AgentRows(
            name=name,
            path=path,
            root=self.root,
            sha256=sha256,
            enabled=enabled,
            inherits=True,
            schedules=rows,
            routes=list(routes),
        )
        self.agents[path] = (self.file(path, name, sha256), agent)
        self.adopt([agent])

    def remove(self, name: str) -> None:
        """Its manifest is deleted."""
        del self.agents[f"{self.root}/{name}/agent.toml"]
        self.adopt([])

    def break_manifest(self, name: str, problems: Sequence[Mapping[str, object]]) -> None:
        """Its manifest is edited and no longer right; one that never was right can be named too."""
        path = f"{self.root}/{name}/agent.toml"
        known = self.agents.get(path)
        agent = name if known is not None else None
        file = self.file(path, agent, "broken", problems=json.dumps(list(problems)), fatal=True)
        self.adopt([], [*(f for f, _ in self.agents.values() if f.path != path), file])

    def file(
        self,
        path: str,
        agent: str | None,
        sha256: str,
        *,
        problems: str = "[]",
        fatal: bool = False,
        shadowed_by: str | None = None,
    ) -> FileRow:
        """A manifest file as discovery finds it."""
        return FileRow(
            path=path,
            root=self.root,
            dev=1,
            inode=1,
            size=1,
            mtime_ns=self.now,
            ctime_ns=self.now,
            sha256=sha256,
            agent=agent,
            problems=problems,
            fatal=fatal,
            shadowed_by=shadowed_by,
            changed=True,
        )

    def adopt(
        self,
        agents: Sequence[AgentRows],
        files: Sequence[FileRow] | None = None,
        *,
        root_is_there: bool = True,
    ) -> None:
        """One discovery pass, and the planning that follows it."""
        if files is None:
            files = [file for file, _ in self.agents.values()]
        found = Found(
            files=files if root_is_there else [],
            agents=agents,
            roots={self.root: 1 if root_is_there else None},
        )
        self.write(lambda tx: adopt.adopt(tx, self.actor, self.now, found))
        self.plan()

    def global_routes(self, *routes: RouteRow) -> None:
        """The notifiers of config.toml."""
        self.write(lambda tx: set_routes(tx, self.now, "", list(routes)))

    # -------------------------------------------------------------------------------------- runs

    def plan(self, text: str | None = None) -> None:
        """One turn of the planner (at ``text``); reminders too."""
        if text is not None:
            self.go(text)
        self.write(lambda tx: plan.plan_due(tx, self.actor, self.now))
        self.write(lambda tx: outages.remind(tx, self.actor, self.now))
        self._claim()

    def start(self, text: str | None = None, agent: str = "") -> Run:
        """Plan, start everything that is due; the run of that agent, or the first."""
        self.plan(text)
        claimed = self.write(lambda tx: attempts.claim_due(tx, self.actor, self.now, ROOM))
        for run in claimed:
            self._spawned(run)
        self._runs += claimed
        found = next(run for run in self._runs if agent in ("", run.agent))
        self._runs.remove(found)
        return found

    def start_by_hand(
        self, agent: str, schedule: str, kind: AttemptKind = AttemptKind.MANUAL
    ) -> Run:
        """A person's run begins."""
        run = self.write(
            lambda tx: attempts.claim_asked(
                tx,
                self.actor,
                self.now,
                agent=agent,
                schedule_id=schedule,
                kind=kind,
                sha256="x",
                request_id=1,
            )
        )
        assert run is not None
        self._spawned(run)
        return run

    def _spawned(self, run: Run) -> None:
        self.write(lambda tx: attempts.spawned(tx, run.attempt_id, self.now, 4711, 1, HOUR_MS))

    def finish(
        self,
        run: Run,
        exit: Exit | int = 0,
        *,
        stderr: str = "",
        stdout: str = "",
        codes: Codes = Codes(),  # noqa: B008 - a frozen record
        result: Mapping[str, object] | None = None,
        unmet: str | None = None,
    ) -> None:
        """The attempt ends now."""
        exit = Exited(code=exit) if isinstance(exit, int) else exit
        said = dict(result or {})
        judgement = judge(
            exit, codes, outcome=str(said["outcome"]) if "outcome" in said else None, unmet=unmet
        )
        ended = Ended(
            exit=exit,
            ended_at=self.now,
            stdout=Tail(text=stdout),
            stderr=Tail(text=stderr),
            result=said,
        )
        self._settle(run, judgement, ended)

    def _settle(self, run: Run, judgement: Judgement, ended: Ended) -> None:
        self._claims += self.write(
            lambda tx: settle_attempt.settle(
                tx, self.actor, run.attempt_id, judgement, ended, room=ROOM
            )
        )

    def fail(
        self, text: str, ended: str | None = None, *, agent: str = "", code: int = 1, said: str = ""
    ) -> None:
        """A whole failed attempt: started at ``text``, ended then or at ``ended``."""
        run = self.start(text, agent)
        self.go(ended or text)
        self.finish(run, code, stderr=said)

    def succeed(self, text: str, ended: str | None = None, *, agent: str = "") -> None:
        """A whole successful attempt."""
        run = self.start(text, agent)
        self.go(ended or text)
        self.finish(run)

    def time_out(self, run: Run, after_ms: int) -> None:
        """The attempt exceeds its timeout now."""
        self.finish(run, TimedOut(after_ms=after_ms))

    # ----------------------------------------------------------------------------------- messages

    def _claim(self) -> None:
        self._claims += self.write(lambda tx: outbox.claim(tx, self.actor, self.now, ROOM))

    def send(self, outcomes: Mapping[str, Outcome] | None = None) -> None:
        """Send what is claimed, and what that lets go; ``outcomes`` by the name of the channel,
        accepted where nothing is said."""
        self._claim()
        while self._claims:
            claims, self._claims = self._claims, []
            for claim in claims:
                outcome = (outcomes or {}).get(claim.name, Sent())
                self._claims += self._settle_send(claim, outcome)

    def send_again(self, name: str) -> None:
        """A person lets the channel be tried now: what waits goes out, what is dead goes again."""

        def retry(tx: Tx) -> None:
            rows = tx.all("SELECT id FROM deliveries WHERE name = ? AND state != 'sent'", name)
            resend.again(tx, self.now, [row["id"] for row in rows])

        self.write(retry)
        self.send()

    def _settle_send(self, claim: Claim, outcome: Outcome) -> list[Claim]:
        return self.write(
            lambda tx: settle_send.settle(
                tx,
                self.actor,
                self.now,
                claim,
                outcome,
                fingerprint=claim.fingerprint,
                u=0.5,
                room=ROOM,
            )
        )
