"""A first agent: written whole, never over anything, and good from the first look."""

from __future__ import annotations

import json
import os
import re
import stat
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dotagent import app
from dotagent.core.manifest import read_manifest
from tests.support.daemon import run, write_agent


def modes(folder: Path) -> dict[str, int]:
    """Everything in ``folder``, and it itself, with its mode."""
    paths = [folder, *folder.rglob("*")]
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths}


def test_what_is_written_runs(home: Path) -> None:
    """Manifest and script are there, closed to others; the manifest has no problem, the script
    runs, and the next command is named."""
    made = run(home, "init", "report")
    folder = home / "agents" / "report"
    manifest, problems = read_manifest((folder / "agent.toml").read_bytes(), app.drivers())
    tried = run(home, "run", "report")

    assert (0, "") == (made.returncode, made.stderr)
    assert {"report": 0o700, "agent.toml": 0o600, "run.sh": 0o700} == modes(folder)
    assert manifest is not None
    assert () == problems
    assert "report" == manifest.agent.name
    assert made.stdout.rstrip().endswith("dotagent run report")
    assert (0, "hello from report, schedule daily\n") == (tried.returncode, tried.stdout)


def test_the_next_three_runs_are_shown(home: Path) -> None:
    """Three times, on the three days that come next where the machine is."""
    now = datetime.now(ZoneInfo("Asia/Tokyo"))
    first = now + timedelta(days=now.hour * 60 + now.minute >= 8 * 60 + 30)
    said = run(home, "init", env={"TZ": "Asia/Tokyo"}).stdout
    days = [first + timedelta(days=later) for later in range(3)]

    assert [f"{day:%a %d %b} 08:30" for day in days] == re.findall(r"\w+ \d\d \w+ 08:30", said)


def test_the_hints_are_valid(home: Path) -> None:
    """What stands there as a hint is right once the # is taken away, and names its events."""
    run(home, "init")
    text = (home / "agents" / "hello" / "agent.toml").read_text()
    hints = "\n".join(
        line.removeprefix("# ")
        for line in text.splitlines()
        if re.match(r"# (\[|\w+ = )", line) and "every" not in line
    )
    manifest, problems = read_manifest(f"{text}\n{hints}".encode(), app.drivers())

    assert () == problems
    assert manifest is not None
    assert ["slack", "ntfy"] == [notifier.driver for notifier in manifest.notifiers]
    assert all(notifier.events for notifier in manifest.notifiers)


@pytest.mark.parametrize("name", ["my agent", "-x", "naïve", "o'clock", 'the "best"', "a\\b"])
def test_odd_names_are_names(home: Path, name: str) -> None:
    """Whatever a manifest may be called, so may what ``init`` makes."""
    made = run(home, "init", "--", name)
    said = json.loads(run(home, "doctor", "--json").stdout)

    assert (0, "") == (made.returncode, made.stderr)
    assert (home / "agents" / name / "run.sh").exists()
    assert (1, []) == (said["agents"], said["problems"])


@pytest.mark.parametrize(
    "name", ["", "..", ".", ".hidden", "../escape", "a/b", "/abs", "a\nb", "a\x7fb", "x" * 201]
)
def test_bad_names_write_nothing(home: Path, name: str) -> None:
    """A name that no manifest may have is refused as one, before anything is made."""
    refused = run(home, "init", "--", name)

    assert 2 == refused.returncode
    assert "name" in refused.stderr
    assert [] == os.listdir(home)
    assert ["home"] == os.listdir(home.parent)


def test_nothing_is_overwritten(home: Path) -> None:
    """A second ``init`` of one name, and a folder of that name that is something else, stay as
    they are."""
    run(home, "init", "one")
    script = home / "agents" / "one" / "run.sh"
    script.write_text("mine")
    (home / "agents" / "two").mkdir()
    again, other = run(home, "init", "one"), run(home, "init", "two")

    assert (1, 1) == (again.returncode, other.returncode)
    assert "already an agent called one" in again.stderr
    assert "exists already" in other.stderr
    assert "mine" == script.read_text()
    assert [] == os.listdir(home / "agents" / "two")


def test_a_name_that_another_folder_has_is_taken(home: Path) -> None:
    """The agent's name counts, not its folder's, also in the folders of DOTAGENT_ROOT."""
    write_agent(home, "report", root="more")
    (home / "more" / "report").rename(home / "more" / "elsewhere")
    refused = run(home, "init", "report", env={"DOTAGENT_ROOT": str(home / "more")})

    assert 1 == refused.returncode
    assert str(home / "more" / "elsewhere") in refused.stderr
    assert [] == os.listdir(home / "agents")


def test_before_any_daemon_nothing_is_called_planned(home: Path) -> None:
    """A run by hand makes the agent known; when it runs next is for a daemon to say."""
    run(home, "init", "report")
    run(home, "run-now", "report")

    assert "not planned before a daemon runs" in run(home, "status").stdout
