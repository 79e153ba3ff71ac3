"""A home of dotagent 0.1.x meets its successor: what was known stays, nothing is said twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dotagent.core import chain
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS
from tests.e2e.home import Home
from tests.support.old_home import OldHome
from tests.support.patience import until

HOURLY = """
[[schedules]]
id = "s"
type = "cron"
weekdays = [0, 1, 2, 3, 4, 5, 6]
hours = {hours}
minute = {minute}
retry_backoff_minutes = [600]
stale_after_minutes = 1200
"""
EVERY = '[[schedules]]\nid = "s"\ntype = "interval"\ninterval_minutes = 600\n'
CONFIG = '[[notifiers]]\nid = "ops"\ndriver = "webhook"\nurl = "http://127.0.0.1:9/"\n'
IMESSAGE = """
[[notifiers]]
id = "phone"
driver = "imessage"
to = "+5511"
rate_limit_minutes = 600
"""


@dataclass(frozen=True, kw_only=True)
class Heir:
    """A home of 0.1.x in which our daemon has looked at everything once."""

    home: Home
    expected_at: int
    now: int
    written: dict[Path, bytes]


def agents(home: Home, now: int) -> dict[str, Path]:
    """Their last window is some minutes old, and the next far away."""
    due = datetime.fromtimestamp(now / 1_000, UTC)
    hourly = HOURLY.format(hours=[due.hour], minute=due.minute)
    names = ("fine", "late", "retrying", "lost")
    made = {name: home.agent(name, hourly) for name in names}
    made["retrying"].write_text(made["retrying"].read_text() + IMESSAGE)
    made["grid"] = home.agent("grid", EVERY)
    made["changed"] = home.agent("changed", EVERY)
    stray = home.path / "work" / "stray"
    stray.mkdir(parents=True)
    made["stray"] = stray / "agent.toml"
    made["stray"].write_text(made["grid"].read_text().replace("grid", "stray"))
    return made


def leave(old: OldHome, made: dict[str, Path], due: int) -> list[Path]:
    """What 0.1.x knew of them; the last line of its log."""
    ran: dict[str, Any] = {"started_at": due + 1_000, "finished_at": due + 2_000}
    failed: dict[str, Any] = {"exit_code": 3, "success_at": due - DAY_MS}
    return [
        old.heartbeat("fine", **ran, exit_code=0, success_at=due + 2_000),
        old.window("fine", "s", due, tried_at=due, exit_code=0),
        old.heartbeat("late", started_at=due - DAY_MS, success_at=due - DAY_MS),
        old.heartbeat("retrying", **ran, **failed),
        old.window("retrying", "s", due, tried_at=due, exit_code=3, stderr="no space left"),
        old.heartbeat("lost", **ran, **failed),
        old.window("lost", "s", due, attempts=3, tried_at=due, exit_code=3, given_up_at=due),
        old.heartbeat("grid", started_at=due - HOUR_MS, success_at=due - HOUR_MS),
        old.heartbeat("changed", started_at=due - HOUR_MS, success_at=due - HOUR_MS),
        old.sent("+5511", due),
        old.known(*made.values(), at=due - DAY_MS, other="changed"),
    ]


@pytest.fixture(scope="module")
def heir(tmp_path_factory: pytest.TempPathFactory) -> Heir:
    home = Home(tmp_path_factory.mktemp("heir"))
    now = round(datetime.now(UTC).timestamp()) * 1_000
    due = (now - 10 * MINUTE_MS) // MINUTE_MS * MINUTE_MS
    if datetime.fromtimestamp(due / 1_000, UTC).date() != datetime.now(UTC).date():
        due = now // MINUTE_MS * MINUTE_MS  # 0.1.x never looked back beyond midnight
    home.config(CONFIG)
    old = OldHome(home.path, UTC)
    made = agents(home, due)
    paths = leave(old, made, due)
    (home.path / "state" / "daemon.pid").write_text(str(2**22 + 1))
    (home.path / "state" / "supervisor.json").write_text('[{"id": 1, "pid": 1}]')
    first = chain.line("2026-05-19T14:30:01-0300", "info", "tick_started", {}, chain.GENESIS)
    (home.path / "audit.log").write_bytes(first + b"\n")
    written = {path: path.read_bytes() for path in paths if path.parent.name != "late"}
    with home.daemon():
        until(lambda: len(home.values("SELECT 1 FROM schedules")) == 6, what="the agents")
        until(lambda: unplanned(home) == 0, what="all to be planned")
        until(lambda: home.kinds("late"), what="late to run")
    return Heir(home=home, expected_at=due, now=now, written=written)


def unplanned(home: Home) -> int:
    return len(home.values("SELECT 1 FROM schedules WHERE planned_through IS NULL"))


def status(home: Home) -> dict[str, dict[str, Any]]:
    said = json.loads(home.run("status", "--json").stdout)
    return {each["agent"]: each for each in said["schedules"]}


def test_statuses_are_as_before(heir: Heir) -> None:
    """Health, last success and next run of each schedule."""
    now_is = status(heir.home)

    assert {
        "fine": "ok",
        "retrying": "failing",
        "lost": "failing",
        "grid": "ok",
        "changed": "ok",
    } == {name: each["health"] for name, each in now_is.items() if name != "late"}
    assert "gave up after 3 attempts" == now_is["lost"]["reason"]
    assert "attempt 1: exit 3; will be tried again" == now_is["retrying"]["reason"]
    last = heir.home.rows("SELECT agent, last_success_at, next_due_at FROM schedules")
    by_agent = {row["agent"]: row for row in last}
    due = heir.expected_at
    assert due + 2_000 == by_agent["fine"]["last_success_at"]
    assert due - DAY_MS == by_agent["lost"]["last_success_at"]
    assert due - HOUR_MS + 600 * MINUTE_MS == by_agent["grid"]["next_due_at"]


def test_nothing_is_said_again(heir: Heir) -> None:
    """Of what 0.1.x has told there is no event; nothing of it is run again."""
    told = {name: heir.home.kinds(name) for name in ("fine", "retrying", "lost", "grid")}

    assert {"fine": [], "retrying": [], "lost": [], "grid": []} == told
    assert 0 == heir.home.count("phantom_agent_detected")
    ran = heir.home.values("SELECT agent FROM attempts WHERE manifest_sha256 != ''")
    assert {"late"} == set(ran)


def test_what_was_owed_is_run(heir: Heir) -> None:
    """What fell due while neither daemon ran, and is not too late, runs once."""
    assert ["success"] == heir.home.kinds("late")


def test_the_open_window_keeps_its_retries(heir: Heir) -> None:
    """Its second attempt comes when 0.1.x had promised it."""
    (window,) = heir.home.rows("SELECT * FROM windows WHERE agent = 'retrying'")

    due = heir.expected_at
    assert ("waiting", 1, due, due + 600 * MINUTE_MS, due + 1_200 * MINUTE_MS) == (
        window["state"],
        window["attempts"],
        window["expected_at"],
        window["next_at"],
        window["deadline_at"],
    )
    outages = heir.home.rows("SELECT agent, opened_at, told FROM outages")
    assert [("lost", due, 1), ("retrying", due, 0)] == sorted(
        (row["agent"], row["opened_at"], row["told"]) for row in outages
    )


def test_what_changed_meanwhile_is_said(heir: Heir) -> None:
    """A manifest that is not the one that 0.1.x knew: people and ``doctor`` hear of it."""
    (facts,) = heir.home.values(
        "SELECT facts FROM events WHERE kind = 'manifest_drift_detected' AND agent = ''"
    )
    known = json.loads((heir.home.path / "state" / "known_manifests.json").read_text())
    was = known["entries"]["changed"]["sha256"][:12]

    assert json.loads(facts)["line"].startswith("1 changed manifest: changed (")
    said = " ".join(heir.home.run("doctor").stdout.split())
    assert "The manifest of changed has changed since it was adopted" in said
    assert f"it was {was}, now it is " in said


def test_agents_that_nobody_looks_for_are_named(heir: Heir) -> None:
    """0.1.x ran what lay in the folder that it was started in."""
    (facts,) = heir.home.values("SELECT facts FROM events WHERE kind = 'root_vanished'")

    line = json.loads(facts)["line"]
    assert "the agent stray does not run any more: its folder is not looked into" == line


def test_the_rate_limit_goes_on(heir: Heir) -> None:
    """An iMessage that 0.1.x has sent counts."""
    said = heir.home.rows("SELECT agent, at FROM said")

    assert [{"agent": "retrying", "at": heir.expected_at}] == said


def test_the_old_log_is_anchored(heir: Heir) -> None:
    """Our record goes on from it, and verifies."""
    (first, *_) = (heir.home.path / "state" / "audit.jsonl").read_bytes().splitlines()
    old = (heir.home.path / "audit.log").read_bytes().rstrip(b"\n")

    assert chain.digest(old) == json.loads(first)["prev_hash"]
    assert 0 == heir.home.run("audit", "verify").returncode


def test_a_second_start_takes_nothing_over(heir: Heir) -> None:
    """Nothing is doubled; what old tools read is as it was."""
    tables = ("windows", "outages", "events", "said", "agents")
    before = {table: heir.home.rows(f"SELECT * FROM {table}") for table in tables}
    with heir.home.daemon():
        until(lambda: len(heir.home.values("SELECT 1 FROM holders")) > 1, what="the next holder")

    assert before == {table: heir.home.rows(f"SELECT * FROM {table}") for table in tables}
    assert heir.written == {path: path.read_bytes() for path in heir.written}


def test_a_daemon_of_old_is_not_overrun(tmp_path: Path) -> None:
    """While it runs, ours refuses with what to do, and so does every command that would act."""
    home = Home(tmp_path)
    home.agent("a", "")
    (tmp_path / "daemon").write_text("import signal\nprint(flush=True)\nsignal.pause()\n")
    old = subprocess.Popen(
        ["dotagent", "daemon"], executable=sys.executable, cwd=tmp_path, stdout=subprocess.PIPE
    )
    try:
        assert old.stdout is not None
        old.stdout.readline()
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / "daemon.pid").write_text(str(old.pid))
        refused = [home.run("daemon"), home.run("run-now", "a")]
    finally:
        old.send_signal(signal.SIGKILL)
        old.communicate()

    for said in refused:
        assert 5 == said.returncode
        assert f"dotagent 0.1.x still runs this home, as process {old.pid}" in said.stderr
        assert "stop it first: " in said.stderr
