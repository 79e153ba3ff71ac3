"""One story over the real daemon: an agent fails, fails, is given up, and its next run succeeds.

Everything that a person or a tool can see of it is looked at: what two services got, the inbox, the
record, the heartbeat, the agent's log, and what ``why`` says.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.drivers.test_ntfy import NtfyServer
from tests.drivers.test_slack import SlackServer
from tests.e2e.home import Home
from tests.support.http_server import Received
from tests.support.patience import until
from tests.support.serving import serving

ZONE = ZoneInfo("America/Sao_Paulo")
KINDS = ["attempt_failed", "attempt_failed", "given_up", "success", "recovered"]
SLACK_ASKED = ("attempt_failed", "given_up", "recovered")
NTFY_ASKED = ("given_up", "success")

MANIFEST = """
[[schedules]]
id = "tick"
every = "4s"
run_at_start = true
args = ["--period", "día"]
max_attempts = 2
retry_backoff = ["100ms"]

[[notifiers]]
driver = "slack"
webhook_url = "{slack}/services/T01ABCDEF/B01ABCDEF/${{SLACK_SECRET}}"
channel = "#alerts"
username = "dotagent"
icon_emoji = ":robot_face:"
events = ["attempt_failed", "given_up", "recovered"]

[[notifiers]]
driver = "ntfy"
topic = "alerts"
base_url = "{ntfy}/"
token = "${{NTFY_TOKEN}}"
priority = 4
title = "Backup"
tags = ["warning", "skull"]
events = ["given_up", "success"]
"""

SCRIPT = """
echo "looking at the disk"
test -e "$MENDED" && exit 0
echo "/var & <more> are full" >&2
exit 3
"""

TOOK = r"\d+(\.\d+)? m?s"
CLOCK = r"(\w{3} )?\d\d:\d\d(:\d\d)?"
BOTH = "(ntfy and slack|slack and ntfy)"
LINES = {
    "attempt_failed": rf"story/tick: attempt [12] of 2 failed, exit 3 after {TOOK} on host \S+; "
    r"(next try in 100 ms|no more tries)",
    "given_up": rf"story/tick: gave up the {CLOCK} run after 2 attempts, last exit 3, on host \S+ "
    r"\(attempts used up \(2 of 2\)\)",
    "success": rf"story/tick: ok, took {TOOK} on host \S+",
    "recovered": rf"story/tick: recovered on host \S+ after {TOOK} "
    rf"\(2 failed attempts, 1 lost run since {CLOCK}\)",
}
TAILS = {
    "attempt_failed": "/var & <more> are full",
    "given_up": "/var & <more> are full",
    "success": "looking at the disk",
    "recovered": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A home after the story, its daemon stopped, and what the two services accepted."""

    home: Home
    slack: list[Received]
    ntfy: list[Received]
    secret: str
    why_given_up: str
    """What ``why`` said between the two windows."""

    def told(self, asked: tuple[str, ...]) -> list[str]:
        """The events that somebody who asked for these is to hear, in order."""
        return [kind for kind in self.home.kinds("story") if kind in asked]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Play it once: the agent fails until a file that we make says that all is mended."""
    folder = tmp_path_factory.mktemp("story")
    mended = folder / "mended"
    home = Home(folder / "home", MENDED=str(mended), TZ=ZONE.key)
    with serving(SlackServer()) as slack, serving(NtfyServer()) as ntfy:
        home.secrets(SLACK_SECRET=slack.secret, NTFY_TOKEN=ntfy.secret)
        home.agent("story", MANIFEST.format(slack=slack.url, ntfy=ntfy.url), SCRIPT)
        with home.daemon():
            until(
                lambda: "given_up" in home.kinds("story") and home.settled(),
                what="the end of the window",
            )
            why = home.run("why", "story").stdout
            mended.touch()
            until(lambda: "recovered" in home.kinds("story") and home.settled(), what="recovery")
        yield Story(
            home=home,
            slack=slack.accepted,
            ntfy=ntfy.accepted,
            secret=slack.secret,
            why_given_up=why,
        )


def test_the_events_of_the_story(story: Story) -> None:
    """Two failures, the end of the window, and the next window's success, which ends the outage;
    the inbox has them all, with nothing between them."""
    inbox = json.loads(story.home.run("inbox", "--json").stdout)["events"]

    assert KINDS == story.home.kinds("story")[:5]
    assert story.home.values("SELECT seq FROM events") == [event["seq"] for event in inbox]
    assert story.home.kinds("story") == [event["kind"] for event in inbox]
    assert [] == [
        event["line"] for event in inbox if not re.fullmatch(LINES[event["kind"]], event["line"])
    ]
    assert [("given_up", 2), ("succeeded", 1)] == [
        (row["state"], row["attempts"])
        for row in story.home.rows("SELECT * FROM windows ORDER BY id LIMIT 2")
    ]


def test_slack_gets_what_it_asked_for(story: Story) -> None:
    """The webhook got exactly its events, in order, once each, in the request of contract §9."""
    kinds = story.told(SLACK_ASKED)
    bodies = [request.body.decode() for request in story.slack]
    texts = [json.loads(body)["text"] for body in bodies]

    assert ["attempt_failed", "attempt_failed", "given_up", "recovered"] == kinds
    assert [] == [
        (kind, text)
        for kind, text in zip(kinds, texts, strict=True)
        if not re.fullmatch(LINES[kind] + re.escape(_block(TAILS[kind])), text)
    ]
    assert bodies == [
        '{"channel":"#alerts","icon_emoji":":robot_face:","text":'
        f'{json.dumps(text, ensure_ascii=False)},"username":"dotagent"}}'
        for text in texts
    ]
    assert {("POST", f"/services/T01ABCDEF/B01ABCDEF/{story.secret}")} == {
        (request.method, request.target) for request in story.slack
    }
    assert {("Host", "Content-Type", "Accept", "Content-Length")} == {
        _header_names(request) for request in story.slack
    }
    assert {("application/json", "*/*")} == {
        (request.header("content-type"), request.header("accept")) for request in story.slack
    }


def test_ntfy_gets_what_it_asked_for(story: Story) -> None:
    """The topic got exactly its events, in order, once each, in the request of contract §9."""
    kinds = story.told(NTFY_ASKED)
    texts = [request.body.decode() for request in story.ntfy]

    assert ["given_up", "success"] == kinds[:2]
    assert [] == [
        (kind, text)
        for kind, text in zip(kinds, texts, strict=True)
        if not re.fullmatch(LINES[kind] + re.escape(f"\n{TAILS[kind]}"), text)
    ]
    assert {("POST", "/alerts")} == {(request.method, request.target) for request in story.ntfy}
    names = ("Host", "Authorization", "X-Priority", "X-Title", "X-Tags", "Accept", "Content-Length")
    assert {names} == {_header_names(request) for request in story.ntfy}
    assert {(f"Bearer {story.secret}", "4", "Backup", "warning,skull", "*/*")} == {
        tuple(
            request.header(name)
            for name in ("authorization", "x-priority", "x-title", "x-tags", "accept")
        )
        for request in story.ntfy
    }


def _block(tail: str) -> str:
    escaped = tail.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"\n```\n{escaped}\n```" if tail else ""


def _header_names(request: Received) -> tuple[str, ...]:
    return tuple(name for name, _ in request.headers)


def test_every_promise_is_settled(story: Story) -> None:
    """Each message was sent at the first try, and the ledger has a row for each."""
    sends = story.home.rows(
        "SELECT d.state, d.tries, s.outcome, s.may_repeat FROM deliveries d"
        " JOIN sends s ON s.delivery_id = d.id"
    )

    assert len(story.slack) + len(story.ntfy) == len(sends)
    assert {("sent", 1, "sent", 0)} == {tuple(send.values()) for send in sends}


def test_the_record_verifies(story: Story) -> None:
    """``audit verify`` finds the chain whole, and the file holds the story in the order and the
    form of contract §13."""
    verified = story.home.run("audit", "verify")
    lines = (story.home.path / "state" / "audit.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    story_of = [
        (event["event_type"], event.get("exit_code"))
        for event in events
        if event["event_type"].startswith("agent_")
    ]

    assert (0, "") == (verified.returncode, verified.stderr)
    assert [
        ("agent_run", 3),
        ("agent_run", 3),
        ("agent_given_up", None),
        ("agent_run", 0),
        ("agent_recovered", None),
    ] == story_of[:5]
    assert ("daemon_started", "daemon_stopped") == (
        events[0]["event_type"],
        events[-1]["event_type"],
    )
    assert {("ts", "severity", "event", "prev_hash")} == {tuple(json.loads(line)) for line in lines}
    assert len(story.slack) + len(story.ntfy) == len(
        [event for event in events if event["event_type"] == "plugin_invoked" and event["ok"]]
    )


def test_tampering_shows(story: Story, tmp_path: Path) -> None:
    """The same record with one digit changed does not verify."""
    forged = Home(tmp_path / "home")
    shutil.copytree(story.home.path, forged.path, ignore=shutil.ignore_patterns("bell"))
    audit = forged.path / "state" / "audit.jsonl"
    before, changed, after = audit.read_bytes().partition(b'"exit_code":3')
    audit.write_bytes(before + changed.replace(b"3", b"0") + after)
    verified = forged.run("audit", "verify")
    line = len(before.splitlines())

    assert (1, "") == (verified.returncode, verified.stderr)
    assert f"line {line} was changed" in verified.stdout


def test_the_heartbeat_is_as_tools_expect_it(story: Story) -> None:
    """Keys, order, indentation, types and times of the heartbeat file are those of contract §4."""
    path = story.home.path / "state" / "agents" / "story" / "period_d_a.heartbeat.json"
    text = path.read_text()
    beat = json.loads(text)

    assert (
        "{\n"
        '  "name": "story",\n'
        '  "slug": "period_d_a",\n'
        '  "args": [\n'
        '    "--period",\n'
        '    "día"\n'
        "  ],\n"
        f'  "started_at": {beat["started_at"]},\n'
        f'  "started_at_iso": "{_iso(beat["started_at"])}",\n'
        f'  "finished_at": {beat["finished_at"]},\n'
        f'  "finished_at_iso": "{_iso(beat["finished_at"])}",\n'
        '  "exit_code": 0,\n'
        f'  "duration_seconds": {beat["duration_seconds"]},\n'
        f'  "last_success_at": {beat["finished_at"]},\n'
        f'  "last_success_at_iso": "{_iso(beat["finished_at"])}"\n'
        "}"
    ) == text
    assert 0 <= beat["duration_seconds"] <= beat["finished_at"] - beat["started_at"] <= 60


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, ZONE).strftime("%Y-%m-%dT%H:%M:%S%z")


def test_the_log_of_the_agent(story: Story) -> None:
    """Each attempt begins with the header of contract §5, its output and its error output."""
    log = (story.home.path / "logs" / "agents" / "story" / "story.log").read_text()
    header = (
        r"\n=== \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d-0300 run started · schedule=tick · "
        r"slug=period_d_a ===\n"
    )
    failed = r"looking at the disk\n--- stderr ---\n/var & <more> are full\n"
    succeeded = r"looking at the disk\n"

    assert re.fullmatch(f"({header}{failed}){{2}}({header}{succeeded})+", log), log


def test_why_tells_the_story(story: Story) -> None:
    """``why`` begins with one sentence: of the run that was given up, then of the one that
    succeeded: what was run, how it ended, and who was told."""
    said = story.home.run("why", "story")

    assert (0, "") == (said.returncode, said.stderr)
    assert re.fullmatch(
        rf"story/tick gave up the {CLOCK} run after 2 attempts"
        rf" \(exit 3: /var & <more> are full\); {BOTH} were told at {CLOCK}\.",
        sentence(story.why_given_up),
    )
    assert re.fullmatch(
        rf"story/tick completed the {CLOCK} run in {TOOK}.*; {BOTH} were told at {CLOCK}\.",
        sentence(said.stdout),
    )


def sentence(text: str) -> str:
    """The first paragraph, on one line."""
    return " ".join(text.partition("\n\n")[0].split())


def test_no_secret_stays_behind(story: Story) -> None:
    """The token is in the secrets file and nowhere else in the home, not even in the database."""
    secret = story.secret.encode()

    assert ["secrets.env"] == [
        path.name
        for path in sorted(story.home.path.rglob("*"))
        if path.is_file() and secret in path.read_bytes()
    ]
