"""``inbox``: every event in its own words, newest last, with how many were told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dotagent.cli.main import run
from dotagent.core import events
from dotagent.core.model import Kind, Retry
from dotagent.store.tell import tell
from tests.cli.golden import check_golden
from tests.support.home import Past, daily, route


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Past]:
    """A home with two agents, a failure, a recovery, and an event about dotagent itself."""
    made = Past(tmp_path / "home", "2021-03-28 08:00", root="/srv/agents")
    channels = [route("slack"), route("phone", "ntfy", events=["given_up"])]
    made.agent("disk-alert", {"daily": daily("08:30")}, routes=channels, max_attempts=1)
    made.agent("sync", {"daily": daily("09:00")})
    made.fail("08:30", "08:30:04", agent="disk-alert")
    made.send({"phone": Retry(why="HTTP 503", after_ms=86_400_000)})
    made.succeed("09:00", "09:00:02", agent="sync")
    made.go("2021-03-29 07:00")
    line = "1 new manifest: \x1b[31mreport\x1b[0m"
    event = events.of_system(Kind.PHANTOM_AGENT_DETECTED, made.now, line, "report (\x9b31magents)")
    made.write(lambda tx: tell(tx, made.actor, made.now, [event]))
    made.succeed("08:30", "08:30:03", agent="disk-alert")
    made.send()
    monkeypatch.setenv("DOTAGENT_HOME", made.paths.home)
    monkeypatch.setenv("TZ", "UTC")
    yield made
    made.close()


@pytest.mark.parametrize("width", [80, 40])
def test_the_inbox_on_paper(
    past: Past, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Readable wide and narrow: when, what, who was told; the next step at the end."""
    monkeypatch.setenv("COLUMNS", str(width))
    status = run(["inbox"])
    text = capsys.readouterr().out

    assert 0 == status
    assert width >= max(len(line) for line in text.splitlines())
    check_golden(f"inbox-{width}", text)


def test_the_newest_are_kept(past: Past, capsys: pytest.CaptureFixture[str]) -> None:
    """A limit cuts the oldest; an agent's name leaves only what is about it."""
    run(["inbox", "--limit", "2", "--json"])
    last = json.loads(capsys.readouterr().out)["events"]
    run(["inbox", "--agent", "sync", "--json"])
    ours = json.loads(capsys.readouterr().out)["events"]

    assert ["success", "recovered"] == [each["kind"] for each in last]
    assert ["success"] == [each["kind"] for each in ours]


def test_the_inbox_as_data(past: Past, capsys: pytest.CaptureFixture[str]) -> None:
    """The shape that ``--json`` promises; foreign text is clean."""
    run(["inbox", "--json"])
    found = json.loads(capsys.readouterr().out)["events"]
    given_up = next(each for each in found if each["kind"] == "given_up")
    system = [each for each in found if not each["agent"]][-1]

    assert {
        "seq": 3,
        "kind": "given_up",
        "severity": "critical",
        "at": "2021-03-28T08:30:04+0000",
        "agent": "disk-alert",
        "schedule": "daily",
        "line": "disk-alert/daily: gave up the 08:30 run after 1 attempt, last exit 1, on host"
        " web-1 (attempts used up (1 of 1))",
        "detail": "",
        "told": {"pending": 1, "sent": 1},
    } == given_up
    assert ("1 new manifest: report", "report (31magents)") == (system["line"], system["detail"])


def test_a_message_sent_again_is_counted_once(
    past: Past, capsys: pytest.CaptureFixture[str]
) -> None:
    """The later message stands for the one before it."""
    past.send_again("phone")
    run(["inbox", "--json"])
    found = json.loads(capsys.readouterr().out)["events"]

    assert {"sent": 2} == next(each["told"] for each in found if each["kind"] == "given_up")


def test_an_unknown_agent_is_exit_4(past: Past, capsys: pytest.CaptureFixture[str]) -> None:
    """With the nearest name."""
    status = run(["inbox", "--agent", "disk-alrt"])

    assert 4 == status
    assert (
        'dotagent: there is no agent "disk-alrt"\n  Did you mean "disk-alert"?\n'
        == capsys.readouterr().err
    )


def test_an_empty_inbox_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a home in which nothing has run; nothing is made by looking."""
    monkeypatch.setenv("DOTAGENT_HOME", str(home))
    texts = [
        (run(arguments), capsys.readouterr().out) for arguments in (["inbox"], ["inbox", "--json"])
    ]

    assert [
        (0, "Nothing has run here yet.\n\nNext: dotagent status\n"),
        (0, '{"events": []}\n'),
    ] == texts
    assert [] == list(home.iterdir())
