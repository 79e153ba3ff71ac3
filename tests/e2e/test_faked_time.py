"""The real daemon, once, on a clock that libfaketime sets: a night, two hours back, two years."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from dotagent.system import bell
from tests.cli.scene import rows
from tests.support.daemon import daemon, write_agent
from tests.support.patience import until
from tests.support.system import linux_only, require

NIGHTLY = '[[schedules]]\nid = "s"\ndaily = "02:30"\ntimezone = "Europe/Berlin"\n'
BACKUP = '[[schedules]]\nid = "s"\ndaily = "03:00"\n'
WON = "SELECT CASE WHEN min(verdict IS 'succeeded') THEN max(id) END FROM attempts"
EPOCHS = "SELECT group_concat(plan_epoch) FROM (SELECT plan_epoch FROM schedules ORDER BY agent)"
RAN = (
    "SELECT a.id, w.agent, w.plan_epoch, w.expected_at FROM attempts a"
    " JOIN windows w ON w.id = a.window_id"
)
OFTEN = '[[schedules]]\nid = "s"\nevery = "15m"\n'


class Faked:
    """A clock that a file sets. Nobody tells the daemon, for the kernel's own clock stands: the
    bell is rung in its place."""

    def __init__(self, home: Path, first: str) -> None:
        self._home = home
        self._file = home.parent / "faked-time"
        self._write(first)

    def environment(self) -> dict[str, str]:
        """What preloads the library, as ``faketime`` itself does."""
        program = shutil.which("faketime")
        assert program is not None
        asked = [program, "-m", "now", "sh", "-c", "echo $LD_PRELOAD"]
        found = subprocess.run(asked, capture_output=True, text=True, check=True)
        return {
            "LD_PRELOAD": found.stdout.strip(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, time: str) -> None:
        """It is this time now."""
        self._write(time)
        bell.ring(str(self._home / "state" / "bell"))

    def _write(self, time: str) -> None:
        beside = self._file.with_suffix(".new")
        beside.write_text(f"@{time}\n")
        os.replace(beside, self._file)


def instant(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@linux_only
def test_a_night_and_a_wrong_clock(tmp_path: Path) -> None:
    """At 08:05, after a jump over the night, the backup runs once and late, the 15-minute schedule
    once for all that it stands in for, nothing is missed. Then the clock goes two hours back and
    forth, and two years: each time all goes on, and no window is run twice in one plan epoch."""
    require("faketime")
    home = tmp_path / "home"
    clock = Faked(home, "2026-06-02 22:00:00")
    write_agent(home, "backup", BACKUP)
    write_agent(home, "often", OFTEN)
    ran: dict[object, tuple[object, ...]] = {}

    def waits(sql: str, expected: object, what: str) -> None:
        until(lambda: rows(home, sql) == [(expected,)], what=what)
        for attempt, *window in rows(home, RAN):  # what is two years old is pruned
            ran[attempt] = tuple(window)

    with daemon(home, env=clock.environment()):
        waits("SELECT count(stale_at) FROM schedules", 2, "both schedules")
        clock.set("2026-06-03 08:05:00")
        waits(WON, 2, "both runs of the morning")
        night = rows(home, "SELECT agent, expected_at, late, state, count > 30 FROM windows")
        told = rows(home, "SELECT DISTINCT kind FROM events WHERE agent != ''")
        spans = rows(home, "SELECT why FROM spans WHERE to_at - from_at > 35000000")
        clock.set("2026-06-03 06:05:00")
        waits(EPOCHS, "0,1", "the step back")
        clock.set("2026-06-03 08:06:00")
        waits(WON, 3, "the run after the step forward")
        clock.set("2028-06-03 08:06:00")
        waits(WON, 5, "both runs of 2028")
        clock.set("2026-06-03 08:07:00")
        waits(EPOCHS, "1,2", "the second step back")
        clock.set("2026-06-03 08:20:00")
        waits(WON, 6, "the run after it")
    failed = rows(home, "SELECT kind FROM events WHERE severity = 'critical'")

    assert ("backup", instant("2026-06-03 03:00:00"), 1, "succeeded", 0) in night
    assert ["skipped", "succeeded"] == sorted(str(row[3]) for row in night if row[0] == "often")
    assert [1] == [row[4] for row in night if row[3] == "skipped"]
    assert [("success",)] == told
    assert [("the clock was set forward",)] == spans
    assert 6 == len(ran) == len(set(ran.values()))
    assert [] == failed


@linux_only
def test_the_clocks_change(tmp_path: Path) -> None:
    """In Berlin: 02:30 does not come on 29 March and is run as the gap ends; on 25 October it comes
    twice and is run the first time. Each night has one run, and none of them is late."""
    require("faketime")
    home = tmp_path / "home"
    clock = Faked(home, "2026-03-29 00:30:00")  # 01:30 in Berlin
    write_agent(home, "nightly", NIGHTLY)
    done = "SELECT count(*) FROM windows WHERE state = 'succeeded'"
    due = "SELECT next_due_at FROM schedules"

    with daemon(home, env=clock.environment()):
        until(lambda: rows(home, due) == [(instant("2026-03-29 01:00:00"),)], what="the gap's end")
        clock.set("2026-03-29 01:00:01")
        until(lambda: rows(home, done) == [(1,)], what="the run as the gap ends")
        clock.set("2026-10-24 23:30:00")
        until(lambda: rows(home, done) == [(2,)], what="the run for the summer")
        clock.set("2026-10-25 00:30:01")
        until(lambda: rows(home, done) == [(3,)], what="the first 02:30")
        clock.set("2026-10-25 01:30:01")
        spans = "SELECT max(to_at) FROM spans"
        until(lambda: rows(home, spans) > [(instant("2026-10-25 01:30:00"),)], what="the second")
        following = rows(home, due)
    found = rows(home, "SELECT expected_at, late FROM windows WHERE state = 'succeeded'")

    assert (instant("2026-03-29 01:00:00"), 0) in found
    assert (instant("2026-10-25 00:30:00"), 0) in found
    assert 3 == len(found)
    assert [(instant("2026-10-26 01:30:00"),)] == following
