"""A daemon that starts one attempt and then waits to be killed: ``python killed_daemon.py``.

Arguments: the script to run, the marker, the folder. Prints the child's pid and start time.
"""

from __future__ import annotations

import asyncio
import os
import sys

from dotagent.core.model import NotStarted
from dotagent.ports import Order
from dotagent.supervisor.orphans import MARKER_NAME
from dotagent.supervisor.spawner import RealSpawner
from tests.supervisor.children import StillClock


async def main(script: str, marker: str, folder: str) -> None:
    """Start the attempt and never end."""
    child = await RealSpawner(StillClock()).start(
        Order(
            argv=(script,),
            cwd=folder,
            env={"PATH": os.environ["PATH"], MARKER_NAME: marker},
            marker=marker,
            timeout_ms=60_000,
        )
    )
    assert not isinstance(child, NotStarted), child.why
    print(child.pid, child.started_ticks, flush=True)
    await child.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
