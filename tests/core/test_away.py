"""While you were away: the one line, or none."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from dotagent.core.away import CaughtUp, Missed, line
from dotagent.core.model import WindowState
from tests.core.walls import DAY_MS, HOUR_MS, at

LEFT = at("2026-06-02T23:04:00Z")
BACK = at("2026-06-03T08:11:00Z")
OK, BAD = WindowState.SUCCEEDED, WindowState.GIVEN_UP


def ran(name: str = "sync", state: WindowState = OK, **more: Any) -> CaughtUp:
    """A late run: an hour late, where two are fine."""
    facts = {"older": 0, "late_ms": HOUR_MS, "tolerance_ms": 2 * HOUR_MS, **more}
    return CaughtUp(name=name, state=state, **facts)


def said(runs: list[CaughtUp], missed: list[Missed] | None = None, left: int = LEFT) -> str | None:
    return line(left, BACK, runs, missed or [], BACK, UTC)


@pytest.mark.parametrize(
    "runs",
    [[], [ran()], [ran(late_ms=2 * HOUR_MS)], [ran(state=WindowState.SKIPPED)]],
)
def test_nothing_to_say(runs: list[CaughtUp]) -> None:
    """All went well, and nothing was late beyond its own tolerance."""
    assert said(runs) is None


def test_the_whole_story() -> None:
    """As product §6 has it."""
    fine = [ran(f"a{n}", older=4, late_ms=8 * HOUR_MS) for n in range(8)]

    assert (
        "Away 23:04–08:11: 9 runs caught up, 8 ok, backup failing; 32 older windows folded"
    ) == said([*fine, ran("backup", BAD)])


@pytest.mark.parametrize(
    ("runs", "missed", "expected"),
    [
        ([ran(late_ms=3 * HOUR_MS)], [], "1 run caught up, 1 ok"),
        ([ran(state=BAD)], [], "1 run caught up, 0 ok, sync failing"),
        (
            [ran(state=WindowState.MISSED)],
            [],
            "1 run caught up, 0 ok, sync failing",
        ),
        (
            [ran(state=BAD), ran("x", WindowState.SKIPPED, older=1)],
            [],
            "2 runs caught up, 0 ok, sync failing, 1 skipped; 1 older window folded",
        ),
        ([], [Missed(name="sync", count=1)], "1 run missed (sync)"),
        (
            [ran()],
            [Missed(name=f"m{n}", count=2) for n in range(5)],
            "1 run caught up, 1 ok; 10 runs missed (m0, m1, m2 and 2 more)",
        ),
        (
            [ran(f"b{n}", BAD) for n in range(4)],
            [],
            "4 runs caught up, 0 ok, b0, b1, b2 and 1 more failing",
        ),
    ],
)
def test_cases(runs: list[CaughtUp], missed: list[Missed], expected: str) -> None:
    """What failed is named, what was missed is counted, what went well is only counted."""
    assert f"Away 23:04–08:11: {expected}" == said(runs, missed)


def test_days() -> None:
    """A longer absence has its days."""
    found = said([ran(late_ms=DAY_MS)], left=LEFT - 3 * DAY_MS)

    assert found is not None
    assert found.startswith("Away Sat 23:04 – 08:11: ")
