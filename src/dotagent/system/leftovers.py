"""What crashes and removed agents leave in the home: temporary files, heartbeats without an agent.

Invariant: only what is named as ours is removed, and only when it is old.
"""

from __future__ import annotations

import os
from collections.abc import Set
from contextlib import suppress

from dotagent.system import files
from dotagent.system.paths import Paths

HEARTBEAT = ".heartbeat.json"


def sweep(paths: Paths, agents: Set[str], tmp_before: int, dead_before: int) -> None:
    """Remove temporary files last written before ``tmp_before``, and the heartbeats, last written
    before ``dead_before``, of what is none of the ``agents``. Raises ``OSError``."""
    for folder in (paths.home, paths.state, paths.manifests):
        files.sweep(folder, tmp_before)
    with os.scandir(paths.heartbeats) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    for name in names:
        folder = os.path.join(paths.heartbeats, name)
        files.sweep(folder, tmp_before)
        if name not in agents:
            _sweep_heartbeats(folder, dead_before)


def _sweep_heartbeats(folder: str, before_at: int) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(HEARTBEAT) and entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime_ns < before_at * 1_000_000:
                        os.unlink(entry.path)
    with suppress(OSError):  # something else lies there: it is not ours
        os.rmdir(folder)
