"""The model of rules.md: any story of turns, ends, answers, crashes, reboots, freezes, clock steps,
edits, removals, vanished roots and a person's say keeps the invariants I1–I10.

``make crash`` lives thousands of lives. A story that breaks a law is shown as short as it can be.
"""

from __future__ import annotations

import pytest

from tests.rules.explore import ARGUMENTS, Story, readable, shortest, story, tell
from tests.rules.life import Life

SEEDS = 2
STORIES = 50
"""Lives that a seed lives."""


@pytest.mark.timeout(600)  # a story that breaks a law takes its time to find its shortest form
def test_the_laws_hold(chance: str) -> None:
    """Whatever happens, in whatever order."""
    for number in range(STORIES):
        acts = story(f"{chance}-{number}")
        broken = tell(acts)
        assert broken is None, explain(acts, broken, chance)


def explain(acts: Story, broken: str, chance: str) -> str:
    """The shortest story that breaks the same law, and how to see it again."""
    least = shortest(acts, lambda some: tell(some) == broken)
    return f"{broken}\n{readable(least)}\nmake crash SEED={chance.partition('-')[0]}"


def test_every_act_is_drawn() -> None:
    """The stories know every act of a life, by its name and its arguments."""
    acts = {name for name in vars(Life) if not name.startswith("_")}

    assert set(ARGUMENTS) == acts - {"close", "comes_to_rest", "rows", "value"}
