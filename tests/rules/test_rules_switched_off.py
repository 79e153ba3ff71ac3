"""Each rule is needed: with it switched off, the exploration finds a law that breaks.

The table says, for each rule that a store can forget, where it is switched off (a piece of SQL and
what stands there instead, an index that is dropped, an act that is left away) and which law breaks.
R1's lock and R2's bell are between processes: ``tests/system`` and ``tests/e2e`` have them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tests.rules.explore import story, tell
from tests.rules.memory import Switch

STORIES = 300
"""Within so many lives the law must break."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Off:
    """A rule, off. ``what``: what is then missing; ``breaks``: the law, as a pattern."""

    rule: str
    what: str
    sql: Sequence[tuple[str, str]] = ()
    dropped: Sequence[str] = ()
    omitted: Sequence[str] = ()
    near: int = 0
    """The first story to tell, so that those before it need not be told each time."""
    breaks: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


TABLE = (
    Off(
        rule="R3",
        what="the cursor is not moved",
        sql=[("SET planned_through = ?, ", "SET planned_through = coalesce(planned_through, ?), ")],
        breaks="UNIQUE constraint failed: windows|R8|spins",
    ),
    Off(
        rule="R3",
        what="an edit keeps the cursor's old meaning",
        sql=[
            ("planned_as = coalesce(planned_as, definition)", "planned_as = NULL"),
            ("was_away = max(was_away, gone_at IS NOT NULL)", "was_away = 0"),
        ],
        breaks="R3: planned for before the edit",
    ),
    Off(
        rule="R3",
        what="a cursor of a wrong clock is believed",
        sql=[("WHERE planned_through > ?1 + ?2", "WHERE planned_through > ?1 + ?2 AND 0")],
        near=88,
        breaks="R3: a schedule sleeps",
    ),
    Off(
        rule="R4",
        what="planning does not see the live window, and no index does",
        sql=[
            (
                "AS by_hand FROM windows w WHERE agent = ?",
                "AS by_hand FROM windows w WHERE 0 AND agent = ?",
            )
        ],
        dropped=["windows_live"],
        near=2,
        breaks="R4: two live windows|UNIQUE constraint failed: attempts",
    ),
    Off(
        rule="R5",
        what="an attempt is not counted as it is claimed",
        sql=[("attempts = attempts + 1, next_at = NULL", "next_at = NULL")],
        dropped=["attempts_number"],
        breaks="R5, R11: attempts are miscounted",
    ),
    Off(
        rule="R5",
        what="a new holder leaves the dead one's attempts open",
        sql=[("WHERE a.ended_at IS NULL AND a.epoch < ?", "WHERE 0 AND a.epoch < ?")],
        breaks="R5, R12: an attempt is open for ever",
    ),
    Off(
        rule="R5",
        what="a loss counts as any failure",
        sql=[
            (
                "SELECT * FROM windows WHERE id = ?",
                "SELECT -1 AS losses, * FROM windows WHERE id = ?",
            )
        ],
        near=6,
        breaks="R5: a loss alone exhausted a window",
    ),
    Off(
        rule="R6",
        what="no run lock: an open attempt does not keep the next from starting",
        sql=[
            ("AND o.ended_at IS NULL)", "AND 0)"),
            ("AND schedule = ? AND ended_at IS NULL", "AND schedule = ? AND 0"),
        ],
        dropped=["attempts_open"],
        near=2,
        breaks="R6: overlap",
    ),
    Off(
        rule="R7",
        what="the deadline bounds no start",
        sql=[
            ("AND w.deadline_at >= ?", "AND ? IS NOT NULL"),
            ("next_at <= ?1 AND deadline_at < ?1", "next_at <= ?1 AND 0"),
        ],
        near=39,
        breaks="R7: an attempt began after the deadline",
    ),
    Off(
        rule="R7",
        what="a retry is promised whatever the deadline says",
        sql=[
            (
                "SELECT * FROM windows WHERE id = ?",
                "SELECT 1e15 AS deadline_at, * FROM windows WHERE id = ?",
            )
        ],
        near=4,
        breaks="R7: the next try comes after the deadline",
    ),
    Off(
        rule="R7",
        what="a retry is promised whatever was used up",
        sql=[
            (
                "SELECT * FROM schedules WHERE agent = ? AND id = ?",
                "SELECT 99 AS max_attempts, * FROM schedules WHERE agent = ? AND id = ?",
            ),
            ("AND w.attempts >= s.max_attempts", "AND 0"),
        ],
        breaks="R7: a window waits for a try that it may not make",
    ),
    Off(
        rule="R8",
        what="the row of a gap does not say for how many it stands",
        sql=[
            ("expected_at, expected_to, count, exact,", "expected_at, expected_to, exact, count,")
        ],
        breaks="R8: no range row",
    ),
    Off(
        rule="R9",
        what="the waiting window of a removed schedule goes on waiting",
        sql=[
            (
                "SELECT * FROM windows WHERE agent = ? AND schedule = ?"
                " AND state IN ('waiting', 'running')",
                "SELECT * FROM windows WHERE agent = ? AND schedule = ? AND state = 'running'",
            )
        ],
        breaks="R9: a window waits whose schedule is gone|AssertionError",
    ),
    Off(
        rule="R9",
        what="the schedules of a vanished root are not held",
        sql=[("SET held_at = ?, next_due_at = NULL", "SET held_at = nullif(?, held_at)")],
        breaks="R3: a schedule is never looked at again|R9: held, or not, wrongly",
    ),
    Off(
        rule="R10",
        what="a manual success leaves the waiting window",
        sql=[
            (
                "UPDATE windows SET state = ?, reason = ?, closed_at = ?, next_at = NULL WHERE id",
                "UPDATE windows SET state = ?1, reason = ?2, closed_at = ?3, next_at = NULL"
                " WHERE ?2 != 'by manual run' AND id",
            )
        ],
        near=5,
        breaks="R10: a manual success left windows open",
    ),
    Off(
        rule="R10",
        what="a manual failure is not told",
        sql=[
            (
                "number, kind, manifest",
                "number, iif(kind = 'manual', 'trial', kind) AS kind, manifest",
            )
        ],
        near=5,
        breaks="I2: a failure untold|R10: a manual success",
    ),
    Off(
        rule="R11",
        what="an interrupted attempt counts",
        sql=[
            (
                "SET state = 'waiting', attempts = ?,",
                "SET state = 'waiting', attempts = max(attempts, ?),",
            )
        ],
        breaks="R5, R11: attempts are miscounted|R7: a window waits",
    ),
    Off(
        rule="R12",
        what="who could not settle an attempt does not try again",
        omitted=["trying again"],
        breaks="R5, R12: an attempt is open for ever",
    ),
    Off(
        rule="R13",
        what="a success leaves the outage open",
        sql=[("SET closed_at = ?, closed_by = ?", "SET closed_by = coalesce(?, ?)")],
        breaks="I10|R10: a manual success left outages|R9: an outage",
    ),
    Off(
        rule="R13",
        what="nobody looks for what is overdue",
        sql=[
            (
                "schedules WHERE stale_at <= ? AND gone_at",
                "schedules WHERE stale_at < -? AND gone_at",
            )
        ],
        breaks="it spins",
    ),
    Off(
        rule="R13",
        what="a success does not count anew",
        sql=[
            (
                "SET sound_at = ?1, watched_at = ?1, ready_at = NULL",
                "SET sound_at = coalesce(sound_at, ?1), ready_at = NULL",
            )
        ],
        breaks="R13: overdue too soon",
    ),
    Off(
        rule="R14",
        what="good news stays quiet though some heard the bad",
        sql=[("FILTER (WHERE d.state = 'suppressed')", "FILTER (WHERE 1)")],
        near=3,
        breaks="I7",
    ),
    Off(
        rule="R14",
        what="good news goes to who heard nothing bad",
        sql=[("FILTER (WHERE d.state = 'suppressed')", "FILTER (WHERE 0)")],
        near=199,
        breaks="I7",
    ),
    Off(
        rule="R15",
        what="reminders pile up",
        sql=[("AND e.kind = 'still_failing' LIMIT 1", "AND e.kind = '' LIMIT 1")],
        breaks="R15: two reminders wait",
    ),
    Off(
        rule="R15",
        what="a silence ends without a word",
        sql=[
            (
                "SELECT * FROM outages WHERE closed_at IS NULL AND acked_at IS NULL AND id IN",
                "SELECT * FROM outages WHERE 0 AND id IN",
            )
        ],
        near=24,
        breaks="R15: a silence ended",
    ),
    Off(
        rule="R16",
        what="what waits stays at the address that its notifier has left",
        sql=[
            ("+state = 'pending' AND fingerprint != ?1", "+state = 'pending' AND fingerprint = ?1")
        ],
        near=4,
        breaks="R16: a message waits for an address",
    ),
    Off(
        rule="R17",
        what="recovery forgets that an answer was lost",
        sql=[("doubtful = 1", "doubtful = 0")],
        breaks="I4, R17: flag is wrong",
    ),
    Off(
        rule="R17",
        what="recovery leaves the dead one's sends",
        sql=[("WHERE d.state = 'sending' AND d.epoch < ?", "WHERE 0 AND d.epoch < ?")],
        breaks="R17: a message is on its way for ever",
    ),
    Off(
        rule="R17",
        what="suspects go together",
        sql=[("WHERE state = 'sending' AND suspect > 0", "WHERE 0")],
        breaks="R17: two suspects are in flight",
    ),
    Off(
        rule="R18",
        what="a new row does not wait for its turn",
        sql=[
            (
                "SELECT min(id) FROM deliveries WHERE order_key = ?",
                "SELECT min(id) FROM deliveries WHERE 0 AND order_key = ?",
            )
        ],
        breaks="R18|I5",
    ),
    Off(
        rule="R19",
        what="a failed try ends what is not overdue too",
        sql=[("AND (expires_at <= ? OR ?)", "AND (1 OR ? OR ?)")],
        breaks="R19",
    ),
    Off(
        rule="R20",
        what="a sick destination is asked by all at once",
        sql=[("SELECT t.*,", "SELECT 0 AS failures, NULL AS parked_at, t.*,")],
        breaks="R20: a sick destination gets one probe",
    ),
    Off(
        rule="R20",
        what="a resting destination is asked",
        sql=[("t.down_until <= ?1", "?1 > 0")],
        breaks="R20: a destination that rests was asked",
    ),
    Off(
        rule="R20",
        what="nobody stands in for a parked channel",
        sql=[("t.parked_at IS NOT NULL AS parked", "0 AS parked")],
        near=163,
        breaks="R20: critical news went to a parked channel only",
    ),
    Off(
        rule="R21",
        what="every death is announced, not only the first of an episode",
        sql=[("WHERE fingerprint = ? AND episode_at IS NULL", "WHERE fingerprint = ?")],
        breaks="I9: announced twice",
    ),
    Off(
        rule="R21",
        what="an announcement follows its notifier to the channel that it is about",
        sql=[("e.attempt_id, e.about,", "e.attempt_id, NULL AS about,")],
        near=185,
        breaks="R21: an announcement went to the channel",
    ),
    Off(
        rule="R22",
        what="what was said is not remembered",
        sql=[("FROM said WHERE fingerprint = ?", "FROM said WHERE 0 AND fingerprint = ?")],
        near=43,
        breaks="R22: told again within its limit",
    ),
)


@pytest.mark.parametrize("off", TABLE, ids=str)
def test_without_it_a_law_breaks(off: Off) -> None:
    """And it is the law that the rule is there for."""
    switch = Switch(*off.sql, dropped=off.dropped, omitted=off.omitted)
    found = None
    for number in range(off.near, off.near + STORIES):
        found = tell(story(f"off-{number}"), switch)
        if found is not None:
            break

    assert [] == switch.unmet
    assert found is not None, "nothing breaks: the rule is not needed, or no law asks for it"
    assert re.search(off.breaks, found), found


def test_the_table_covers_the_rules() -> None:
    """Every rule of windows, outages and deliveries that is the store's is in the table."""
    rules = {f"R{number}" for number in range(3, 23)}

    assert rules == {off.rule for off in TABLE}
