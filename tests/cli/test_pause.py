"""``pause``: nothing runs for a while, and everybody can see who wanted that and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.scene import DAILY, both_ways, held_by, rows
from tests.support.daemon import run, write_agent


@both_ways
def test_paused(home: Path, holder: str) -> None:
    """``status``, ``why`` and ``next`` say until when, who and why."""
    write_agent(home, "a", DAILY)
    with held_by(holder, home):
        paused = run(home, "pause", "a", "--for", "3d", "--reason", "holiday")
        status, why, coming = (run(home, name).stdout for name in ("status", "why a", "next"))
        why = run(home, "why", "a").stdout
    ((by,),) = rows(home, "SELECT by FROM pauses")

    assert (0, "") == (paused.returncode, paused.stderr)
    assert paused.stdout.startswith("Paused until ")
    assert "a/daily" in paused.stdout
    assert "dotagent resume a" in paused.stdout
    assert "Paused" in status
    assert f"by {by}: holiday" in status
    assert "is paused until" in why
    assert f"not run: paused by {by}: holiday" in coming


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a", "--reason", "x"], "a pause needs an end: --until TIME or --for SPAN"),
        (["a", "--for", "2h", "--until", "18:00", "--reason", "x"], "a pause needs an end"),
        (["a", "--for", "2 hours", "--reason", "x"], '--for: "2 hours" is not a span of time'),
        (["a", "--until", "soon", "--reason", "x"], "--until: 'soon' is not a time to come"),
        (["a", "--until", "2020-01-01", "--reason", "x"], "--until: '2020-01-01' has passed"),
        (["a", "--for", "400d", "--reason", "x"], "a pause lasts a year at most"),
        (["a", "--for", "2h", "--reason", " "], "--reason: say why"),
    ],
)
def test_what_is_refused(home: Path, arguments: list[str], expected: str) -> None:
    """A pause without an end, or with one that cannot be, and one without a reason."""
    write_agent(home, "a", DAILY)
    refused = run(home, "pause", *arguments)

    assert 2 == refused.returncode
    assert expected in refused.stderr


def test_as_data(home: Path) -> None:
    """``--json`` says which schedules, and until when."""
    write_agent(home, "a", DAILY)
    until = "2999-01-01T00:00:00+0000"
    too_long = run(home, "pause", "a", "--until", until, "--reason", "x", "--json")
    paused = run(home, "pause", "a", "--for", "1h", "--reason", "x", "--json")
    said = json.loads(run(home, "status", "--json").stdout)["schedules"][0]

    assert 2 == too_long.returncode
    assert ["daily"] == json.loads(paused.stdout)["schedules"]
    assert json.loads(paused.stdout)["until"] == said["paused_until"]
    assert ("pause", "x") == (said["paused_how"], said["paused_why"])


def test_nobody_of_that_name(home: Path) -> None:
    """A mistyped name gets the nearest one."""
    write_agent(home, "backup", DAILY)
    unknown = run(home, "pause", "bakup", "--for", "1h", "--reason", "x")

    assert 4 == unknown.returncode
    assert 'Did you mean "backup"?' in unknown.stderr
