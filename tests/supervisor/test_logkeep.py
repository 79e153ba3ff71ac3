"""Old pieces are packed, then go; nothing else in the folder is touched."""

from __future__ import annotations

import gzip
import os
import stat
from pathlib import Path

import pytest

from dotagent.core.span import DAY_MS
from dotagent.supervisor.logkeep import PACKING, folders, keep, keep_all, remove

NOW = 1_800_000_000_000
DAYS = {"keep_ms": 14 * DAY_MS, "pack_ms": DAY_MS}


def write(path: Path, text: str, age_days: float) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text)
    at = (NOW - round(age_days * DAY_MS)) * 1_000_000
    os.utime(path, ns=(at, at))


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_pieces_are_packed_then_gone(tmp_path: Path) -> None:
    """A day old: packed, with its age; fifteen days old: gone; younger: as it is."""
    for name, age in (("1", 0.5), ("2", 3), ("3", 15)):
        write(tmp_path / f"a.log.2026-03-01.{name}", "text\n" * 100, age)
    write(tmp_path / "a.log", "now\n", 0)
    expired = keep(str(tmp_path), "a.log", NOW, **DAYS)

    packed = tmp_path / "a.log.2026-03-01.2.gz"
    assert not expired
    assert ["a.log", "a.log.2026-03-01.1", packed.name] == names(tmp_path)
    assert b"text\n" * 100 == gzip.decompress(packed.read_bytes())
    assert 0o600 == stat.S_IMODE(packed.stat().st_mode)
    assert NOW - 3 * DAY_MS == packed.stat().st_mtime_ns // 1_000_000


def test_the_logs_of_an_older_dotagent_are_kept_like_ours(tmp_path: Path) -> None:
    """What 0.1.x named after the day alone is packed, and goes."""
    write(tmp_path / "dotagent.log.2026-03-01", "text\n", 15)
    write(tmp_path / "dotagent.log.2026-03-12", "text\n", 3)
    keep(str(tmp_path), "dotagent.log", NOW, **DAYS)

    assert ["dotagent.log.2026-03-12.gz"] == names(tmp_path)


def test_a_packed_piece_does_not_become_young(tmp_path: Path) -> None:
    """Packing starts no new count of its days (failing 33)."""
    write(tmp_path / "a.log.2026-03-01.1", "text\n", 13)
    keep(str(tmp_path), "a.log", NOW, **DAYS)
    between = names(tmp_path)
    keep(str(tmp_path), "a.log", NOW + 2 * DAY_MS, **DAYS)

    assert ["a.log.2026-03-01.1.gz"] == between
    assert [] == names(tmp_path)


def test_what_a_crash_left_is_mended(tmp_path: Path) -> None:
    """A packing that was cut short is begun anew, from the piece that is still there."""
    write(tmp_path / "a.log.2026-03-01.1", "whole\n", 3)
    write(tmp_path / f"a.log.2026-03-01.1{PACKING}", "ha", 0)
    write(tmp_path / "a.log.2026-03-01.1.gz", "torn", 0)
    keep(str(tmp_path), "a.log", NOW, **DAYS)

    (left,) = names(tmp_path)
    assert b"whole\n" == gzip.decompress((tmp_path / left).read_bytes())


def test_other_files_stay(tmp_path: Path) -> None:
    """A person's own file beside the log, another agent's, a link, however old."""
    for name in ("notes.txt", "a.log.notes", "b.log.2026-03-01.1"):
        write(tmp_path / name, "mine", 100)
    (tmp_path / "a.log.2026-03-01.9").symlink_to(tmp_path / "notes.txt")
    os.utime(tmp_path / "a.log.2026-03-01.9", ns=(0, 0), follow_symlinks=False)
    before = set(names(tmp_path))
    keep(str(tmp_path), "a.log", NOW, **DAYS)

    assert before - {"a.log.2026-03-01.9"} == set(names(tmp_path))
    assert "mine" == (tmp_path / "notes.txt").read_text()


def test_a_log_that_nobody_writes_to_expires(tmp_path: Path) -> None:
    """Who has not run for as long as logs are kept: the log is named, for who knows whether it is
    in use; removed with its folder."""
    write(tmp_path / "old" / "old.log", "x", 15)
    write(tmp_path / "new" / "new.log", "x", 13)
    expired = keep_all(str(tmp_path), folders(str(tmp_path)), now=NOW, **DAYS)
    for log in expired:
        remove(log)

    assert [str(tmp_path / "old" / "old.log")] == expired
    assert ["new"] == names(tmp_path)


@pytest.mark.parametrize("folder", ["none", "file"])
def test_a_folder_that_cannot_be_read_is_left_for_tomorrow(tmp_path: Path, folder: str) -> None:
    """No logs yet, or something else in their place."""
    (tmp_path / "file").touch()

    assert [] == folders(str(tmp_path / folder))
    assert not keep(str(tmp_path / folder), "a.log", NOW, **DAYS)
