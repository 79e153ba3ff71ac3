"""``history``: what ran over all agents, each run in its own sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dotagent.cli.main import run
from tests.cli.golden import check_golden
from tests.support.home import Past, daily, route


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Past]:
    """A week in two days: one agent gives up and recovers, another one needs two tries."""
    made = Past(tmp_path / "home", "2021-03-28 08:00", root="/srv/agents")
    made.agent("disk-alert", {"daily": daily("08:30")}, routes=[route("slack")], max_attempts=1)
    made.agent("sync", {"daily": daily("09:00")})
    made.fail("08:30", "08:30:04", agent="disk-alert")
    made.send()
    made.succeed("09:00", "09:00:02", agent="sync")
    made.go("2021-03-29 07:00")
    made.succeed("08:30", "08:30:03", agent="disk-alert")
    made.send()
    made.succeed("09:00", "09:00:02", agent="sync")
    made.go("2021-03-29 10:00")
    monkeypatch.setenv("DOTAGENT_HOME", made.paths.home)
    monkeypatch.setenv("TZ", "UTC")
    yield made
    made.close()


@pytest.mark.parametrize("width", [80, 40])
def test_the_history_on_paper(
    past: Past, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Readable wide and narrow; the next command is about the newest trouble."""
    monkeypatch.setenv("COLUMNS", str(width))
    status = run(["history"])
    text = capsys.readouterr().out

    assert 0 == status
    check_golden(f"history-{width}", text)


def test_failures_of_a_span(past: Past, capsys: pytest.CaptureFixture[str]) -> None:
    """``--failed`` leaves out what went well, ``--since`` what lies before; the evidence is there.

    The clock of the command is the real one: everything here lies years before a span of days."""
    run(["history", "--failed", "--json"])
    (failed,) = json.loads(capsys.readouterr().out)["runs"]
    run(["history", "--since", "7d", "--json"])
    recent = json.loads(capsys.readouterr().out)["runs"]
    run(["history", "--since", "2021-03-29", "--json"])
    of_the_day = json.loads(capsys.readouterr().out)["runs"]

    assert ("disk-alert", "given_up") == (failed["agent"], failed["window"]["state"])
    assert "gave up the" in failed["sentence"]
    assert ["sent"] == [told["state"] for told in failed["events"][-1]["deliveries"]]
    assert [] == recent
    assert ["disk-alert", "sync"] == [each["agent"] for each in of_the_day]


def test_names_and_spans_are_checked(past: Past, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong name names the right one; a wrong span says how to write one."""
    statuses = [
        run(["history", "disk-alrt"]),
        run(["history", "sync/dayly"]),
        run(["history", "--since", "soon"]),
    ]
    said = capsys.readouterr().err

    assert [4, 4, 2] == statuses
    assert "disk-alert" in said
    assert "daily" in said
    assert "12h, 7d" in said
