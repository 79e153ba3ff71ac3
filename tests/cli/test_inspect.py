"""``inspect``: what is in force of one agent, whatever its file says by now."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.scene import DAILY
from tests.support.daemon import run, write_agent

BOTH = """
[[schedules]]
id = "daily"
cron = "30 8 * * 1-5"
timezone = "Europe/Berlin"
args = ["--all"]
max_attempts = 3
retry_backoff = ["1m", "10m"]

[[schedules]]
id = "often"
every = "90m"
spread = "10m"
max_attempts = 1

[[notifiers]]
id = "phone"
driver = "ntfy"
topic = "secret-topic-of-mine"
events = ["given_up", "recovered"]
quiet_hours = { from = "22:00", to = "07:30", events = ["recovered"] }
remind = ["1h", "6h"]
rate_limit_minutes = 5

[[preflight]]
plugin = "cmd"

[[on_failure]]
plugin = "sink-file"
"""


def test_what_is_in_force(home: Path) -> None:
    """Command, schedules, channels, hooks, files; the address of a channel is nobody's business."""
    folder = write_agent(home, "disk-alert", BOTH)
    run(home, "tick")
    data = json.loads(run(home, "inspect", "disk-alert", "--json").stdout)
    text = " ".join(run(home, "inspect", "disk-alert").stdout.split())
    daily, often = data["schedules"]

    assert ("in force", [], ["./run.sh"]) == (data["file"], data["problems"], data["command"])
    assert (str(folder), 1_800_000) == (data["working_dir"], data["timeout_ms"])
    assert "cron 30 8 * * 1-5 (Europe/Berlin)" == daily["when"]
    assert (["--all"], "all", [60_000, 600_000]) == (
        daily["args"],
        daily["slug"].strip("-_"),
        daily["backoff_ms"],
    )
    assert "every 1h30m, spread over 10m" == often["when"]
    assert ["cmd"] == data["preflight"]
    assert {
        "name": "phone",
        "driver": "ntfy",
        "events": ["given_up", "recovered"],
        "global": False,
        "quiet_hours": {"from": "22:00", "to": "07:30", "events": ["recovered"]},
        "remind_ms": [3_600_000, 21_600_000],
        "rate_limit_ms": 300_000,
    } == data["notifiers"][0]
    assert [("sink-file", "plugin")] == [
        (each["name"], each["driver"]) for each in data["notifiers"][1:]
    ]
    assert "3 attempts, 1m, 10m apart" in text
    assert (
        "phone ntfy: given_up, recovered; quiet 22:00–07:30 for recovered; reminds after 1h, 6h;"
        " at most one in 5m"
    ) in text
    assert "secret-topic" not in text + json.dumps(data)
    assert text.endswith("Next: dotagent why disk-alert")


def test_a_schedule_is_shown_as_it_was_written(home: Path) -> None:
    """``daily`` and lists are not shown as the cron expression that they are planned by; only where
    the good copy is gone is that all that is known."""
    written = '[[schedules]]\nid = "{}"\n{}\n'
    ways = {"a": 'daily = "08:30"', "b": "hours = [8, 20]\nminute = 5", "c": 'cron = "@weekly"'}
    write_agent(home, "ways", "".join(written.format(*each) for each in ways.items()))
    run(home, "tick")
    seen = [json.loads(run(home, "inspect", "ways", "--json").stdout)["schedules"]]
    for path in (home / "state" / "manifests").glob("ways.toml*"):
        path.write_text("")
    seen.append(json.loads(run(home, "inspect", "ways", "--json").stdout)["schedules"])

    first, second = [[each["when"] for each in schedules] for schedules in seen]
    assert ["daily 08:30", "hours 8 20, minute 5", "cron @weekly"] == first
    assert ["cron 30 8 * * *", "cron 5 8,20 * * *", "cron 0 0 * * 0"] == second


