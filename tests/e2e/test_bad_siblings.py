"""A bad manifest changes nothing for a good agent, and a good one that is broken later runs on its
last good copy, whatever is done to the daemon in between."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.drivers.test_slack import SlackServer
from tests.e2e.home import Home
from tests.support.patience import until
from tests.support.serving import serving

GOOD = """
[[schedules]]
id = "hourly"
every = "1h"
run_at_start = true
max_attempts = 2
retry_backoff = ["10ms"]

[[notifiers]]
driver = "slack"
webhook_url = "{url}/services/T01ABCDEF/B01ABCDEF/${{SLACK_SECRET}}"
"""

FAILS_ONCE = """
echo "attempt $AGENT_ATTEMPT"
test "$AGENT_ATTEMPT" = 2
"""

SIBLINGS = {
    "toml": '[agent]\nname = "toml"\n\n[run\ncommand = "true"\n',
    "type": '[agent]\nname = "type"\ntimeout_seconds = "soon"\n\n[run]\ncommand = "true"\n'
    'args = "not a list"\n',
    "driver": '[agent]\nname = "driver"\n\n[run]\ncommand = "true"\n\n[[notifiers]]\n'
    'driver = "slak"\nwebhook_url = "https://hooks.example/x"\n',
    "event": '[agent]\nname = "event"\n\n[run]\ncommand = "true"\n\n[[notifiers]]\n'
    'driver = "ntfy"\ntopic = "t"\nevents = ["gave_up"]\n',
    "zz-twin": '[agent]\nname = "good"\n\n[run]\ncommand = "false"\n\n[[schedules]]\n'
    'id = "hourly"\nevery = "1h"\nrun_at_start = true\n',
}
"""Folder to manifest; the last has the good agent's name."""

WRONG = [
    ("toml", "4", ""),
    ("type", "3", "agent.timeout_seconds"),
    ("type", "7", "run.args"),
    ("driver", "8", "notifiers[0].driver"),
    ("event", "10", "notifiers[0].events[0]"),
]
"""Folder, line and key path of everything that is wrong with them."""


def run_good(home: Home, url: str, secret: str, among: Collection[str] = ()) -> None:
    """Let the good agent's first window run to its end, and every bad file be believed: one that
    was just saved may be half written and is looked at twice."""
    home.secrets(SLACK_SECRET=secret)
    home.agent("good", GOOD.format(url=url), FAILS_ONCE)
    with home.daemon():
        until(
            lambda: "recovered" in home.kinds("good") and home.settled(),
            what="the good agent to run",
        )
        until(lambda: known_bad(home) == sorted(among), what="the bad files to be known as bad")


def known_bad(home: Home) -> list[str]:
    """The folders whose manifest is known not to be what runs."""
    query = "SELECT path FROM manifests WHERE fatal OR shadowed_by NOT NULL"
    return sorted(Path(path).parent.name for path in home.values(query))


def seen(home: Home, server: SlackServer) -> tuple[list[str], list[tuple[str, ...]]]:
    """What the receiver got and what the good agent did, without the times."""
    texts = [json.loads(request.body)["text"] for request in server.accepted]
    attempts = home.rows("SELECT agent, schedule, number, verdict, words FROM attempts")
    windows = home.rows("SELECT agent, schedule, state, attempts FROM windows")
    return (
        [re.sub(r"\d+(\.\d+)? m?s\b|\d\d:\d\d(:\d\d)?", "T", text) for text in texts],
        [tuple(str(value) for value in row.values()) for row in (*attempts, *windows)],
    )


def test_bad_siblings_change_nothing(tmp_path: Path) -> None:
    """The good agent's runs and messages are exactly those that it has alone; each bad file is
    known as bad, and nothing of it runs."""
    alone, among = Home(tmp_path / "alone" / "home"), Home(tmp_path / "among" / "home")
    for folder, text in SIBLINGS.items():
        among.manifest(folder, text)
    with serving(SlackServer()) as first, serving(SlackServer()) as second:
        run_good(alone, first.url, first.secret)
        run_good(among, second.url, second.secret, among=SIBLINGS)
        expected, found = seen(alone, first), seen(among, second)

    assert 3 == len(expected[0])
    assert expected == found
    assert ["good"] == among.values("SELECT name FROM agents")
    assert sorted(SIBLINGS) == known_bad(among)


