"""A daemon that starts on a disk with hardly any room: ``python -m tests.e2e.tight_disk FOLDER``,
in a process that has a small disk mounted there. What came of it is printed as JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.e2e.home import Home
from tests.e2e.places import fill
from tests.support.patience import until

AGENT = '[[schedules]]\nid = "s"\nevery = "1h"\nrun_at_start = true\n'
LEFT_BYTES = 700 * 1024
"""Enough for the database, too little for the reserve."""


def play(disk: Path) -> dict[str, object]:
    """An agent is due from the first moment; later there is room."""
    home = Home(disk / "home")
    home.agent("good", AGENT)
    film, reserve = disk / "film", home.path / "state" / "reserve"
    log = home.path / "logs" / "daemon" / "dotagent.log"
    fill(film)
    os.truncate(film, film.stat().st_size - LEFT_BYTES)
    with home.daemon():
        until(lambda: log.exists() and "store_trouble" in log.read_text(), what="its word")
        before = (home.values("SELECT count(*) FROM attempts"), reserve.exists())
        film.unlink()
        until(lambda: home.count("success"), what="the run that was due")
        after = (home.values("SELECT count(*) FROM attempts"), reserve.exists())
    return {"before": before, "after": after}


if __name__ == "__main__":
    print(json.dumps(play(Path(sys.argv[1]))))
