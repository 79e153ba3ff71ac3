"""``skip``: the next run is not made."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.scene import DAILY, both_ways, held_by, rows
from tests.support.daemon import run, write_agent


@both_ways
def test_skipped(home: Path, holder: str) -> None:
    """``next`` and ``status`` show the run that will not be made, and the one after it."""
    write_agent(home, "a", DAILY)
    with held_by(holder, home):
        skipped = run(home, "skip", "a", "--reason", "new disk")
        coming = json.loads(run(home, "next", "a", "-n", "2", "--json").stdout)["runs"]
        status = run(home, "status").stdout
    ((by,),) = rows(home, "SELECT by FROM pauses")

    assert (0, "") == (skipped.returncode, skipped.stderr)
    assert "08:30 run of a/daily will be skipped." in skipped.stdout
    assert ["skipped", "planned"] == [each["state"] for each in coming]
    assert f"asked for by {by}: new disk" == coming[0]["why"]
    text = " ".join(status.split())
    assert f"08:30 run is skipped, as asked for by {by}: new disk" in text
    assert "next run" not in text


def test_as_data(home: Path) -> None:
    """``--json`` says which run; several schedules need one named."""
    more = '[[schedules]]\nid = "other"\nevery = "1h"\n'
    write_agent(home, "a", DAILY + more)
    which = run(home, "skip", "a", "--reason", "x")
    skipped = json.loads(run(home, "skip", "a/daily", "--reason", "x", "--json").stdout)

    assert 2 == which.returncode
    assert "a has 2 schedules: name one" in which.stderr
    assert ["daily"] == skipped["schedules"]
    assert "T08:30:00" in skipped["at"]
