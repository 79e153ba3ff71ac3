"""A disk that fills while the daemon runs on it: ``python -m tests.e2e.full_disk FOLDER``, in a
process that has a small disk mounted there. What came of it is printed as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.drivers.test_ntfy import NtfyServer
from tests.e2e.home import Home
from tests.e2e.places import fill
from tests.e2e.sick_disk import goes_on, late, to_tell, told
from tests.support.patience import until
from tests.support.serving import serving


def play(disk: Path) -> dict[str, object]:
    """An agent is running as the disk fills up; it fails, and later there is room again."""
    home = Home(disk / "home")
    film, reserve, go = disk / "film", home.path / "state" / "reserve", disk / "go"
    kept: list[bool] = []
    with serving(NtfyServer()) as server:
        runs = late(home, server, go)
        with home.daemon():
            until(runs.exists, what="the agent to run")
            kept.append(reserve.exists())
            fill(film)
            go.symlink_to("/")
            until(lambda: home.count("given_up"), what="the run in flight to be settled")
            kept.append(reserve.exists())
            film.unlink()
            goes_on(home, lambda: kept.append(reserve.exists()))
        lines = told(server)
    return {
        "kept": kept,
        "told": lines,
        "events": to_tell(home),
        "verified": home.run("audit", "verify").returncode,
        "states": sorted(set(home.values("SELECT state FROM deliveries"))),
    }


if __name__ == "__main__":
    print(json.dumps(play(Path(sys.argv[1]))))
