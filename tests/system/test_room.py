"""Whether a daemon's disk is full, as others see it."""

from __future__ import annotations

from pathlib import Path

from dotagent.system.lock import Holder
from dotagent.system.room import BEGINNING_MS, is_full

NOW = 1_000_000


def holder(age_ms: int | None) -> Holder:
    return Holder(1, "daemon", None if age_ms is None else NOW - age_ms)


def test_a_daemon_without_its_reserve(tmp_path: Path) -> None:
    """Its disk is full, unless it has only just begun; of one that says no time nobody knows."""
    reserve = str(tmp_path / "reserve")
    ages = (BEGINNING_MS + 1, BEGINNING_MS, None)
    without = [is_full(reserve, holder(age_ms), NOW) for age_ms in ages]
    Path(reserve).touch()

    assert [True, False, False] == without
    assert not is_full(reserve, holder(BEGINNING_MS + 1), NOW)


def test_where_no_daemon_runs(tmp_path: Path) -> None:
    """Nobody needs the reserve."""
    assert not is_full(str(tmp_path / "reserve"), None, NOW)
