"""A home's store on disk, acted on as the engine does it, with a clock that the test sets.

Manifests are the rows that discovery would make of them; destinations are plain names such as
``f1``. Everything goes through ``Store.write``; what is there is read on a connection of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from dotagent.core import chain
from dotagent.core.config import Summary
from dotagent.core.decide import Codes, judge
from dotagent.core.legacy import NOTHING, Left
from dotagent.core.model import (
    AttemptKind,
    Ended,
    Event,
    Exit,
    Exited,
    Kind,
    Lost,
    Outcome,
    Sent,
    Tail,
)
from dotagent.core.when import Calendar, Every, When, definition
from dotagent.ports import Pace
from dotagent.store import (
    adopt,
    attempts,
    holders,
    outbox,
    pausing,
    plan,
    say,
    settle_send,
    timely,
    windows,
)
from dotagent.store.actor import Actor
from dotagent.store.adopt import AgentRows, FileRow, Found, ScheduleRow
from dotagent.store.attempts import Run
from dotagent.store.database import Store, Tx, open_store
from dotagent.store.outbox import Claim
from dotagent.store.routing import RouteRow, set_routes
from dotagent.store.settle_attempt import settle as settle_attempt
from dotagent.store.tell import tell
from tests.core.walls import HOUR_MS, MINUTE_MS, at

T = TypeVar("T")
Row = dict[str, Any]

EIGHT = at("2026-06-03T08:00:00Z")
"""The first window of ``HOURLY`` in most stories."""
SEEN = EIGHT - 30 * MINUTE_MS
"""When its agent was first seen."""
HOURLY = Calendar(expression="0 * * * *")
ROOT = "/home/ann/agents"

# -------------------------------------------------------------------------------------- manifests


def schedule(
    id: str = "s",
    when: When = HOURLY,
    *,
    tries: int = 3,
    backoff: Sequence[int] = (5 * MINUTE_MS,),
    stale_after: int | None = None,
    catch_up: str = "last",
    overlap: str = "skip",
) -> ScheduleRow:
    return ScheduleRow(
        id=id,
        slug=id,
        definition=definition(when),
        run_at_start=isinstance(when, Every) and when.run_at_start,
        catch_up=catch_up,
        overlap=overlap,
        stale_after_ms=2 * HOUR_MS if stale_after is None else stale_after,
        stale_is_default=stale_after is None,
        max_attempts=tries,
        backoff_ms=backoff,
    )


def route(
    key: str = "n",
    to: str = "f1",
    events: Iterable[Kind] = (),
    *,
    remind: Sequence[int] = (),
    pace: Pace | None = None,
    driver: str = "slack",
    **rules: Any,
) -> RouteRow:
    return RouteRow(
        notifier=key,
        name=key,
        driver=driver,
        events=[kind.value for kind in events],
        remind=remind,
        fingerprint=to,
        pace=pace or Pace(burst=1, every_ms=0, parallel=8),
        **rules,
    )


def agent(
    name: str = "a",
    schedules: Sequence[ScheduleRow] | None = None,
    routes: Sequence[RouteRow] | None = None,
    *,
    enabled: bool = True,
    inherits: bool = True,
    root: str = ROOT,
    folder: str | None = None,
) -> AgentRows:
    rows = AgentRows(
        name=name,
        path=f"{root}/{folder or name}/agent.toml",
        root=root,
        sha256="",
        enabled=enabled,
        inherits=inherits,
        schedules=[schedule()] if schedules is None else schedules,
        routes=[route()] if routes is None else routes,
    )
    return replace(rows, sha256=sha256(repr(rows).encode()).hexdigest())


def file_of(rows: AgentRows, **other: Any) -> FileRow:
    base = FileRow(
        path=rows.path,
        root=rows.root,
        dev=1,
        inode=1,
        size=1,
        mtime_ns=1,
        ctime_ns=1,
        sha256=rows.sha256,
        agent=rows.name,
        problems="[]",
        fatal=False,
        shadowed_by=None,
        changed=True,
    )
    return replace(base, **other)


# ------------------------------------------------------------------------------------------- home


@dataclass(slots=True)
class Home:
    """One holder over one database. ``now`` is the time; nothing else moves it."""

    path: str
    store: Store
    actor: Actor
    now: int
    summary: Summary = Summary(enabled=False)  # noqa: RUF009 - a frozen record

    # -- the holder

    @staticmethod
    async def open(
        path: str, now: int = SEEN, *, begun: bool = True, store: Store | None = None
    ) -> Home:
        home = Home(
            path=path,
            store=store or open_store(path),
            actor=Actor(epoch=0, host="web-1", zone=UTC),
            now=now,
        )
        if begun:
            await home.begin()
        return home

    async def begin(self, role: str = holders.DAEMON) -> holders.Beginning:
        """A new holder takes over; the one before it is dead, or has ended by itself."""
        begun = await self.write(
            lambda tx: holders.begin(
                tx, self.now, role=role, pid=1, started_ticks=1, boot_id="boot"
            )
        )
        self.actor = replace(self.actor, epoch=begun.epoch)
        return begun

    async def crash(self) -> list[Claim]:
        """The holder dies; the next one settles what it left, as ``steps/recover.py`` does."""
        await self.begin()
        for orphan in await self.write(lambda tx: holders.orphans(tx, self.actor, "boot")):
            await self.settle_id(orphan.attempt_id, Lost(why="dotagent died while it ran"))
        await self.write(lambda tx: holders.recover_sends(tx, self.actor, self.now))
        return []

    async def end(self) -> None:
        await self.write(
            lambda tx: holders.end(tx, self.actor, self.now, reason="SIGTERM", synced=0)
        )

    def close(self) -> None:
        self.store.close()

    # -- the store

    async def write(self, op: Callable[[Tx], T]) -> T:
        return await self.store.write(op)

    def rows(self, sql: str, *params: Any) -> list[Row]:
        with closing(self.store.read()) as reader:
            return [dict(row) for row in reader.execute(sql, params)]

    def row(self, sql: str, *params: Any) -> Row:
        (found,) = self.rows(sql, *params)
        return found

    def value(self, sql: str, *params: Any) -> Any:
        found = self.rows(sql, *params)
        return next(iter(found[0].values())) if found else None

    # -- discovery

    async def adopt(
        self,
        *agents: AgentRows,
        roots: Mapping[str, int | None] | None = None,
        files: Sequence[FileRow] = (),
        wrong: Sequence[tuple[str, str]] = (),
        left: Left = NOTHING,
    ) -> set[str]:
        """One pass that finds exactly these agents, and ``files`` that make none."""
        running = {
            (row["name"], row["path"], row["sha256"])
            for row in self.rows("SELECT * FROM agents WHERE gone_at IS NULL")
        }
        found = Found(
            files=[*(file_of(each) for each in agents), *files],
            agents=[a for a in agents if (a.name, a.path, a.sha256) not in running],
            roots={ROOT: 1} if roots is None else roots,
            wrong=wrong,
            left=left,
        )
        return await self.write(lambda tx: adopt.adopt(tx, self.actor, self.now, found))

    async def notify(self, *routes: RouteRow) -> None:
        """The global notifiers."""
        await self.write(lambda tx: set_routes(tx, self.now, "", routes))

    # -- windows and attempts

    async def plan(self, now: int | None = None) -> plan.Planned:
        self.now = self.now if now is None else now
        return await self.write(lambda tx: plan.plan_due(tx, self.actor, self.now))

    async def runs(self, room: int = 16) -> list[Run]:
        return await self.write(lambda tx: attempts.claim_due(tx, self.actor, self.now, room))

    async def due(self, now: int | None = None) -> list[Run]:
        """Plan, then claim all that may start."""
        await self.plan(now)
        return await self.runs()

    async def manual(
        self, kind: AttemptKind = AttemptKind.MANUAL, agent: str = "a", schedule: str = "s"
    ) -> Run | None:
        return await self.write(
            lambda tx: attempts.claim_asked(
                tx,
                self.actor,
                self.now,
                agent=agent,
                schedule_id=schedule,
                kind=kind,
                sha256="sha",
                request_id=1,
            )
        )

    async def settle(self, run: Run, exit: Exit | None = None, **more: Any) -> list[Claim]:
        return await self.settle_id(run.attempt_id, exit or Exited(code=1), **more)

    async def settle_id(
        self,
        attempt_id: int,
        exit: Exit,
        *,
        took: int = 0,
        codes: Codes | None = None,
        said: Mapping[str, Any] | None = None,
        unmet: str | None = None,
        stdout: str = "",
        stderr: str = "",
        escaped: tuple[int, ...] = (),
        room: int = 0,
        then: Callable[[Tx], None] = lambda tx: None,
    ) -> list[Claim]:
        """End an attempt. ``then`` runs in the same transaction, after all of it."""
        self.now += took
        result = said or {}
        judgement = judge(
            exit,
            codes or Codes(skip=frozenset({75})),
            outcome=result.get("outcome"),
            retry_at=result.get("retry_at"),
            unmet=unmet,
        )
        ended = Ended(
            exit=exit,
            ended_at=self.now,
            stdout=Tail(text=stdout),
            stderr=Tail(text=stderr),
            result=result,
            escaped=escaped,
        )

        def op(tx: Tx) -> list[Claim]:
            claims = settle_attempt(tx, self.actor, attempt_id, judgement, ended, room=room)
            then(tx)
            return claims

        return await self.write(op)

    async def run(self, now: int | None = None, exit: Exit | None = None, **more: Any) -> Run:
        """The one run that is due, made and settled."""
        (run,) = await self.due(now)
        await self.settle(run, exit, **more)
        return run

    def windows(self) -> list[tuple[int, str, str]]:
        """Every window: when it was due, its state and reason."""
        return [
            (row["expected_at"], row["state"], row["reason"])
            for row in self.rows("SELECT * FROM windows ORDER BY id")
        ]

    # -- a person's say

    async def pause(self, until_at: int, schedule: str | None = None, agent: str = "a") -> Any:
        who = {"agent": agent, "schedule": schedule, "by": "ann", "reason": "holiday"}
        args = {**who, "until_at": until_at}
        return await self.write(lambda tx: pausing.pause(tx, self.actor, self.now, args))

    async def resume(self, schedule: str | None = None, agent: str = "a") -> Any:
        args = {"agent": agent, "schedule": schedule, "by": "bob"}
        return await self.write(lambda tx: pausing.resume(tx, self.actor, self.now, args))

    async def skip(self, schedule: str | None = None, agent: str = "a") -> Any:
        args = {"agent": agent, "schedule": schedule, "by": "ann", "reason": "new disk"}
        return await self.write(lambda tx: pausing.skip(tx, self.actor, self.now, args))

    # -- messages

    async def tell(self, kind: Kind, agent: str = "a", schedule: str = "s", **more: Any) -> None:
        """An event out of nowhere, and its deliveries."""
        event = Event(kind=kind, at=self.now, agent=agent, schedule_id=schedule, **more)
        await self.write(lambda tx: tell(tx, self.actor, self.now, [event]))

    async def claim(self, room: int = 256, only: Iterable[str] | None = None) -> list[Claim]:
        return await self.write(lambda tx: outbox.claim(tx, self.actor, self.now, room, only))

    async def answer(
        self,
        claim: Claim,
        outcome: Outcome | None = None,
        *,
        to: str | None = None,
        u: float = 0.5,
        room: int = 0,
        **more: Any,
    ) -> list[Claim]:
        """The send of a claim has brought this."""
        return await self.write(
            lambda tx: settle_send.settle(
                tx,
                self.actor,
                self.now,
                claim,
                Sent() if outcome is None else outcome,
                fingerprint=to or claim.fingerprint,
                u=u,
                room=room,
                **more,
            )
        )

    async def send_all(self, outcome: Outcome | None = None) -> int:
        """Send whatever may go now, until nothing may; how many sends that took."""
        count = 0
        while claims := await self.claim():
            for claim in claims:
                await self.answer(claim, outcome)
                count += 1
        return count

    def sent(self) -> list[tuple[str, str]]:
        """What was sent, in order: to whom, what."""
        return [
            (row["notifier"], row["kind"])
            for row in self.rows(
                "SELECT d.notifier, e.kind FROM deliveries d"
                " JOIN events e ON e.seq = d.event_seq"
                " WHERE d.state = 'sent' ORDER BY d.ended_at, d.id"
            )
        ]

    def deliveries(self) -> list[tuple[str, str, str, str]]:
        """Every delivery: to whom, what, its state and reason."""
        return [
            (row["notifier"], row["kind"], row["state"], row["reason"])
            for row in self.rows(
                "SELECT d.*, e.kind FROM deliveries d JOIN events e ON e.seq = d.event_seq"
                " ORDER BY d.id"
            )
        ]

    def events(self) -> list[str]:
        return [row["kind"] for row in self.rows("SELECT kind FROM events ORDER BY seq")]

    # -- the rest

    async def look(self, now: int | None = None) -> set[str]:
        """What time alone makes worth telling."""
        self.now = self.now if now is None else now
        return await self.write(lambda tx: timely.look(tx, self.actor, self.now, self.summary))

    async def silence(
        self, for_ms: int = HOUR_MS, agent: str = "a", schedule: str | None = None
    ) -> int:
        """A person silences an agent."""
        args = {"agent": agent, "schedule": schedule, "for_ms": for_ms, "reason": "moving"}
        made = await self.write(lambda tx: say.silence(tx, self.actor, self.now, args))
        return int(made["silence"])

    async def end_silence(self, number: int) -> list[int]:
        """A person ends it; the deliveries that this makes."""
        args = {"silence": number, "reason": "moved"}
        made = await self.write(lambda tx: say.end_silence(tx, self.actor, self.now, args))
        return list(made["deliveries"])

    async def wakes(self) -> dict[str, int | None]:
        """When each part of the engine wants to look again."""

        def look(tx: Tx) -> dict[str, int | None]:
            return {
                "plan": plan.next_wake(tx),
                "windows": windows.next_wake(tx),
                "outbox": outbox.next_wake(tx),
                "timely": timely.next_wake(tx, self.actor, self.now, self.summary),
            }

        return await self.write(look)

    def audit(self) -> list[Row]:
        """The record's lines, read; the chain is verified on the way."""
        lines = [bytes(row["line"]) for row in self.rows("SELECT line FROM audit ORDER BY seq")]
        verdict = chain.verify(lines)
        assert verdict.broken_at is None, verdict.reason
        return [json.loads(line) for line in lines]


def database(folder: Path) -> str:
    return str(folder / "dotagent.db")
