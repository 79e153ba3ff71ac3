"""``kill -9`` at random moments, under load, a dozen times in one home: nothing is lost, doubled
without a flag, out of order or left running. ``make crash`` does it a thousand times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.checks import check, explain
from tests.crash.lab import Nursery
from tests.crash.long import Long
from tests.support.system import require

SEEDS = 8
KILLS = 13
"""In one home. What a home's first kills leave is what its last ones find."""


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """The forking process."""
    require("flock", "setsid")
    made = Nursery()
    yield made
    made.close()


def topic(agent: str, notifier: str) -> str:
    return f"{agent}-{notifier}" if agent else notifier


@pytest.mark.timeout(600)  # a busy machine, and channels that are paced
def test_killed_again_and_again(nursery: Nursery, tmp_path: Path, chance: str) -> None:
    """Each seed is one home: another crowd of lives, ends and edits."""
    long = Long(nursery, tmp_path / "home", chance)
    try:
        with long.run(KILLS) as trial:
            check(trial, topic)

            assert 0 == trial.status
            assert KILLS == len(long.ends)
    except BaseException as error:
        error.add_note(f"this seed: make crash SEED={chance.partition('-')[0]}; ends: {long.ends}")
        raise


def test_a_lost_message_is_noticed() -> None:
    """The laboratory itself: a message too few, too many, out of order, or without its flag."""
    demanded = ["(?:a\n)(?:a again\n)?", "(?:b\n)?(?:b again\n)", "(?:c\n)"]

    explain(["a", "b", "b again", "c"], demanded, "key")
    explain(["a", "a again", "b again", "c"], demanded, "key")
    for wrong in (
        ["a", "b", "c"],
        ["a", "b again"],
        ["a", "c", "b again"],
        ["a", "b again", "b again", "c"],
        ["a", "a", "b again", "c"],
        ["a", "b again", "c", "c"],
    ):
        with pytest.raises(AssertionError, match="was due, and came"):
            explain(wrong, demanded, "key")
