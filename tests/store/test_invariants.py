"""Any sequence of turns, ends, answers, crashes, edits and clock steps: the invariants of the rules
hold after each, and with the faults over everything comes to rest."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dotagent.core.decide import allowance
from dotagent.core.manifest_notifier import QuietHours
from dotagent.core.match import ANNOUNCEMENTS, wants
from dotagent.core.model import (
    FAILURES,
    AttemptKind,
    Blocked,
    Event,
    Exit,
    Exited,
    Interrupted,
    Kind,
    Outcome,
    RejectDestination,
    RejectMessage,
    Retry,
    Sent,
    Skipped,
    TimedOut,
    Unknown,
    Unsupported,
)
from dotagent.core.when import Every
from dotagent.ports import Pace
from dotagent.store import attempts, outbox, plan, resend, timely, windows
from dotagent.store.adopt import AgentRows
from dotagent.store.attempts import Run
from dotagent.store.database import Tx
from dotagent.store.outbox import Claim
from dotagent.store.tell import routes
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS
from tests.store.builder import ROOT, Home, agent, database, route, schedule

T = TypeVar("T")

UNSETTLED = "('pending', 'sending')"
TERMINAL_WINDOWS = ("succeeded", "given_up", "missed", "skipped")
QUIET = "every failure message of this outage stayed quiet"

OUTCOMES: tuple[Outcome, ...] = (
    Sent(),
    Sent(),
    Retry(why="503"),
    Retry(why="429", after_ms=90_000),
    Retry(why="429", after_ms=2 * DAY_MS),
    Unknown(why="no answer"),
    RejectMessage(why="400"),
    RejectDestination(why="404"),
    Unsupported(why="no bus"),
    Skipped(why="too soon"),
)
EXITS: tuple[Exit, ...] = (
    Exited(code=0),
    Exited(code=1),
    Exited(code=1),
    Exited(code=75),
    TimedOut(after_ms=5_000),
    Blocked(by="warp", why="off"),
    Blocked(by="warp", why="off", skip=True),
    Interrupted(why="SIGTERM"),
)
STEPS = (1_000, 61_000, 6 * MINUTE_MS, 11 * MINUTE_MS, 70 * MINUTE_MS, 7 * HOUR_MS, 2 * DAY_MS)


def manifest(
    name: str, *, minutes: int = 10, tries: int = 2, to: str = "", **more: Any
) -> AgentRows:
    """Three kinds of agents, told apart by their names."""
    policies: dict[str, dict[str, Any]] = {
        "a": {},
        "b": {"overlap": "queue"},
        "c": {"catch_up": "none", "stale_after": 5 * MINUTE_MS},
    }
    rules: dict[str, dict[str, Any]] = {
        "a": {"collapse": True},
        "b": {"quiet_hours": QuietHours(from_minute=8 * 60, to_minute=14 * 60)},
        "c": {"rate_limit_ms": 50 * MINUTE_MS},
    }
    when = Every(every_ms=minutes * MINUTE_MS, run_at_start=name == "a")
    own = route(
        name,
        to or f"f-{name}",
        remind=[HOUR_MS, 3 * HOUR_MS] if name == "b" else (),
        pace=Pace(burst=2, every_ms=500, parallel=2),
        **rules[name],
    )
    made = schedule(when=when, tries=tries, backoff=[MINUTE_MS, 3 * MINUTE_MS], **policies[name])
    return agent(name, schedules=[made], routes=[own], **more)


class Life(RuleBasedStateMachine):
    """A home that is lived in."""

    def __init__(self) -> None:
        super().__init__()
        fast = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.folder = tempfile.mkdtemp(dir=fast)
        self.loop = asyncio.new_event_loop()
        self.home: Home = self.do(Home.open(database(Path(self.folder))))
        self.reader: sqlite3.Connection = self.home.store.read()
        self.disk: dict[str, AgentRows] = {}
        self.vanished = False
        self.running: list[Run] = []
        self.sending: list[Claim] = []
        self.ends: dict[int, tuple[str, str]] = {}
        self.told = 0
        self.latest = 0
        self.arrived: dict[str, list[int]] = {}

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def rows(self, sql: str, *params: Any) -> list[sqlite3.Row]:
        return self.reader.execute(sql, params).fetchall()

    def teardown(self) -> None:
        try:
            if self.disk:
                self.come_to_rest()
        finally:
            self.reader.close()
            self.home.close()
            self.loop.close()
            shutil.rmtree(self.folder)

    # ------------------------------------------------------------------------------------- steps

    @initialize()
    def settle_in(self) -> None:
        self.do(
            self.home.notify(
                route("ops", "f-ops", remind=[HOUR_MS]), route("two", "f-two", [Kind.GIVEN_UP])
            )
        )
        self.disk = {name: manifest(name) for name in "abc"}
        self.look_at_disk()
        self.turn(room=9)

    def look_at_disk(self) -> None:
        if self.vanished:
            self.do(self.home.adopt(roots={ROOT: None}))
        else:
            self.do(self.home.adopt(*self.disk.values()))

    @rule(room=st.sampled_from([1, 2, 99]))
    def turn(self, room: int) -> None:
        """One turn of the engine: plan, remind, claim. After it nothing may be due by time alone:
        an engine that is told otherwise would spin."""
        home = self.home

        def op(tx: Tx) -> tuple[list[Run], list[Claim], bool, list[int | None]]:
            more = plan.plan_due(tx, home.actor, home.now).more
            timely.look(tx, home.actor, home.now, home.summary)
            runs = attempts.claim_due(tx, home.actor, home.now, room)
            claims = outbox.claim(tx, home.actor, home.now, room)
            wakes = [plan.next_wake(tx), timely.next_wake(tx, home.actor, home.now, home.summary)]
            wakes += [windows.next_wake(tx)] if len(runs) < room else []
            wakes += [outbox.next_wake(tx)] if len(claims) < room else []
            return runs, claims, more, wakes

        runs, claims, more, wakes = self.do(home.write(op))
        self.running += runs
        self.sending += claims
        assert more or all(at is None or at > home.now for at in wakes)

    @rule(step=st.sampled_from(STEPS))
    def time_passes(self, step: int) -> None:
        self.home.now += step

    @rule(
        step=st.sampled_from(STEPS),
        times=st.integers(1, 4),
        exit=st.sampled_from(EXITS),
        outcome=st.sampled_from(OUTCOMES),
        others=st.sampled_from(OUTCOMES),
    )
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

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 99), exit=st.sampled_from(EXITS), took=st.sampled_from([0, 40_000]))
    def run_ends(self, pick: int, exit: Exit, took: int) -> None:
        run = self.running.pop(pick % len(self.running))
        self.sending += self.do(self.home.settle(run, exit, took=took, room=3))

    @precondition(lambda self: self.sending)
    @rule(pick=st.integers(0, 99), outcome=st.sampled_from(OUTCOMES), u=st.floats(0, 0.99))
    def answer_comes(self, pick: int, outcome: Outcome, u: float) -> None:
        claim = self.sending.pop(pick % len(self.sending))
        self.arrive(claim, outcome)
        self.sending += self.do(self.home.answer(claim, outcome, u=u, room=3))

    @precondition(lambda self: self.sending)
    @rule(pick=st.integers(0, 99))
    def answer_is_settled_twice(self, pick: int) -> None:
        """The commit was made, its answer lost."""
        claim = self.sending.pop(pick % len(self.sending))
        self.arrive(claim, Sent())
        self.do(self.home.answer(claim, Sent()))
        before = self.rows("SELECT * FROM deliveries"), self.rows("SELECT * FROM audit")
        self.do(self.home.answer(claim, Sent()))
        assert before == (self.rows("SELECT * FROM deliveries"), self.rows("SELECT * FROM audit"))

    def arrive(self, claim: Claim, outcome: Outcome) -> None:
        """The service may have shown the message, and all that it is about."""
        if not isinstance(outcome, Sent | Unknown):
            return
        for number in sorted(claim.ids):
            (row,) = self.rows("SELECT * FROM deliveries WHERE id = ?", number)
            seqs = self.arrived.setdefault(row["order_key"], [])
            if row["resend_of"] is None and row["event_seq"] not in seqs:
                seqs.append(row["event_seq"])

    @rule(clean=st.booleans(), arrives=st.booleans())
    def holder_changes(self, clean: bool, arrives: bool) -> None:
        """A crash, or a planned stop: what was in flight may have arrived."""
        if clean:
            for run in self.running:
                self.do(self.home.settle(run, Interrupted(why="SIGTERM")))
        for claim in self.sending:
            if arrives:
                self.arrive(claim, Unknown(why=""))
            if clean:
                self.do(self.home.answer(claim, Unknown(why="stopped")))
        if clean:
            self.do(self.home.end())
        self.running, self.sending = [], []
        self.do(self.home.crash())
        self.do(self.home.write(lambda tx: plan.recheck(tx, self.home.now)))

    @rule(
        name=st.sampled_from("abc"),
        minutes=st.sampled_from([10, 10, 15]),
        tries=st.sampled_from([1, 2, 4]),
        to=st.sampled_from(["", "", "f-new", "f-a"]),
        enabled=st.sampled_from([True, True, True, False]),
    )
    def manifest_is_edited(
        self, name: str, minutes: int, tries: int, to: str, enabled: bool
    ) -> None:
        self.disk[name] = manifest(name, minutes=minutes, tries=tries, to=to, enabled=enabled)
        self.look_at_disk()

    @precondition(lambda self: len(self.disk) > 1)
    @rule(name=st.sampled_from("abc"))
    def manifest_is_removed(self, name: str) -> None:
        self.disk.pop(name, None)
        self.look_at_disk()

    @rule()
    def root_goes_or_comes(self) -> None:
        self.vanished = not self.vanished
        self.look_at_disk()

    @rule(name=st.sampled_from("abc"), trial=st.booleans())
    def run_by_hand(self, name: str, trial: bool) -> None:
        kind = AttemptKind.TRIAL if trial else AttemptKind.MANUAL
        run = self.do(self.home.manual(kind, name))
        if run is not None:
            self.running.append(run)

    @rule(back=st.sampled_from([20 * MINUTE_MS, 30 * DAY_MS]))
    def clock_is_set_back(self, back: int) -> None:
        self.home.now -= back
        self.do(self.home.write(lambda tx: plan.recheck(tx, self.home.now)))

    @rule()
    def dead_letters_are_sent_again(self) -> None:
        self.do(self.home.write(lambda tx: resend.again(tx, self.home.now, resend.dead(tx)[:2])))

    # -------------------------------------------------------------------------------- invariants

    @invariant()
    def each_window_ends_once(self) -> None:
        """I1, and what waits has an attempt left (rules R7)."""
        for row in self.rows("SELECT * FROM windows"):
            if row["state"] in TERMINAL_WINDOWS:
                end = (row["state"], row["reason"])
                assert end == self.ends.setdefault(row["id"], end)
                assert row["state"] == "succeeded" or row["reason"]
        for row in self.rows(
            "SELECT w.*, s.max_attempts, s.gone_at FROM windows w JOIN schedules s"
            " ON s.agent = w.agent AND s.id = w.schedule WHERE w.state = 'waiting'"
        ):
            assert row["attempts"] < allowance(row["max_attempts"], row["losses"])
            assert row["gone_at"] is None

    @invariant()
    def each_bad_end_is_told(self) -> None:
        """I2: one event for each, and for each event an answer for everyone who asked."""
        ends = Counter(
            (row["window_id"], row["kind"])
            for row in self.rows("SELECT * FROM events WHERE kind IN ('given_up', 'missed')")
        )
        assert ends == Counter(
            (row["id"], row["state"])
            for row in self.rows("SELECT * FROM windows WHERE state IN ('given_up', 'missed')")
        )
        failed = Counter(
            row["attempt_id"]
            for row in self.rows(
                "SELECT * FROM events WHERE kind IN ('attempt_failed', 'timed_out', 'preflight')"
            )
        )
        assert failed == Counter(
            row["id"]
            for row in self.rows("SELECT * FROM attempts WHERE kind != 'trial'")
            if row["verdict"] == "failed" or (row["exit"] and '"skip": true' in row["exit"])
        )
        tx = Tx(self.reader)
        for row in self.rows("SELECT * FROM events WHERE seq > ?", self.told):
            event = Event(
                kind=Kind(row["kind"]), at=0, agent=row["agent"], schedule_id=row["schedule"]
            )
            told = {
                (each["scope"], each["notifier"])
                for each in self.rows("SELECT * FROM deliveries WHERE event_seq = ?", row["seq"])
            }
            asked = {(r.scope, r.notifier) for r in routes(tx, event) if wants(r, event)}
            assert event.kind is Kind.STILL_FAILING or asked <= told
            self.told = row["seq"]

    @invariant()
    def each_message_ends_or_is_announced(self) -> None:
        """I3: with a reason where it did not arrive; a dead one is announced elsewhere."""
        about = {row["about"] for row in self.rows("SELECT about FROM events")}
        for row in self.rows(
            f"SELECT d.*, e.kind FROM deliveries d JOIN events e ON e.seq = d.event_seq"
            f" WHERE d.state NOT IN {UNSETTLED}"
        ):
            assert row["ended_at"] is not None
            assert row["state"] == "sent" or row["reason"]
            if row["state"] in ("expired", "rejected") and row["kind"] not in ANNOUNCEMENTS:
                assert row["fingerprint"] in about

    @invariant()
    def repeats_are_flagged(self) -> None:
        """I4: a message goes out again only where it had not arrived for certain, and flagged where
        it may have."""
        doubt: dict[int, bool] = {}
        arrived: set[int] = set()
        for row in self.rows("SELECT * FROM sends ORDER BY delivery_id, number"):
            delivery = row["delivery_id"]
            assert delivery not in arrived
            assert bool(row["may_repeat"]) == doubt.get(delivery, False)
            if row["outcome"] == "sent":
                arrived.add(delivery)
            doubt[delivery] = doubt.get(delivery, False) or row["outcome"] == "unknown"

    @invariant()
    def in_order(self) -> None:
        """I5, and the turn that makes it so."""
        for seqs in self.arrived.values():
            assert seqs == sorted(seqs)
        turns: dict[str, list[int]] = {}
        for row in self.rows(f"SELECT * FROM deliveries WHERE state IN {UNSETTLED} ORDER BY id"):
            turns.setdefault(row["order_key"], []).append(row["turn"])
        assert all(each == [1] + [0] * (len(each) - 1) for each in turns.values())

    @invariant()
    def one_attempt_at_a_time(self) -> None:
        """I6: what is open is what runs; no two of one schedule."""
        open_ = self.rows("SELECT * FROM attempts WHERE ended_at IS NULL")
        assert {row["id"] for row in open_} == {run.attempt_id for run in self.running}
        assert len(open_) == len({(row["agent"], row["schedule"]) for row in open_})
        sending = self.rows("SELECT id FROM deliveries WHERE state = 'sending'")
        assert {row["id"] for row in sending} == {i for claim in self.sending for i in claim.ids}

    @invariant()
    def good_news_to_who_heard_the_bad(self) -> None:
        """I7."""
        bad = ", ".join(f"'{kind}'" for kind in FAILURES)
        for row in self.rows(
            "SELECT d.*, e.outage_id FROM deliveries d JOIN events e ON e.seq = d.event_seq"
            " WHERE e.kind = 'recovered' AND d.resend_of IS NULL AND d.tries + (d.reason = ?) > 0",
            QUIET,
        ):
            states = [
                each["state"]
                for each in self.rows(
                    "SELECT d.state FROM deliveries d JOIN events e ON e.seq = d.event_seq"
                    f" WHERE e.outage_id = ? AND e.kind IN ({bad}) AND d.scope = ?"
                    " AND d.notifier = ?",
                    row["outage_id"],
                    row["scope"],
                    row["notifier"],
                )
            ]
            if row["folded"] and row["state"] == "suppressed":
                continue  # the one message for all of them was skipped
            quiet = bool(states) and set(states) == {"suppressed"}
            assert quiet is (row["reason"] == QUIET)

    @invariant()
    def announcements_feed_nothing(self) -> None:
        """I9: never to whom they are about, one an episode."""
        spoken = Counter(
            row["about"] for row in self.rows("SELECT about FROM events WHERE about IS NOT NULL")
        )
        sent = Counter(
            row["fingerprint"] for row in self.rows("SELECT * FROM sends WHERE outcome = 'sent'")
        )
        assert all(count <= 1 + sent[about] for about, count in spoken.items())
        assert [] == self.rows(
            "SELECT 1 FROM deliveries d JOIN events e ON e.seq = d.event_seq"
            " WHERE e.about = d.fingerprint AND d.state != 'suppressed'"
        )

    @invariant()
    def nothing_is_forgotten(self) -> None:
        """A schedule is looked at again, unless it is gone or held; held ones are those of a root
        that is away, and what waits in them waits without a time (rules R9)."""
        self.latest = max(self.latest, self.home.now)
        for row in self.rows("SELECT * FROM schedules WHERE gone_at IS NULL"):
            held = row["held_at"] is not None
            assert held is self.vanished
            assert held is (row["next_due_at"] is None)
        for row in self.rows(
            "SELECT w.next_at, w.deadline_at, w.attempts FROM windows w JOIN schedules s"
            " ON s.agent = w.agent AND s.id = w.schedule WHERE w.state = 'waiting'"
        ):
            assert self.vanished is (row["next_at"] is None)
            if row["attempts"] and row["next_at"] is not None:
                assert row["next_at"] <= max(row["deadline_at"], self.latest)

    @invariant()
    def outages_and_reminders(self) -> None:
        """One open outage a schedule, reminders of open ones only, none of what is gone."""
        assert [] == self.rows(
            "SELECT 1 FROM reminders r JOIN outages o ON o.id = r.outage_id"
            " WHERE o.closed_at IS NOT NULL"
        )
        assert [] == self.rows(
            "SELECT 1 FROM outages o JOIN schedules s ON s.agent = o.agent AND s.id = o.schedule"
            " WHERE o.closed_at IS NULL AND s.gone_at IS NOT NULL AND NOT EXISTS (SELECT 1"
            " FROM windows w WHERE w.agent = o.agent AND w.schedule = o.schedule"
            " AND w.state = 'running')"
        )
        unsent = self.rows(
            "SELECT count(*) AS n FROM deliveries d JOIN events e ON e.seq = d.event_seq"
            f" WHERE e.kind = 'still_failing' AND d.resend_of IS NULL AND d.state IN {UNSETTLED}"
            " AND d.reason != 'standing in for a parked channel'"
            " GROUP BY e.outage_id, d.scope, d.notifier"
        )
        assert all(row["n"] == 1 for row in unsent)

    # ----------------------------------------------------------------------------------- the end

    def come_to_rest(self) -> None:
        """I8: nothing new is due, no fault is left, and all that waits comes to its end."""
        self.vanished, self.disk = False, {}
        self.look_at_disk()
        for _ in range(400):
            self.turn(99)
            while self.running or self.sending:
                if self.running:
                    self.run_ends(0, Exited(code=0), 0)
                if self.sending:
                    self.answer_comes(0, Sent(), 0.5)
            wakes = [at for at in self.do(self.home.wakes()).values() if at is not None]
            if not wakes:
                break
            self.home.now = max(min(wakes), self.home.now)
        assert [] == self.rows(f"SELECT * FROM deliveries WHERE state IN {UNSETTLED}")
        assert [] == self.rows("SELECT * FROM windows WHERE state IN ('waiting', 'running')")
        assert [] == self.rows("SELECT * FROM outages WHERE closed_at IS NULL")
        self.each_window_ends_once()
        self.each_message_ends_or_is_announced()
        self.in_order()
        self.home.audit()
        assert all(json.loads(row["facts"]) for row in self.rows("SELECT facts FROM events"))


@pytest.mark.timeout(600)  # a failure takes its time to find its simplest form
def test_invariants() -> None:
    """Whatever happens, in whatever order."""
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
