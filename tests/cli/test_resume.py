"""``resume``: what was paused or to be skipped runs again."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.scene import DAILY, both_ways, held_by, rows
from tests.support.daemon import run, write_agent


@both_ways
def test_resumed(home: Path, holder: str) -> None:
    """The pause has ended, and who ended it stands in the record."""
    write_agent(home, "my report", DAILY)
    with held_by(holder, home):
        run(home, "pause", "my report", "--for", "3d", "--reason", "holiday")
        resumed = run(home, "resume", "my report", "--reason", "back")
        again = run(home, "resume", "my report")
        status = run(home, "status").stdout
    ((ended,),) = rows(home, "SELECT ended_why FROM pauses")

    assert resumed.stdout.startswith("Runs again from now on: my report/daily.\n")
    assert resumed.stdout.endswith("Next: dotagent next 'my report'\n")
    assert "my report was not paused." in again.stdout
    assert str(ended).endswith(": back")
    assert "holiday" not in status


def test_as_data(home: Path) -> None:
    """``--json`` counts what was ended."""
    write_agent(home, "a", DAILY)
    run(home, "pause", "a", "--for", "1h", "--reason", "x")

    assert {"schedules": ["daily"], "ended": 1} == json.loads(
        run(home, "resume", "a", "--json").stdout
    )
