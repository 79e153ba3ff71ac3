"""A home that is lived in: all that may happen to it, one act each, by the store's own operations
with a clock, children and services of the test's.

An act that can't be done now does nothing, so that any part of a story is a story. ``Life`` keeps
what a holder keeps in memory (what runs, what is being sent) and what the world knows: which
manifests lie on disk, what the services have shown.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast

from dotagent.core.errors import StoreFull, UsageError
from dotagent.core.manifest_notifier import QuietHours
from dotagent.core.model import (
    AttemptKind,
    Exit,
    Exited,
    Interrupted,
    Kind,
    Outcome,
    Sent,
    Skipped,
    Unknown,
)
from dotagent.core.when import Every
from dotagent.ports import Pace
from dotagent.store import attempts, outbox, plan, resend, retention, say, timely, windows
from dotagent.store.adopt import AgentRows
from dotagent.store.attempts import Run
from dotagent.store.database import Store, Tx
from dotagent.store.outbox import Claim
from tests.core.walls import HOUR_MS, MINUTE_MS
from tests.rules.memory import Memory, Switch
from tests.store.builder import ROOT, Home, agent, route, schedule

T = TypeVar("T")
Rows = list[sqlite3.Row]

NAMES = "abc"
OPS = route("ops", "f-ops", remind=[HOUR_MS])
TWO = route("two", "f-two", [Kind.GIVEN_UP])
NO_SWITCH = Switch()
LIMIT_MS = 50 * MINUTE_MS


def manifest(
    name: str, *, minutes: int = 10, tries: int = 2, to: str = "", own: bool = True, **more: Any
) -> AgentRows:
    """Three kinds of agents, told apart by their names. ``own``: it has a notifier of its own."""
    policies: dict[str, dict[str, Any]] = {
        "a": {},
        "b": {"overlap": "queue"},
        "c": {"catch_up": "none", "stale_after": 5 * MINUTE_MS},
    }
    rules: dict[str, dict[str, Any]] = {
        "a": {"collapse": True},
        "b": {"quiet_hours": QuietHours(from_minute=8 * 60, to_minute=14 * 60)},
        "c": {"rate_limit_ms": LIMIT_MS},
    }
    when = Every(every_ms=minutes * MINUTE_MS, run_at_start=name == "a")
    channel = route(
        name,
        to or f"f-{name}",
        remind=[HOUR_MS, 3 * HOUR_MS] if name == "b" else (),
        pace=Pace(burst=2, every_ms=500, parallel=2),
        **rules[name],
    )
    made = schedule(when=when, tries=tries, backoff=[MINUTE_MS, 3 * MINUTE_MS], **policies[name])
    return agent(name, schedules=[made], routes=[channel] if own else [], **more)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of what awaits nothing but itself."""
    try:
        work.send(None)
    except StopIteration as done:
        return cast(T, done.value)
    raise AssertionError("it waits for something")