def test_doctor_lists_every_problem(tmp_path: Path) -> None:
    """``doctor`` names every file with every problem in it, with line, key path and the nearest
    right name, and exits 1; without the bad files it exits 0."""
    home = Home(tmp_path / "home")
    home.agent("good", '[[schedules]]\nid = "hourly"\nevery = "1h"\n\n[security]\nnetwork = []\n')
    healthy = home.run("doctor")
    for folder, text in SIBLINGS.items():
        home.manifest(folder, text)
    said = home.run("doctor")
    lines = said.stdout.splitlines()
    places = {
        (folder, line, key): f"{home.path}/agents/{folder}/agent.toml:{line}"
        for folder, line, key in WRONG
    }

    assert (0, "") == (healthy.returncode, healthy.stderr), healthy.stdout
    assert 1 == said.returncode
    assert [] == [
        wrong
        for wrong, place in places.items()
        if not any(place in line and wrong[2] in line for line in lines)
    ], said.stdout
    assert [] == [word for word in ('"slack"', '"given_up"') if word not in said.stdout]
    assert any("zz-twin" in line and "good" in line for line in lines)


# ------------------------------------------------------------------------------- broken later

BEATS = '[[schedules]]\nid = "{id}"\nevery = "1s"\nrun_at_start = true\nargs = ["{args}"]\n'
TELL = """
[[notifiers]]
driver = "slack"
webhook_url = "{url}/services/T01ABCDEF/B01ABCDEF/{secret}"
events = ["manifest_invalid"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A home whose one agent runs each second, and who is told of bad manifests."""

    home: Home
    manifest: Path
    told: SlackServer

    def texts(self) -> list[str]:
        return [json.loads(request.body)["text"] for request in self.told.accepted]

    def runs(self) -> int:
        """How many attempts have ended well."""
        return len(self.home.values("SELECT id FROM attempts WHERE verdict = 'succeeded'"))

    def breathe(self) -> None:
        """Wait until the agent has run once more."""
        before = self.runs()
        until(lambda: self.runs() > before, what="another run")

    def spoil(self, line: str) -> None:
        """Add a line that is wrong, and wait until that is known."""
        known = self.home.count("manifest_invalid")
        self.home.manifest("beats", self.manifest.read_text() + line)
        until(
            lambda: self.home.count("manifest_invalid") > known and self.home.settled(),
            what=f"{line!r} to be noticed",
        )


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Broken]:
    home = Home(tmp_path / "home")
    with serving(SlackServer()) as told:
        home.config(TELL.format(url=told.url, secret=told.secret))
        manifest = home.agent("beats", BEATS.format(id="one", args="first"))
        yield Broken(home=home, manifest=manifest, told=told)


def test_a_manifest_that_breaks_keeps_running(broken: Broken) -> None:
    """The agent runs on its last good copy, also after a restart of the daemon; its spoiling is
    told once for each change, and a repair is taken up."""
    home = broken.home
    with home.daemon():
        broken.breathe()
        good = broken.manifest.read_text()
        broken.spoil("retries = \n")
        broken.breathe()
        first = broken.texts()
        os.utime(broken.manifest)  # as an editor's idle save does
        touched = os.stat(broken.manifest).st_mtime_ns
        until(
            lambda: touched in home.values("SELECT mtime_ns FROM manifests"),
            what="the idle save to be noticed",
        )
    with home.daemon():
        broken.breathe()
        again = broken.texts()
        home.manifest("beats", good)
        broken.spoil("[[schedules]]\nid = 7\n")
        broken.breathe()
        second = broken.texts()
        home.manifest("beats", good.replace("one", "two").replace("first", "second"))
        until(
            lambda: home.values("SELECT 1 FROM attempts WHERE schedule = 'two'"),
            what="the mended manifest to run",
        )

    assert 1 == len(first)
    assert f"{broken.manifest}" in first[0]
    assert "is not right and changes nothing until it is mended" in first[0]
    assert first == again
    assert 2 == len(second)
    assert "schedules[1].id" in second[1]
    assert second == broken.texts()
    assert ["second"] == sorted(
        {
            json.loads(path.read_text())["args"][0]
            for path in (home.path / "state" / "agents" / "beats").glob("second.*.json")
        }
    )
    assert {0} == set(home.values("SELECT fatal FROM manifests"))


def test_a_removed_manifest_is_no_broken_one(broken: Broken) -> None:
    """Where the file is gone the agent ends, and nobody is told of a bad manifest."""
    home = broken.home
    with home.daemon():
        broken.breathe()
        broken.manifest.unlink()
        until(lambda: home.values("SELECT 1 FROM agents WHERE gone_at NOT NULL"), what="its end")

    assert ["off"] == home.values("SELECT health FROM schedules")
    assert [] == broken.texts()
    assert [] == home.rows("SELECT * FROM windows WHERE state IN ('waiting', 'running')")
