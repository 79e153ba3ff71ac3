"""A home with a past: filled by the store's own operations, at times of the test's choosing.

A ``Past`` is the holder of its home: it adopts, plans, claims, settles and sends as the engine
does, without files, processes or network: ``tests.store.builder``, for tests that do not wait. Its
clock stands still until ``go``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from dotagent.core.decide import Codes
from dotagent.core.manifest_notifier import QuietHours
from dotagent.core.model import AttemptKind, Exit, Exited, Kind, Outcome, Sent, TimedOut
from dotagent.core.slug import slug
from dotagent.core.when import Calendar, When
from dotagent.ports import Pace
from dotagent.store import attempts, outages, resend
from dotagent.store.actor import Actor
from dotagent.store.adopt import AgentRows, FileRow
from dotagent.store.attempts import Run
from dotagent.store.database import Op, Store, T, Tx
from dotagent.store.outbox import Claim
from dotagent.store.routing import RouteRow
from dotagent.system import home as home_folder
from dotagent.system.paths import Paths
from tests.store import builder

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
    return builder.route(
        name,
        f"{driver}-{name}",
        [Kind(event) for event in events],
        remind=list(remind),
        pace=Pace(),
        driver=driver,
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
        self.paths = Paths(str(folder))
        home_folder.prepare(self.paths)
        self._runner = asyncio.Runner()
        made = builder.Home.open(self.paths.database, at(start, zone), begun=False)
        self.home = self._do(made)
        self.home.actor = replace(self.home.actor, zone=zone)
        self._claims: list[Claim] = []
        self._runs: list[Run] = []
        self.agents: dict[str, tuple[FileRow, AgentRows]] = {}
        self.root = root or self.paths.agents
        self.begin()

    @property
    def now(self) -> int:
        return self.home.now

    @now.setter
    def now(self, at: int) -> None:
        self.home.now = at

    @property
    def actor(self) -> Actor:
        return self.home.actor

    @property
    def store(self) -> Store:
        return self.home.store

    def close(self) -> None:
        """Close the store: what happened stays."""
        self.home.close()
        self._runner.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def write(self, op: Op[T]) -> T:
        """One transaction."""
        return self._do(self.home.write(op))

    def go(self, text: str) -> None:
        """Set the clock: ``08:30``, ``08:30:04`` of its day, or with a date to another day."""
        day, _, time = text.rpartition(" ")
        self.day = day or self.day
        self.now = at(f"{self.day} {time}", self.zone)

    # ------------------------------------------------------------------------------------ holders

    def begin(self, role: str = "daemon") -> None:
        """A new holder takes the home."""
        self._do(self.home.begin(role))

    def end(self) -> None:
        """The holder ends by itself."""
        self._do(self.home.end())

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
        made = [
            builder.schedule(
                schedule_id,
                when,
                tries=max_attempts,
                backoff=list(backoff_ms),
                stale_after=stale_after_ms,
                catch_up=catch_up,
                overlap=overlap,
            )
            for schedule_id, when in (schedules or {}).items()
        ]
        rows = [replace(row, slug=slug(()), stale_is_default=stale_is_default) for row in made]
        agent = builder.agent(name, rows, list(routes), enabled=enabled, root=self.root)
        agent = replace(agent, sha256=f"{len(self.agents)}-{self.now}")
        self.agents[agent.path] = (builder.file_of(agent), agent)
        self.adopt()

    def remove(self, name: str) -> None:
        """Its manifest is deleted."""
        del self.agents[f"{self.root}/{name}/agent.toml"]
        self.adopt()

    def break_manifest(self, name: str, problems: Sequence[Mapping[str, object]]) -> None:
        """Its manifest is edited and no longer right; one that never was right can be named too."""
        path = f"{self.root}/{name}/agent.toml"
        known = self.agents.get(path)
        agent = name if known is not None else None
        said = json.dumps(list(problems))
        self.adopt(self.file(path, agent, "broken", problems=said, fatal=True))

    def file(self, path: str, agent: str | None, sha256: str, **more: Any) -> FileRow:
        """A manifest file that makes no agent, as discovery finds it."""
        nobody = builder.agent(agent or "", root=self.root)
        return builder.file_of(nobody, path=path, agent=agent, sha256=sha256, **more)

    def adopt(self, *files: FileRow, root_is_there: bool = True) -> None:
        """One discovery pass, which finds ``files`` too, some perhaps in the place of a good one;
        and the planning that follows it."""
        instead = {file.path for file in files}
        there = [row for file, row in self.agents.values() if file.path not in instead]
        roots = {self.root: 1 if root_is_there else None}
        found = there if root_is_there else []
        self._do(self.home.adopt(*found, files=files, roots=roots))
        self.plan()

    def global_routes(self, *routes: RouteRow) -> None:
        """The notifiers of config.toml."""
        self._do(self.home.notify(*routes))

    # -------------------------------------------------------------------------------------- runs

    def plan(self, text: str | None = None) -> None:
        """One turn of the planner (at ``text``); reminders too."""
        if text is not None:
            self.go(text)
        self._do(self.home.plan())
        self.write(lambda tx: outages.remind(tx, self.actor, self.now))
        self._claim()

    def start(self, text: str | None = None, agent: str = "") -> Run:
        """Plan, start everything that is due; the run of that agent, or the first."""
        self.plan(text)
        claimed = self._do(self.home.runs(ROOM))
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
        run = self._do(self.home.manual(kind, agent, schedule))
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
        self._claims += self._do(
            self.home.settle(
                run,
                Exited(code=exit) if isinstance(exit, int) else exit,
                stderr=stderr,
                stdout=stdout,
                codes=codes,
                said=dict(result or {}),
                unmet=unmet,
                room=ROOM,
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
        self._claims += self._do(self.home.claim(ROOM))

    def send(self, outcomes: Mapping[str, Outcome] | None = None) -> None:
        """Send what is claimed, and what that lets go; ``outcomes`` by the name of the channel,
        accepted where nothing is said."""
        self._claim()
        while self._claims:
            claims, self._claims = self._claims, []
            for claim in claims:
                outcome = (outcomes or {}).get(claim.name, Sent())
                self._claims += self._do(self.home.answer(claim, outcome, room=ROOM))

    def send_again(self, name: str) -> None:
        """A person lets the channel be tried now: what waits goes out, what is dead goes again."""

        def retry(tx: Tx) -> None:
            rows = tx.all("SELECT id FROM deliveries WHERE name = ? AND state != 'sent'", name)
            resend.again(tx, self.now, [row["id"] for row in rows])

        self.write(retry)
        self.send()