def test_a_file_that_is_edited(home: Path) -> None:
    """What is shown is the last good copy, and how the file stands to it: broken, then gone."""
    folder = write_agent(home, "disk-alert", BOTH)
    run(home, "tick")
    (folder / "agent.toml").write_text("[agent]\nname = 7\n")
    os.utime(folder / "agent.toml", (0, 0))  # what was saved this very moment may be half a file
    run(home, "tick")
    wrong = json.loads(run(home, "inspect", "disk-alert", "--json").stdout)
    text = run(home, "inspect", "disk-alert").stdout
    (folder / "agent.toml").write_text("[agent\n")
    os.utime(folder / "agent.toml", (0, 0))
    run(home, "tick")
    no_toml = run(home, "inspect", "disk-alert").stdout
    (folder / "agent.toml").unlink()
    run(home, "tick")
    gone = json.loads(run(home, "inspect", "disk-alert", "--json").stdout)

    assert ("wrong", ["./run.sh"]) == (wrong["file"], wrong["command"])
    assert "agent.name" in {each["path"] for each in wrong["problems"]}
    assert "its last good copy is in force" in " ".join(text.split())
    assert "problem     not valid TOML at column" in no_toml
    assert "missing" == gone["file"]
    assert gone["gone"] is not None
    assert "disk-alert is gone" in run(home, "inspect", "disk-alert").stdout


def test_no_run_is_next_before_one_is_planned(home: Path) -> None:
    """A command adopts an agent and plans nothing: its first sight is no run. Once it is planned
    the next run is shown, also one that fell due while nobody was there."""
    write_agent(home, "disk-alert", DAILY)
    run(home, "run-now", "disk-alert")
    unplanned, early = inspected(home)
    run(home, "tick")
    planned, ahead = inspected(home)
    with closing(sqlite3.connect(home / "state" / "dotagent.db")) as db, db:
        db.execute("UPDATE schedules SET planned_through = 0, next_due_at = 86400000")
    overdue, past = inspected(home)

    assert (None, False) == (unplanned, "next run" in early)
    assert planned
    assert "next run" in ahead
    assert "1970-01-02T00:00:00+0000" == overdue
    assert "next run 1970-01-02 00:00" in past


def inspected(home: Path) -> tuple[str | None, str]:
    """When its one schedule is due next, in the data; and the text."""
    (schedule,) = json.loads(run(home, "inspect", "disk-alert", "--json").stdout)["schedules"]
    return schedule["next_due"], run(home, "inspect", "disk-alert").stdout


def test_a_good_copy_that_is_gone(home: Path) -> None:
    """What cannot be vouched for any more is not known, and said so; the rest is still there."""
    write_agent(home, "disk-alert", BOTH)
    run(home, "tick")
    (home / "state" / "manifests" / "disk-alert.toml").write_text("[agent]\n")
    data = json.loads(run(home, "inspect", "disk-alert", "--json").stdout)
    text = run(home, "inspect", "disk-alert").stdout

    assert (None, None) == (data["command"], data["schedules"][0]["args"])
    assert "its last good copy is missing or was changed" in " ".join(text.split())


def test_an_agent_that_nobody_is_told_of(home: Path) -> None:
    """A disabled agent without a channel: both are the first thing to know."""
    folder = write_agent(home, "quiet")
    manifest = folder / "agent.toml"
    manifest.write_text(manifest.read_text().replace("[run]", "enabled = false\n[run]"))
    run(home, "tick")
    text = run(home, "inspect", "quiet").stdout

    assert text.startswith("quiet is disabled in its manifest: nothing of it runs on schedule.\n")
    assert "Nobody is told of it" in text


def test_names_that_are_none(home: Path) -> None:
    """Exit 4, with what to do: in a fresh home, and where a name is mistyped."""
    fresh = run(home, "inspect", "disk-alert")
    write_agent(home, "disk-alert", BOTH)
    run(home, "tick")
    mistyped = run(home, "inspect", "disk-alrt")

    assert [4, 4] == [fresh.returncode, mistyped.returncode]
    assert "dotagent init" in fresh.stderr
    assert 'Did you mean "disk-alert"?' in mistyped.stderr
