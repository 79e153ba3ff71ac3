"""``next``: what runs next, over all agents."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dotagent.core.model import Lost
from dotagent.core.when import Calendar
from dotagent.store import plan_view
from dotagent.store.reading import record
from dotagent.system import lock
from dotagent.system.hindrance import BEGINNING_MS
from dotagent.system.waiting import now
from tests.cli.scene import DAILY, Gate, rows
from tests.support.daemon import daemon, run, write_agent
from tests.support.home import Past, daily
from tests.support.patience import until

HOURLY = '[[schedules]]\nid = "hourly"\ncron = "0 * * * *"\n'
LOOKS = [("next", "-n", "1"), ("status",), ("why", "sync")]


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    """A home whose history begins on a Sunday at eight."""
    made = Past(tmp_path / "past", "2026-03-29 08:00")
    yield made
    made.close()


def test_over_all_agents(home: Path) -> None:
    """The next run of each schedule, in order of time, at most as many as asked for; all runs of
    one agent or one schedule by name; in the times of the machine's zone, which is named."""
    write_agent(home, "a", DAILY)
    write_agent(home, "b", HOURLY)
    run(home, "tick")
    all_ = json.loads(run(home, "next", "-n", "30", "--json").stdout)
    one = json.loads(run(home, "next", "b/hourly", "-n", "2", "--json").stdout)
    text = run(home, "next", "a", "-n", "1").stdout
    short = run(home, "next", "-n", "1").stdout
    at = [each["at"] for each in all_["runs"]]

    assert sorted(at) == at
    assert ["a", "b"] == sorted(each["agent"] for each in all_["runs"])
    assert ["b", "b"] == [each["agent"] for each in one["runs"]]
    assert {"planned"} == {each["state"] for each in all_["runs"]}
    assert "08:30" in text
    assert "a/daily" in text
    assert "Times of UTC." in text
    assert "Times of UTC; 1 schedule more after that." in short
    assert text.endswith("No daemon runs: none of this is started.\n\nNext: dotagent daemon\n")


def test_a_schedule_of_another_zone(home: Path) -> None:
    """Its run stands at the machine's time, with the time that its manifest names beside it."""
    zone = DAILY + 'timezone = "Asia/Tokyo"\n'
    write_agent(home, "tokyo", zone)
    run(home, "tick")

    assert "23:30  tokyo/daily, 08:30 in Asia/Tokyo" in run(home, "next").stdout


def test_waiting_for_a_slot_is_visible(home: Path) -> None:
    """With one slot, what waits for it stands in ``next`` in the order in which it is due, and
    ``status`` and ``why`` say what it waits for."""
    (home / "config.toml").write_text("[daemon]\nmax_running = 1\n")
    start = '[[schedules]]\nid = "s"\nevery = "1h"\nrun_at_start = true\n'
    gates = [Gate(write_agent(home, name, start, script="cat gate")) for name in "abc"]
    with daemon(home):
        until(
            lambda: rows(home, "SELECT 1 FROM attempts WHERE pid IS NOT NULL"), what="the first run"
        )
        coming = json.loads(run(home, "next", "--json").stdout)
        status, why = run(home, "status").stdout, run(home, "why", "c").stdout
        text = run(home, "next").stdout
        for gate in gates:
            gate.open()
        until(
            lambda: (
                rows(home, "SELECT count(*) FROM attempts WHERE verdict = 'succeeded'") == [(3,)]
            ),
            what="all three runs",
        )
    waiting = [each["agent"] for each in coming["runs"] if each["state"] == "waiting"]

    assert 1 == coming["running"]
    assert ["b", "c"] == waiting
    assert [("a",), ("b",), ("c",)] == rows(home, "SELECT agent FROM attempts ORDER BY id")
    assert "waits for a free slot (1 run under way)" in text
    assert "waits for a free slot" in " ".join(status.split())
    assert "waits for a free slot to start" in " ".join(why.split())


def test_waiting_for_room_on_the_disk(past: Past) -> None:
    """All who are asked say the same of a daemon that has given its reserve up."""
    past.agent("sync", {"hourly": Calendar(expression="0 * * * *")})
    past.plan("2026-03-29 09:00")
    home = Path(past.paths.home)
    held = lock.take(past.paths.lock, "daemon", os.getpid(), now() - 2 * BEGINNING_MS)
    try:
        said = [run(home, *call).stdout for call in (["status"], ["why", "sync"], ["next"])]
    finally:
        held.release()

    assert [True] * 3 == ["waits for room on the disk" in " ".join(each.split()) for each in said]


def test_a_further_try(past: Past) -> None:
    """A window that failed has its next try in the list, beside its next regular run."""
    past.agent("sync", {"hourly": Calendar(expression="0 * * * *")})
    past.plan("2026-03-29 09:00")
    past.fail("2026-03-29 09:00")
    past.close()
    text = run(Path(past.paths.home), "next", "-n", "2").stdout

    assert "sync/hourly, try 2 of 3 of the" in " ".join(text.split())


def test_a_lost_attempt_allows_one_more(past: Past) -> None:
    """What was lost to a crash does not use up the run: ``next``, ``status``, ``why`` and a tick
    played through count as the message did that told of it."""
    past.agent("sync", {"hourly": Calendar(expression="0 * * * *")})
    past.plan("2026-03-29 09:00")
    past.finish(past.start("2026-03-29 09:00"), Lost(why="dotagent died while it ran"))
    told = rows(Path(past.paths.home), "SELECT facts ->> 'max' FROM events")
    with record(past.paths.database) as reader:
        assert reader is not None
        rehearsed = plan_view.max_attempts(reader)
    past.close()
    said = [run(Path(past.paths.home), *each).stdout for each in LOOKS]

    assert [(4,)] == told
    assert {("sync", "hourly"): 4} == rehearsed
    assert ["2 of 4"] * len(LOOKS) == [
        re.findall(r"\d of \d", " ".join(x.split()))[0] for x in said
    ]


def test_nothing_is_planned(home: Path, past: Past) -> None:
    """A new home, an agent without schedules, a name that nobody bears."""
    new = run(home, "next")
    past.agent("idle", {})
    past.agent("daily", {"d": daily("08:30")})
    past.close()
    folder = Path(past.paths.home)
    unknown = run(folder, "next", "dayly")

    assert 4 == new.returncode
    assert "dotagent has not run in this home yet" in new.stderr
    assert "Nothing is planned." in run(folder, "next", "idle").stdout
    assert 4 == unknown.returncode
    assert 'Did you mean "daily"?' in unknown.stderr
