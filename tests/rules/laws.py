"""The invariants of rules.md as questions to the store: each names what it found wrong.

``broken(life)`` asks them all; they hold after every act, whatever came before.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from sqlite3 import Row

from dotagent.core.decide import allowance
from dotagent.core.match import ANNOUNCEMENTS, wants
from dotagent.core.model import FAILURES, Event, Kind
from dotagent.store.database import Tx
from dotagent.store.tell import routes
from tests.core.walls import HOUR_MS, MINUTE_MS
from tests.rules.life import LIMIT_MS, Life

UNSETTLED = "('pending', 'sending')"
TERMINAL = ("succeeded", "given_up", "missed", "skipped")
QUIET = "every failure message of this outage stayed quiet"
BAD = ", ".join(f"'{kind}'" for kind in FAILURES)
OPEN = "('waiting', 'running')"


class Laws:
    """The questions, and what they must remember from one act to the next."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self._ends: dict[int, tuple[str, str]] = {}
        self._planned: dict[tuple[str, str, int, int], int] = {}
        self._told = 0
        self._latest = 0
        self._ended: set[int] = set()

    def ask(self) -> None:
        """All of them; AssertionError with the first that is broken."""
        self._latest = max(self._latest, self.life.home.now)
        for law in LAWS:
            law(self)

    # ------------------------------------------------------------------------------------ windows

    def each_window_ends_once(self) -> None:
        """I1, R3: no instant is planned twice in one epoch, also if its row is long gone."""
        for row in self.life.rows("SELECT * FROM windows"):
            key = (row["agent"], row["schedule"], row["plan_epoch"], row["expected_at"])
            assert row["id"] == self._planned.setdefault(key, row["id"]), "R3: planned twice"
            if row["state"] in TERMINAL:
                end = (row["state"], row["reason"])
                assert end == self._ends.setdefault(row["id"], end), "I1: it ended twice"
                assert row["state"] == "succeeded" or row["reason"], "I1: no reason"

    def one_window_lives(self) -> None:
        """R4."""
        doubled = self.life.rows(
            f"SELECT 1 FROM windows WHERE state IN {OPEN} GROUP BY agent, schedule"
            " HAVING count(*) > 1"
        )
        assert not doubled, "R4: two live windows of one schedule"

    def what_waits_may_be_tried(self) -> None:
        """R7, R9: in time, with an attempt left, for a schedule that is wanted."""
        for row in self.life.rows(
            "SELECT w.*, s.max_attempts, s.gone_at FROM windows w JOIN schedules s"
            " ON s.agent = w.agent AND s.id = w.schedule WHERE w.state = 'waiting'"
        ):
            allowed = allowance(row["max_attempts"], row["losses"])
            assert row["attempts"] < allowed, "R7: a window waits for a try that it may not make"
            assert row["gone_at"] is None, "R9: a window waits whose schedule is gone"
            assert self.life.vanished is (row["next_at"] is None), "R9: held, or not, wrongly"
            if row["attempts"] and row["next_at"] is not None:
                latest = max(row["deadline_at"], self._latest)
                assert row["next_at"] <= latest, "R7: the next try comes after the deadline"
        late = "SELECT 1 FROM attempts a JOIN windows w ON w.id = a.window_id"
        late += " WHERE a.claimed_at > w.deadline_at"
        assert not self.life.rows(late), "R7: an attempt began after the deadline"

    def attempts_are_counted(self) -> None:
        """R5, R11: every attempt but interrupted ones and skipped preflights; a loss alone
        exhausts no window."""
        counted = (
            "coalesce(a.verdict, '') != 'interrupted' AND json_extract(a.exit, '$.skip') IS NOT 1"
        )
        for row in self.life.rows(
            f"SELECT w.*, (SELECT count(*) FROM attempts a WHERE a.window_id = w.id AND"
            f" (a.exit IS NULL OR {counted})) AS made FROM windows w"
        ):
            assert row["attempts"] == row["made"], "R5, R11: attempts are miscounted"
        lost = self.life.rows(
            "SELECT 1 FROM windows WHERE state = 'given_up' AND reason LIKE 'attempts used up%'"
            " AND attempts = 1 AND losses = 1"
            " UNION SELECT 1 FROM windows w WHERE state = 'given_up'"
            " AND reason LIKE 'attempts used up (1 of%' AND EXISTS (SELECT 1 FROM attempts a"
            " WHERE a.window_id = w.id AND a.exit LIKE '%\"lost\"%')"
        )
        assert not lost, "R5: a loss alone exhausted a window"

    def nothing_false_is_planned(self) -> None:
        """R3: an edit or an absence makes no window for what lies before it."""
        for name, (since, last) in self.life.since.items():
            early = "SELECT 1 FROM windows WHERE agent = ? AND id > ? AND expected_at < ?"
            early += " AND state != 'skipped'"  # what fell due under a pause that was over
            assert not self.life.rows(early, name, last, since), "R3: planned for before the edit"

    def gaps_have_their_row(self) -> None:
        """R8: a run that stands in for older ones has their range row right before it."""
        for row in self.life.rows("SELECT * FROM windows WHERE caught_up > 0"):
            older = self.life.rows(
                "SELECT * FROM windows WHERE agent = ? AND schedule = ? AND plan_epoch = ?"
                " AND expected_at < ? ORDER BY expected_at DESC LIMIT 1",
                *(row[name] for name in ("agent", "schedule", "plan_epoch", "expected_at")),
            )
            assert [row["caught_up"]] == [each["count"] for each in older], "R8: no range row"

    def nothing_is_forgotten(self) -> None:
        """R3, R9: a schedule is looked at again in time, unless it is gone or held; held ones are
        those of a root that is away."""
        for row in self.life.rows("SELECT * FROM schedules WHERE gone_at IS NULL"):
            held = row["held_at"] is not None
            assert held is self.life.vanished, "R9: held, or not, wrongly"
            assert held is (row["next_due_at"] is None), "R3: a schedule is never looked at again"
            ahead_ms = (row["next_due_at"] or 0) - self.life.home.now
            queueing = row["overlap"] == "queue" and self._runs(row)  # its end is what wakes it
            assert queueing or ahead_ms <= 2 * HOUR_MS, "R3: a schedule sleeps beyond any period"

    def _runs(self, schedule: Row) -> bool:
        open_ = "SELECT 1 FROM attempts WHERE agent = ? AND schedule = ? AND ended_at IS NULL"
        return bool(self.life.rows(open_, schedule["agent"], schedule["id"]))

    # ----------------------------------------------------------------------------------- attempts

    def one_attempt_at_a_time(self) -> None:
        """I6, R1: what is open is what runs here; no two of one schedule; no claim of the dead."""
        open_ = self.life.rows("SELECT * FROM attempts WHERE ended_at IS NULL")
        running = {run.attempt_id for run in self.life.running}
        assert {row["id"] for row in open_} == running, "R5, R12: an attempt is open for ever"
        assert len(open_) == len({(row["agent"], row["schedule"]) for row in open_}), "R6: overlap"
        sending = self.life.rows("SELECT id FROM deliveries WHERE state = 'sending'")
        claimed = {number for claim in self.life.sending for number in claim.ids}
        assert {row["id"] for row in sending} == claimed, "R17: a message is on its way for ever"

    # -------------------------------------------------------------------------------------- events

    def each_bad_end_is_told(self) -> None:
        """I2, R10: one event for each, and for each event an answer for everyone who asked."""
        rows = self.life.rows
        ends = Counter(
            (row["window_id"], row["kind"])
            for row in rows("SELECT * FROM events WHERE kind IN ('given_up', 'missed')")
        )
        shut = rows("SELECT * FROM windows WHERE state IN ('given_up', 'missed')")
        assert ends == Counter((row["id"], row["state"]) for row in shut), "I2: a window is untold"
        told = rows(
            "SELECT * FROM events WHERE kind IN ('attempt_failed', 'timed_out', 'preflight')"
        )
        failed = [
            row["id"]
            for row in rows("SELECT * FROM attempts WHERE kind != 'trial'")
            if row["verdict"] == "failed" or json.loads(row["exit"] or "{}").get("skip")
        ]
        assert Counter(row["attempt_id"] for row in told) == Counter(failed), "I2: a failure untold"
        for row in rows("SELECT * FROM events WHERE seq > ?", self._told):
            self._told = row["seq"]
            self._everyone_has_an_answer(row["seq"], Kind(row["kind"]), row)

    def _everyone_has_an_answer(self, seq: int, kind: Kind, values: Row) -> None:
        event = Event(
            kind=kind, at=values["at"], agent=values["agent"], schedule_id=values["schedule"]
        )
        made = self.life.rows("SELECT * FROM deliveries WHERE event_seq = ?", seq)
        known = routes(Tx(self.life.memory.db), event)
        asked = {(r.scope, r.notifier) for r in known if wants(r, event)}
        answered = {(each["scope"], each["notifier"]) for each in made}
        assert kind is Kind.STILL_FAILING or asked <= answered, "I2: somebody has no answer"
        parked = {
            row["fingerprint"]: row["parked_at"]
            for row in self.life.rows("SELECT * FROM destinations WHERE parked_at IS NOT NULL")
        }
        lost = [
            each
            for each in made
            if each["state"] == "pending" and parked.get(each["fingerprint"], event.at) < event.at
        ]
        ever = {each["about"] for each in self.life.rows("SELECT about FROM events")}
        living = [r for r in known if not r.scope and r.fingerprint not in {*ever, *parked}]
        if values["severity"] == "critical" and lost and living:
            heard = any(not each["scope"] for each in made) or any(
                wants(r, event) for r in known if not r.scope
            )
            assert heard, "R20: critical news went to a parked channel only"

    def the_last_word_is_true(self) -> None:
        """I10: what a person heard last of a schedule matches its state, or the reason why they
        heard nothing stands there."""
        for row in self.life.rows(
            "SELECT d.state, e.kind, e.outage_id, (SELECT count(*) FROM outages o"
            "  WHERE o.agent = e.agent AND o.schedule = e.schedule AND o.closed_at IS NULL) AS bad,"
            " (SELECT o.closed_by FROM outages o WHERE o.agent = e.agent"
            "  AND o.schedule = e.schedule ORDER BY o.id DESC LIMIT 1) AS closed_by"
            " FROM events e JOIN deliveries d ON d.event_seq = e.seq AND d.resend_of IS NULL"
            " JOIN routing r ON r.scope = d.scope AND r.notifier = d.notifier AND r.events = '[]'"
            " WHERE d.state = 'sent' AND e.seq = (SELECT max(l.seq) FROM events l"
            "  WHERE l.agent = e.agent AND l.schedule = e.schedule)"
            " AND e.agent != ''"
        ):
            said = row["kind"] in FAILURES
            closed = row["closed_by"] not in (None, "success")  # nobody waits for it any more
            skipped = row["kind"] == "preflight" and not row["bad"]
            assert said is bool(row["bad"]) or closed or skipped, "I10: the last word is not true"

    # ---------------------------------------------------------------------------------- deliveries

    def each_message_ends_or_is_announced(self) -> None:
        """I3, R19: with a reason where it did not arrive; a dead one is announced elsewhere, and
        none expires whose channel was not tried when it was overdue."""
        for row in self.life.rows(
            "SELECT d.*, e.kind, (SELECT count(*) FROM events l WHERE l.about = d.fingerprint OR"
            "  l.about IN (SELECT fingerprint FROM sends WHERE delivery_id = d.id)) AS announced"
            " FROM deliveries d JOIN events e ON e.seq = d.event_seq"
            f" WHERE d.state NOT IN {UNSETTLED}"
        ):
            assert row["ended_at"] is not None, "I3: no end"
            assert row["state"] == "sent" or row["reason"], "I3: no reason"
            if row["state"] in ("expired", "rejected") and row["kind"] not in ANNOUNCEMENTS:
                assert row["announced"], "I3: a dead letter was not announced"
        untried = self.life.rows(
            "SELECT 1 FROM deliveries d WHERE d.state = 'expired' AND NOT EXISTS (SELECT 1"
            " FROM sends s WHERE (s.delivery_id = d.id OR s.fingerprint = d.fingerprint)"
            " AND s.outcome NOT IN ('sent', 'skipped') AND s.started_at >= d.expires_at)"
        )
        assert not untried, "R19: it expired though nobody had tried"

    def repeats_are_flagged(self) -> None:
        """I4: a message goes out again only where it had not arrived for certain, and flagged where
        it may have."""
        doubt: dict[int, bool] = {}
        arrived: set[int] = set()
        for row in self.life.rows("SELECT * FROM sends ORDER BY delivery_id, number"):
            delivery = row["delivery_id"]
            assert delivery not in arrived, "I4: sent again though it had arrived"
            assert bool(row["may_repeat"]) == doubt.get(delivery, False), "I4, R17: flag is wrong"
            if row["outcome"] == "sent":
                arrived.add(delivery)
            doubt[delivery] = doubt.get(delivery, False) or row["outcome"] == "unknown"

    def in_order(self) -> None:
        """I5, and the turn that makes it so (R18)."""
        for seqs in self.life.arrived.values():
            assert seqs == sorted(seqs), "I5: out of order"
        turns: dict[str, list[int]] = {}
        waiting = f"SELECT * FROM deliveries WHERE state IN {UNSETTLED} ORDER BY id"
        for row in self.life.rows(waiting):
            turns.setdefault(row["order_key"], []).append(row["turn"])
        for each in turns.values():
            assert each == [1] + [0] * (len(each) - 1), "R18: not the earliest has its turn"

    def suspects_go_alone(self) -> None:
        """R17."""
        flying = "SELECT count(*) FROM deliveries WHERE state = 'sending' AND suspect > 0"
        flying += " AND led_by IS NULL"
        assert self.life.value(flying) <= 1, "R17: two suspects are in flight"

    def what_waits_follows_its_notifier(self) -> None:
        """R16: to the address that the notifier has now."""
        astray = self.life.rows(
            "SELECT 1 FROM deliveries d JOIN routing r USING (scope, notifier)"
            " WHERE d.state = 'pending' AND d.fingerprint != r.fingerprint"
        )
        assert not astray, "R16: a message waits for an address that its notifier has left"

    def limits_hold(self) -> None:
        """R22: within its limit a recipient hears nothing that is not graver, but good news."""
        if self.life.stepped:  # a stamp of another clock counts as none
            return
        often = self.life.rows(
            "SELECT 1 FROM sends s JOIN deliveries d ON d.id = s.delivery_id"
            " JOIN events e ON e.seq = d.event_seq JOIN deliveries b ON b.order_key = d.order_key"
            " JOIN sends t ON t.delivery_id = b.id WHERE d.scope = 'c' AND b.id < d.id"
            " AND e.kind != 'recovered' AND d.resend_of IS NULL AND b.gravity >= d.gravity"
            " AND s.outcome = 'sent' AND t.outcome = 'sent' AND s.fingerprint = t.fingerprint"
            " AND t.ended_at < s.started_at AND t.ended_at > s.started_at - ?",
            LIMIT_MS,
        )
        assert not often, "R22: told again within its limit"

    def good_news_to_who_heard_the_bad(self) -> None:
        """I7, R14."""
        for row in self.life.rows(
            "SELECT d.*, e.outage_id FROM deliveries d JOIN events e ON e.seq = d.event_seq"
            " WHERE e.kind = 'recovered' AND d.resend_of IS NULL"
            " AND (d.state = 'sent' OR d.reason = ?)",
            QUIET,
        ):
            states = {
                each["state"]
                for each in self.life.rows(
                    "SELECT d.state FROM deliveries d JOIN events e ON e.seq = d.event_seq"
                    f" WHERE e.outage_id = ? AND e.kind IN ({BAD}) AND d.scope = ?"
                    " AND d.notifier = ?",
                    row["outage_id"],
                    row["scope"],
                    row["notifier"],
                )
            }
            quiet = states == {"suppressed"}
            assert quiet is (row["reason"] == QUIET), "I7: good news withheld, or told to nobody"

    def announcements_feed_nothing(self) -> None:
        """I9, R21: never to whom they are about, one an episode."""
        abouts = self.life.rows("SELECT about FROM events WHERE about IS NOT NULL")
        spoken = Counter(row["about"] for row in abouts)
        arrived = self.life.rows("SELECT * FROM sends WHERE outcome = 'sent'")
        sent = Counter(row["fingerprint"] for row in arrived)
        for about, count in spoken.items():
            assert count <= 1 + sent[about], "I9: announced twice in one episode"
        fed = self.life.rows(
            "SELECT 1 FROM deliveries d JOIN events e ON e.seq = d.event_seq"
            " WHERE e.about = d.fingerprint AND d.state = 'sending' AND d.resend_of IS NULL"
        )
        assert not fed, "R21: an announcement went to the channel that it is about"

    # ------------------------------------------------------------------------------------- outages

    def outages_and_reminders(self) -> None:
        """R13, R15: one open outage a schedule, of a failure that is not answered yet; reminders of
        open ones only, none of what is gone, and one that waits to be sent at most."""
        rows = self.life.rows
        doubled = "SELECT 1 FROM outages WHERE closed_at IS NULL GROUP BY agent, schedule"
        assert not rows(f"{doubled} HAVING count(*) > 1"), "R13: two outages of one schedule"
        stray = "SELECT 1 FROM reminders r JOIN outages o ON o.id = r.outage_id"
        assert not rows(f"{stray} WHERE o.closed_at IS NOT NULL OR o.acked_at IS NOT NULL"), "R15"
        assert not rows(
            "SELECT 1 FROM outages o JOIN schedules s ON s.agent = o.agent AND s.id = o.schedule"
            " WHERE o.closed_at IS NULL AND s.gone_at IS NOT NULL AND NOT EXISTS (SELECT 1"
            " FROM windows w WHERE w.agent = o.agent AND w.schedule = o.schedule"
            " AND w.state = 'running')"
        ), "R9: an outage of what is gone"
        for row in rows(
            "SELECT a.verdict, s.gone_at, (SELECT count(*) FROM outages o WHERE o.agent = a.agent"
            "  AND o.schedule = a.schedule AND o.closed_at IS NULL) AS open FROM attempts a"
            " JOIN schedules s ON s.agent = a.agent AND s.id = a.schedule"
            " WHERE a.id = (SELECT max(l.id) FROM attempts l WHERE l.agent = a.agent"
            "  AND l.schedule = a.schedule AND l.kind != 'trial' AND l.verdict IS NOT NULL"
            "  AND l.verdict NOT IN ('interrupted', 'skipped'))"
        ):
            opened = row["open"] or row["gone_at"] is not None or self._dismissed()
            assert row["verdict"] != "failed" or opened, "R13: a failure opened no outage"
        unsent = rows(
            "SELECT count(*) AS n FROM deliveries d JOIN events e ON e.seq = d.event_seq"
            f" WHERE e.kind = 'still_failing' AND d.resend_of IS NULL AND d.state IN {UNSETTLED}"
            " GROUP BY e.outage_id, d.scope, d.notifier"
        )
        assert all(row["n"] == 1 for row in unsent), "R15: two reminders wait to be sent"

    def overdue_is_not_said_too_soon(self) -> None:
        """R13: more than a period and ``stale_after`` after the last success."""
        for row in self.life.rows(
            "SELECT o.opened_at, s.stale_after_ms, s.definition, max(a.ended_at) AS sound_at"
            " FROM outages o JOIN schedules s ON s.agent = o.agent AND s.id = o.schedule"
            " JOIN attempts a ON a.agent = o.agent AND a.schedule = o.schedule"
            " AND a.ended_at <= o.opened_at AND a.verdict IN ('succeeded', 'warned')"
            " AND a.kind != 'trial'"  # product §7: it touches no outage
            " WHERE o.opened_by = 'overdue' AND o.closed_at IS NULL GROUP BY o.id"
        ):
            patience_ms = (
                10 * MINUTE_MS + row["stale_after_ms"]
            )  # the shortest period that is drawn
            early = row["opened_at"] - row["sound_at"] <= patience_ms
            assert not early or self.life.stepped, "R13: overdue too soon"

    def _dismissed(self) -> bool:
        """Whether some outage ended without a success: its schedule went, and may be back."""
        return bool(self.life.rows("SELECT 1 FROM outages WHERE closed_by != 'success'"))

    def silences_speak_at_their_end(self) -> None:
        """R15: to whom it held something back of an outage that lasts, unless a person knows."""
        for row in self.life.rows("SELECT id FROM silences WHERE ended_at IS NOT NULL"):
            if row["id"] not in self._ended:
                self._ended.add(row["id"])
                assert not self._mute(row["id"]), "R15: a silence ended, it fails, nobody says so"

    def _mute(self, silence: int) -> list[Row]:
        """Who heard nothing since the silence began to hold back what they wanted to hear."""
        return self.life.rows(
            "SELECT 1 FROM silences s JOIN deliveries d ON d.silence = s.id"
            " JOIN events e ON e.seq = d.event_seq JOIN outages o ON o.id = e.outage_id"
            " JOIN routing r ON r.scope = d.scope AND r.notifier = d.notifier"
            " WHERE s.id = ? AND o.closed_at IS NULL AND o.acked_at IS NULL"
            " AND NOT EXISTS (SELECT 1"
            "  FROM events l JOIN deliveries f ON f.event_seq = l.seq WHERE l.agent = e.agent"
            "  AND l.schedule = e.schedule AND l.kind = 'still_failing'"
            "  AND f.scope = d.scope AND f.notifier = d.notifier"
            f"  AND (l.seq > e.seq OR f.state IN {UNSETTLED} OR f.ended_at >= s.ended_at))",
            silence,
        )


LAWS: tuple[Callable[[Laws], None], ...] = (
    Laws.each_window_ends_once,
    Laws.one_window_lives,
    Laws.what_waits_may_be_tried,
    Laws.attempts_are_counted,
    Laws.nothing_false_is_planned,
    Laws.gaps_have_their_row,
    Laws.nothing_is_forgotten,
    Laws.one_attempt_at_a_time,
    Laws.each_bad_end_is_told,
    Laws.the_last_word_is_true,
    Laws.each_message_ends_or_is_announced,
    Laws.repeats_are_flagged,
    Laws.in_order,
    Laws.suspects_go_alone,
    Laws.what_waits_follows_its_notifier,
    Laws.limits_hold,
    Laws.good_news_to_who_heard_the_bad,
    Laws.announcements_feed_nothing,
    Laws.outages_and_reminders,
    Laws.overdue_is_not_said_too_soon,
    Laws.silences_speak_at_their_end,
)
