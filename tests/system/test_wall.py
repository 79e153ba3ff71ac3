"""The machine's zone without its data: the same wall as the zone that has them."""

from __future__ import annotations

import os
import subprocess
import sys
from zoneinfo import ZoneInfo

import pytest

from dotagent.core.moment import stamp

PROBE = """
import sys
from dotagent.core.moment import stamp
from dotagent.system.wall import Wall
for at in sys.stdin:
    print(stamp(int(at), Wall()), Wall().fromutc.__name__)
"""

CHANGES = (1_774_746_000_000, 1_792_890_000_000, 1_775_314_800_000, 1_791_043_200_000)
"""When clocks change in Berlin in 2026, and on Lord Howe, by half an hour."""


@pytest.mark.parametrize("key", ["Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])
def test_it_is_the_wall_of_the_zone(key: str) -> None:
    """Around every clock change, both passes of a repeated hour included."""
    instants = [change + minutes * 60_000 for change in CHANGES for minutes in range(-150, 151, 10)]
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        input="\n".join(map(str, instants)),
        env={"PATH": os.defpath, "TZ": key},
        capture_output=True,
        text=True,
        check=True,
    )

    assert [stamp(at, ZoneInfo(key)) for at in instants] == [
        line.split()[0] for line in done.stdout.splitlines()
    ]
