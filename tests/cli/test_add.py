"""``add``: an agent around a command."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from dotagent import app
from dotagent.core.duration import MINUTE_MS
from dotagent.core.manifest import read_manifest
from dotagent.core.when import Calendar, Every
from tests.support.daemon import run


def test_runs_within_one_minute_are_told_apart(home: Path, tmp_path: Path) -> None:
    """Three runs a quarter of a minute apart show their seconds."""
    made = run(home, "add", "quick", "--every", "15s", "--", "true", cwd=tmp_path)
    runs = made.stdout.partition("daemon runs: ")[2].partition(" (")[0].split(", ")

    assert 3 == len(set(runs)) == len(runs)


def test_a_command_becomes_an_agent(home: Path, tmp_path: Path) -> None:
    """It runs where it was added, as it was written, and its next three runs are shown."""
    line = ["sh", "-c", 'echo "$PWD: it\'s $1"', "_", "me"]
    made = run(home, "add", "greet", "--every", "15m", "--", *line, cwd=tmp_path)
    manifest, problems = read_manifest(
        (home / "agents/greet/agent.toml").read_bytes(), app.drivers()
    )
    tried = run(home, "run", "greet")

    assert (0, "") == (made.returncode, made.stderr)
    assert manifest is not None
    assert () == problems
    assert Every(every_ms=15 * MINUTE_MS) == manifest.schedules[0].when
    assert (0, f"{tmp_path}: it's me\n") == (tried.returncode, tried.stdout)
    assert 3 == len(re.findall(r"\w+ \d\d \w+ \d\d:\d\d", made.stdout))
    assert made.stdout.rstrip().endswith("dotagent run greet")
    assert 0o700 == (home / "agents" / "greet").stat().st_mode & 0o777


def test_other_ways_to_say_when(home: Path) -> None:
    """A time of day or a cron expression, in a zone."""
    run(home, "add", "a", "--daily", "08:30", "--", "true")
    run(home, "add", "b", "--cron", "@weekly", "--timezone", "Asia/Tokyo", "--", "true")
    found = {}
    for name in "ab":
        data = (home / "agents" / name / "agent.toml").read_bytes()
        manifest, _ = read_manifest(data, app.drivers())
        assert manifest is not None
        found[name] = manifest.schedules[0].when

    assert {
        "a": Calendar(expression="30 8 * * *"),
        "b": Calendar(expression="0 0 * * 0", timezone="Asia/Tokyo"),
    } == found


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a", "--", "true"], "one of --every, --daily and --cron"),
        (["a", "--every", "1h", "--daily", "08:30", "--", "true"], "one of --every, --daily"),
        (["a", "--every", "often", "--", "true"], "--every: "),
        (["a", "--cron", "61 * * * *", "--", "true"], "--cron: "),
        (["a", "--daily", "08:30", "--timezone", "Mars", "--", "true"], "--timezone: "),
        (["../a", "--every", "1h", "--", "true"], "NAME: "),
        (["a", "--every", "1h", "--", "not-there-x"], "there is no command 'not-there-x'"),
        (["a", "--every", "1h", "--", "true | cat"], "-- sh -c 'true | cat'"),
        (["a", "--every", "1h", "--", "./plain"], "Mend it: chmod +x ./plain"),
    ],
)
def test_what_is_refused(home: Path, arguments: list[str], expected: str) -> None:
    """Each mistake is said by the name of its option, and nothing is written."""
    (home / "plain").write_text("no program")
    refused = run(home, "add", *arguments)

    assert 2 == refused.returncode
    assert expected in refused.stderr
    assert ["plain"] == os.listdir(home)


def test_nothing_is_overwritten(home: Path) -> None:
    """An agent of that name stays as it is."""
    run(home, "add", "a", "--every", "1h", "--", "true")
    before = (home / "agents/a/agent.toml").read_text()
    again = run(home, "add", "a", "--every", "2h", "--", "true")

    assert 1 == again.returncode
    assert "already an agent called a" in again.stderr
    assert before == (home / "agents/a/agent.toml").read_text()


@pytest.mark.parametrize(
    ("when", "waits"),
    [
        (("--every", "5m"), '["30s", "1m15s"]'),
        (("--cron", "*/10 * * * *"), '["1m", "2m30s"]'),
        (("--daily", "08:30"), '["5m", "15m"]'),
    ],
)
def test_further_tries_come_before_the_next_run(
    home: Path, when: tuple[str, str], waits: str
) -> None:
    """A try that would come after the next run is never made: a short period has short waits."""
    run(home, "add", "often", *when, "--", "true")

    assert f"retry_backoff = {waits}" in (home / "agents/often/agent.toml").read_text()
