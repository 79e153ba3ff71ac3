"""A holder's first words about the record: each break is told once."""

from __future__ import annotations

from pathlib import Path

from dotagent.steps.attest import Finding
from dotagent.steps.greet import First, greet, tell_flaw
from dotagent.system.auditfile import Standing
from tests.engine.line import Line, line


def told(made: Line) -> list[str]:
    return made.values("SELECT facts FROM events WHERE kind = 'audit_chain_broken'")


async def test_a_break_is_told_once_whatever_restarts(tmp_path: Path) -> None:
    """The same thing is wrong at each start: it is in the record once, and said once."""
    broken = First(standing=Standing(written_seq=3, broken="the last line is foreign"), anew=False)
    for _ in range(3):
        async with line(tmp_path) as made:
            await greet(made.parts, broken)

    async with line(tmp_path) as made:
        recorded = made.values("SELECT 1 FROM audit WHERE CAST(line AS TEXT) LIKE '%chain_broken%'")
        assert (1, 1) == (len(told(made)), len(recorded))


async def test_once_it_was_well_it_is_news_again(tmp_path: Path) -> None:
    """Somebody was at it a second time."""
    async with line(tmp_path) as made:
        for broken in ("cut", None, "cut"):
            standing = Standing(written_seq=3, broken=broken)
            await greet(made.parts, First(standing=standing, anew=False))

        assert 2 == len(told(made))


async def test_what_the_start_has_told_the_day_does_not(tmp_path: Path) -> None:
    """Following the whole record finds the same break again; another one is news."""
    async with line(tmp_path) as made:
        standing = Standing(written_seq=3, broken="the last line is foreign")
        await greet(made.parts, First(standing=standing, anew=False))
        for at in (4, 9, 9):
            await tell_flaw(
                made.parts, Finding(path="x", entries=at - 1, broken_at=at, reason=f"line {at}")
            )

        assert ["foreign" in told(made)[0], "line 9" in told(made)[1]] == [True, True]
        assert 2 == len(told(made))
