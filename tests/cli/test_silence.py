"""``silence``: held back for a while, listed, ended; through the daemon or alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.scene import DAILY, both_ways, held_by, ntfy
from tests.support.daemon import run, write_agent
from tests.support.http_server import StrictServer
from tests.support.serving import serving


def silenced(home: Path, *arguments: str) -> list[dict[str, Any]]:
    """What ``silence list --json`` says."""
    found: list[dict[str, Any]] = json.loads(
        run(home, "silence", "list", *arguments, "--json").stdout
    )
    return found


def test_nothing_is_silenced(home: Path) -> None:
    """A new home has no silences, and looking makes it no database."""
    shown = run(home, "silence")

    assert (0, "Nothing is silenced.\n") == (shown.returncode, shown.stdout)
    assert [] == silenced(home)
    assert [] == list(home.iterdir())


@both_ways
def test_a_silence_and_its_end(home: Path, holder: str) -> None:
    """What is held back is in the lists, in ``why`` and in ``status``; what still fails is told
    when it ends, and shown to who ended it."""
    with serving(StrictServer()) as server:
        write_agent(home, "a", DAILY + ntfy(server.url), script="exit 1")
        with held_by(holder, home):
            made = run(home, "silence", "add", "a/daily", "--for", "2h", "--reason", "moving disks")
            run(home, "run-now", "a")
            quiet = run(home, "deliveries", "--suppressed")
            (listed,) = silenced(home)
            why = run(home, "why", "a").stdout
            status = run(home, "status").stdout
            at_first = len(server.accepted)
            ended = run(home, "silence", "end", "1", "--reason", "moved")
        (after,) = silenced(home, "--all")

    assert made.stdout.startswith("Silence 1: a/daily until")
    assert "Next: dotagent silence end 1" in made.stdout
    assert ("a", "daily", "moving disks", 1) == tuple(
        listed[name] for name in ("agent", "schedule", "reason", "held")
    )
    for text in (quiet.stdout, why):
        assert "silenced by hand (moving disks; silence 1)" in " ".join(text.split())
    assert "silence 1" in why.split("Silenced")[1]
    assert "silenced until" in status
    assert "moving disks" in status
    assert 0 == at_first
    assert (0, 1) == (ended.returncode, len(server.accepted))
    assert "still_failing sent" in ended.stdout
    assert "by hand: moved" == after["ended_by"]
    assert [] == silenced(home)


def test_the_list_for_people(home: Path) -> None:
    """Number, what, until when and why."""
    write_agent(home, "a", DAILY)
    run(home, "silence", "add", "a", "--for", "1h30m", "--reason", "travel")
    shown = run(home, "silence", "list").stdout

    assert "a until" in shown
    assert "travel" in shown


def test_what_is_refused(home: Path) -> None:
    """No end, too far an end, no reason, no such agent or silence: each says so."""
    write_agent(home, "a", DAILY)
    add = ("silence", "add")
    why = ("--reason", "x")

    assert 2 == run(home, *add, "a", *why).returncode
    assert "31 days at most" in run(home, *add, "a", "--for", "60d", *why).stderr
    assert "say why" in run(home, *add, "a", "--for", "1h", "--reason", " ").stderr
    assert 4 == run(home, *add, "b", "--for", "1h", *why).returncode
    assert 4 == run(home, "silence", "end", "7").returncode
