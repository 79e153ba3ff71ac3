"""A disk that turns read-only while the daemon runs on it, and can be written again later."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from tests.drivers.test_ntfy import NtfyServer
from tests.e2e.home import Home
from tests.e2e.sick_disk import goes_on, late, to_tell, told
from tests.support.patience import until
from tests.support.serving import serving
from tests.support.system import linux_only, require

REFUSALS = 3
"""So often it was tried in vain before there is nothing new to see."""


@linux_only
def test_a_disk_that_turns_read_only_loses_nothing(tmp_path: Path) -> None:
    """What is in flight is settled once the disk can be written, as what it was, and nothing new
    starts before; nothing is damaged, and all is told, once."""
    go, failed = tmp_path / "go", tmp_path / "failed"
    home = Home(tmp_path / "disk")
    home.env |= {
        "LD_PRELOAD": overlay(tmp_path),
        "DISK": f"{home.path}/",
        "DISK_FAILED": str(failed),
    }
    with serving(NtfyServer()) as server:
        runs = late(home, server, go)
        with home.daemon():
            until(runs.exists, what="the agent to run")
            failed.touch()
            go.touch()
            until(lambda: failed.stat().st_size > REFUSALS, what="tries in vain")
            seen = home.run("status")
            ran, ended = runs.read_text().splitlines(), home.count("given_up")
            failed.unlink()
            goes_on(home)
        lines = told(server)
    with closing(sqlite3.connect(home.path / "state" / "dotagent.db")) as db:
        checked = db.execute("PRAGMA integrity_check").fetchone()

    assert (1, 0) == (len(ran), ended)
    assert "late" in seen.stdout
    assert ["failed"] == home.values("SELECT DISTINCT verdict FROM attempts")
    assert len(runs.read_text().splitlines()) == len(home.values("SELECT id FROM attempts"))
    assert to_tell(home) == lines
    assert ["sent"] == home.values("SELECT DISTINCT state FROM deliveries")
    assert [0] == home.values("SELECT DISTINCT may_repeat FROM sends")
    assert ("ok",) == checked
    assert 0 == home.run("audit", "verify").returncode


def overlay(folder: Path) -> str:
    """See the C file."""
    require("cc")
    made = folder / "read_only.so"
    source = Path(__file__).with_name("read_only.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-o", made, source], check=True)
    return str(made)
