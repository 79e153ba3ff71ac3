"""Leftovers of crashes and of agents that nobody knows any more go; everything else stays."""

from __future__ import annotations

import os
from pathlib import Path

from dotagent.system import goodcopy, leftovers
from dotagent.system.paths import Paths

NOW = 1_800_000_000_000
HOUR_MS = 3_600_000


def write(path: Path, age_ms: int) -> Path:
    """A file last written so long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, ns=((NOW - age_ms) * 1_000_000, (NOW - age_ms) * 1_000_000))
    return path


def sweep(home: Path) -> None:
    leftovers.sweep(Paths(str(home)), {"here"}, NOW - HOUR_MS, NOW - 10 * HOUR_MS)


def test_only_what_is_ours_and_old_goes(tmp_path: Path) -> None:
    """Temporary files after an hour, heartbeats of the unknown when history is over."""
    beats = tmp_path / "state" / "agents"
    gone = [
        write(tmp_path / ".tmp-1-a", 2 * HOUR_MS),
        write(tmp_path / "state" / ".tmp-1-b", 2 * HOUR_MS),
        write(beats / "here" / ".tmp-1-c", 2 * HOUR_MS),
        write(beats / "away" / "s.heartbeat.json", 11 * HOUR_MS),
    ]
    kept = [
        write(tmp_path / "state" / ".tmp-1-d", 0),
        write(beats / "here" / "s.heartbeat.json", 99 * HOUR_MS),
        write(beats / "new" / "s.heartbeat.json", 9 * HOUR_MS),
        write(beats / "mine" / "notes.txt", 99 * HOUR_MS),
    ]
    (tmp_path / "state" / "manifests").mkdir()
    sweep(tmp_path)

    assert [] == [path for path in gone if path.exists()]
    assert kept == [path for path in kept if path.exists()]
    assert not (beats / "away").exists()


def test_copies_of_the_unknown_go(tmp_path: Path) -> None:
    """Both copies, when they are old: a young one may be about to be adopted."""
    for name in ("away.toml", "away.toml.before", "here.toml", "here.toml.before", "note.txt"):
        write(tmp_path / name, 2 * HOUR_MS)
    write(tmp_path / "new.toml", 0)
    goodcopy.sweep(str(tmp_path), {"here"}, NOW - HOUR_MS)

    assert ["here.toml", "here.toml.before", "new.toml", "note.txt"] == sorted(os.listdir(tmp_path))