class Life:
    """See the module. ``switch``: the rule that is off. ``keep_ms``: after each turn goes what
    ended longer ago."""

    def __init__(self, switch: Switch = NO_SWITCH, keep_ms: int | None = None) -> None:
        self.switch = switch
        self.done: list[object] = []
        """What the world saw of it: runs and sends, told by what they are about."""
        self.forgotten = 0
        """How many rows have gone."""
        self._keep_ms = keep_ms
        self.memory = Memory(switch)
        self.home: Home = at_once(Home.open(":memory:", store=cast(Store, self.memory)))
        self.disk: dict[str, AgentRows] = {name: manifest(name) for name in NAMES}
        self.channels = {"ops": OPS, "two": TWO}
        self.vanished = False
        self.stepped = False
        self.running: list[Run] = []
        self.sending: list[Claim] = []
        self.arrived: dict[str, list[int]] = {}
        self.adopted: dict[str, str] = {}
        """When each schedule fires, as it was adopted last; empty while it is not wanted."""
        self.since: dict[str, tuple[int, int]] = {}
        """Of each schedule that was edited or came back: when, and the last window before."""
        self._route_channels()
        self._look_at_disk()
        self.turn(room=9)

    def close(self) -> None:
        self.home.close()

    def rows(self, sql: str, *params: Any) -> Rows:
        return self.memory.db.execute(sql, params).fetchall()

    def value(self, sql: str, *params: Any) -> Any:
        return self.memory.db.execute(sql, params).fetchone()[0]

    # ---------------------------------------------------------------------------- the engine's turn

    def turn(self, room: int) -> None:
        """Plan, say, claim. After it nothing may be due by time alone: an engine that is told
        otherwise would spin."""
        home = self.home

        def op(tx: Tx) -> tuple[list[Run], list[Claim], bool, list[int | None]]:
            more = plan.plan_due(tx, home.actor, home.now).more
            timely.look(tx, home.actor, home.now, home.summary)
            runs = attempts.claim_due(tx, home.actor, home.now, room)
            claims = outbox.claim(tx, home.actor, home.now, room)
            wakes = [plan.next_look(tx), timely.next_wake(tx, home.actor, home.now, home.summary)]
            wakes += [windows.next_wake(tx)] if len(runs) < room else []
            wakes += [outbox.next_wake(tx)] if len(claims) < room else []
            return runs, claims, more, wakes

        runs, claims, more, wakes = at_once(home.write(op))
        self.running += runs
        self.done += [(run.agent, run.kind, run.expected_at, run.number) for run in runs]
        self._claimed(claims)
        self._forget()
        assert more or all(at is None or at > home.now for at in wakes), f"due at {wakes}: it spins"

    def _forget(self) -> None:
        if self._keep_ms is None:
            return
        kept = {"history_ms": self._keep_ms, "messages_ms": self._keep_ms}
        limits = retention.until(self.home.now, **kept)
        place: retention.Place | None = retention.Place()
        while place is not None:
            self.forgotten += place.removed
            place = at_once(self.home.write(partial(retention.prune, limits=limits, place=place)))

    def _seen(self, claim: Claim) -> object:
        about = [
            tuple(
                self.rows(
                    "SELECT e.kind, e.agent, e.at FROM events e JOIN deliveries d"
                    " ON d.event_seq = e.seq WHERE d.id = ?",
                    id,
                )[0]
            )
            for id in claim.ids
        ]
        return (claim.scope, claim.notifier, claim.fingerprint, claim.may_repeat, about)

    def _claimed(self, claims: list[Claim]) -> None:
        """What a claim promises (rules R20): its destination is up, and a sick one gets a probe."""
        for claim in claims:
            (to,) = self.rows(
                "SELECT t.*, (SELECT count(*) FROM deliveries d WHERE d.state = 'sending'"
                " AND d.led_by IS NULL AND d.fingerprint = t.fingerprint) AS busy"
                " FROM destinations t WHERE fingerprint = ?",
                claim.fingerprint,
            )
            sick = to["failures"] > 0 or to["parked_at"] is not None
            assert to["down_until"] <= self.home.now, "R20: a destination that rests was asked"
            assert not sick or to["busy"] == 1, "R20: a sick destination gets one probe at a time"
        self.sending += claims
        self.done += map(self._seen, claims)

    # ----------------------------------------------------------------------------------- time

    def time_passes(self, step: int) -> None:
        """Also a freeze: nothing happens meanwhile, and what is in flight stays so."""
        self.home.now += step

    def clock_steps(self, by: int) -> None:
        self.home.now += by
        self.stepped = True
        self._recheck()

    def _recheck(self) -> None:
        at_once(self.home.write(lambda tx: plan.recheck(tx, self.home.now)))
        for name, (since, last) in self.since.items():
            self.since[name] = (min(since, self.home.now), last)

    def life_goes_on(
        self, step: int, times: int, exit: Exit, outcome: Outcome, others: Outcome
    ) -> None:
        """For a while all runs end alike, and each channel answers as it does: those of agents so,
        the others so."""
        for _ in range(times):
            self.home.now += step
            self.turn(99)
            while self.running:
                self.run_ends(0, exit, 0)
            for claim in self.sending[:]:
                index = self.sending.index(claim)
                self.answer_comes(index, outcome if claim.scope else others, 0.5)

    # ------------------------------------------------------------------------------ runs and sends

    def run_ends(self, pick: int, exit: Exit, took: int) -> None:
        if not self.running:
            return
        run = self.running.pop(pick % len(self.running))
        self._claimed(at_once(self.home.settle(run, exit, took=took, room=3)))
        if run.kind is AttemptKind.MANUAL and exit == Exited(code=0):
            self._nothing_waits(run)

    def _nothing_waits(self, run: Run) -> None:
        """Rules R10: a manual success closes the waiting window and the outage."""
        for what, where in (("windows", "state = 'waiting'"), ("outages", "closed_at IS NULL")):
            left = f"SELECT 1 FROM {what} WHERE agent = ? AND schedule = ? AND {where}"
            found = self.rows(left, run.agent, run.schedule_id)
            assert not found, f"R10: a manual success left {what} open"

    def settle_fails(self, pick: int, exit: Exit) -> None:
        """The disk is full as a run ends: nothing of it is written, and its owner tries again from
        memory (rules R12)."""
        if not self.running:
            return
        run = self.running[pick % len(self.running)]

        def full(tx: Tx) -> None:
            raise StoreFull("the disk is full")

        before = self._all()
        try:
            at_once(self.home.settle(run, exit, room=3, then=full))
        except StoreFull:
            assert before == self._all(), "half a commit"
        if "trying again" in self.switch.omitted:
            self.running.remove(run)

    def _all(self) -> list[Any]:
        tables = ("windows", "attempts", "outages", "events", "deliveries", "sends", "audit")
        return [[tuple(row) for row in self.rows(f"SELECT * FROM {table}")] for table in tables]

    def answer_comes(self, pick: int, outcome: Outcome, u: float) -> None:
        if not self.sending:
            return
        claim = self.sending.pop(pick % len(self.sending))
        current = self._address(claim)
        if current is None:
            removed = "it is no longer in its manifest"
            outcome = Skipped(why=f"notifier removed: {removed}")
            more = {"gone": removed}
        else:
            more = {}
            self._arrive(claim, outcome)
        claims = at_once(self.home.answer(claim, outcome, u=u, room=3, to=current, **more))
        self._claimed(claims)

    def _address(self, claim: Claim) -> str | None:
        """Where the notifier points when the message goes out; None if there is no such one."""
        found = self.rows(
            "SELECT fingerprint FROM routing WHERE scope = ? AND notifier = ?",
            claim.scope,
            claim.notifier,
        )
        return found[0][0] if found else None

    def answer_is_settled_twice(self, pick: int) -> None:
        """The commit was made, its answer lost."""
        if not self.sending:
            return
        claim = self.sending.pop(pick % len(self.sending))
        self._arrive(claim, Sent())
        at_once(self.home.answer(claim, Sent()))
        before = self._all()
        at_once(self.home.answer(claim, Sent()))
        assert before == self._all(), "a send was settled twice"

    def _arrive(self, claim: Claim, outcome: Outcome) -> None:
        """The service may have shown the message, and all that it is about."""
        if not isinstance(outcome, Sent | Unknown):
            return
        for number in sorted(claim.ids):
            (row,) = self.rows("SELECT * FROM deliveries WHERE id = ?", number)
            seqs = self.arrived.setdefault(row["order_key"], [])
            if row["resend_of"] is None and row["event_seq"] not in seqs:
                seqs.append(row["event_seq"])

    # ------------------------------------------------------------------------------------- holders

    def holder_changes(self, clean: bool, arrives: bool, after: int) -> None:
        """A crash, a reboot (``after`` some time) or a planned stop: what was in flight may have
        arrived."""
        if clean:
            for run in self.running:
                at_once(self.home.settle(run, Interrupted(why="SIGTERM")))
        for claim in self.sending:
            if arrives:
                self._arrive(claim, Unknown(why=""))
            if clean:
                at_once(self.home.answer(claim, Unknown(why="stopped")))
        if clean:
            at_once(self.home.end())
        self.running, self.sending = [], []
        self.home.now += after
        at_once(self.home.crash())
        self._recheck()

    # ------------------------------------------------------------------------- a person's edits

    def manifest_is_edited(
        self, name: str, minutes: int, tries: int, to: str, enabled: bool, own: bool
    ) -> None:
        made = manifest(name, minutes=minutes, tries=tries, to=to, enabled=enabled, own=own)
        self.disk[name] = made
        self._look_at_disk()

    def manifest_is_removed(self, name: str) -> None:
        if self.disk.pop(name, None) is not None:
            self._look_at_disk()

    def root_goes_or_comes(self) -> None:
        self.vanished = not self.vanished
        self._look_at_disk()

    def _look_at_disk(self) -> None:
        """A pass of discovery, and the turn that follows it."""
        if self.vanished:
            at_once(self.home.adopt(roots={ROOT: None}))
            return
        at_once(self.home.adopt(*self.disk.values()))
        last = self.value("SELECT coalesce(max(id), 0) FROM windows")
        for name in NAMES:
            rows = self.disk.get(name)
            adopted = rows.schedules[0].definition if rows and rows.enabled else ""
            if adopted != self.adopted.get(name, adopted):
                self.since[name] = (self.home.now, last)
            self.adopted[name] = adopted
        self.turn(0)

    def channel_changes(self, name: str, to: str) -> None:
        """A global notifier is removed (``to`` empty), comes back, or points elsewhere; ``{}`` is
        its own name."""
        known = {"ops": OPS, "two": TWO}[name]
        self.channels.pop(name, None)
        if to:
            self.channels[name] = replace(known, fingerprint=to.format(name))
        self._route_channels()

    def _route_channels(self) -> None:
        at_once(self.home.notify(*self.channels.values()))

    # ----------------------------------------------------------------------------- a person's say

    def run_by_hand(self, name: str, trial: bool) -> None:
        if not self.rows("SELECT 1 FROM schedules WHERE agent = ?", name):
            return
        kind = AttemptKind.TRIAL if trial else AttemptKind.MANUAL
        run = at_once(self.home.manual(kind, name))
        if run is not None:
            self.running.append(run)

    def dead_letters_are_sent_again(self) -> None:
        again = lambda tx: resend.again(tx, self.home.now, resend.dead(tx)[:2])  # noqa: E731
        at_once(self.home.write(again))

    def is_silenced(self, name: str, for_ms: int) -> None:
        if self.rows("SELECT 1 FROM agents WHERE name = ? AND gone_at IS NULL", name):
            at_once(self.home.silence(for_ms, name))

    def silence_is_ended(self) -> None:
        for row in self.rows("SELECT id FROM silences WHERE ended_at IS NULL LIMIT 1"):
            at_once(self.home.end_silence(row["id"]))

    def is_acknowledged(self, name: str) -> None:
        if not self.rows("SELECT 1 FROM agents WHERE name = ? AND gone_at IS NULL", name):
            return
        args = {"agent": name, "reason": "known"}
        op = lambda tx: say.ack(tx, self.home.actor, self.home.now, args)  # noqa: E731
        try:
            at_once(self.home.write(op))
        except UsageError:
            return  # it is not failing

    def is_paused(self, name: str, for_ms: int) -> None:
        if self.rows("SELECT 1 FROM schedules WHERE agent = ? AND gone_at IS NULL", name):
            at_once(self.home.pause(self.home.now + for_ms, agent=name))

    def is_resumed(self, name: str) -> None:
        if self.rows("SELECT 1 FROM schedules WHERE agent = ? AND gone_at IS NULL", name):
            at_once(self.home.resume(agent=name))

    def next_run_is_skipped(self, name: str) -> None:
        if self.rows("SELECT 1 FROM schedules WHERE agent = ? AND gone_at IS NULL", name):
            try:
                at_once(self.home.skip(agent=name))
            except UsageError:
                return  # there is none to skip

    # -------------------------------------------------------------------------------- the end

    def comes_to_rest(self) -> None:
        """I8: nothing new is due, no fault is left, and all that waits comes to its end."""
        self.vanished, self.disk = False, {}
        self._look_at_disk()
        for _ in range(400):
            self.turn(99)
            while self.running or self.sending:
                if self.running:
                    self.run_ends(0, Exited(code=0), 0)
                if self.sending:
                    self.answer_comes(0, Sent(), 0.5)
            wakes = [at for at in at_once(self.home.wakes()).values() if at is not None]
            if not wakes:
                break
            self.home.now = max(min(wakes), self.home.now)
        unsettled = "SELECT id FROM deliveries WHERE state IN ('pending', 'sending')"
        live = "SELECT id FROM windows WHERE state IN ('waiting', 'running')"
        assert not self.rows(unsettled), "I8: a message waits for ever"
        assert not self.rows(live), "I8: a window waits for ever"
        assert not self.rows("SELECT 1 FROM outages WHERE closed_at IS NULL"), "I8: an outage stays"
        self.home.audit()
