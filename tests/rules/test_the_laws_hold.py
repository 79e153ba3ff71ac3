"""The model of rules.md: any story of turns, ends, answers, crashes, reboots, freezes, clock steps,
edits, removals, vanished roots and a person's say keeps the invariants I1–I10.

``make crash`` lives thousands of lives. A story that breaks a law is shown as short as it can be.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.core.walls import HOUR_MS
from tests.rules.explore import ARGUMENTS, Story, live, readable, shortest, story, tell
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


@pytest.mark.timeout(600)
def test_what_has_gone_changes_nothing(chance: str) -> None:
    """A home that forgets what ended hours ago runs and tells the same, to the end: nothing comes
    again because its row is gone, nothing fails to come (product §10)."""
    forgotten = 0
    for number in range(STORIES // 5):
        acts = [act for act in story(f"old-{chance}-{number}") if act[0] not in REMEMBERS]
        whole, brief = (live(acts, keep_ms) for keep_ms in (None, KEEP_MS))
        forgotten += brief.forgotten
        assert whole.done == brief.done, explain(acts, DIFFERS, chance, differs)
    assert forgotten


REMEMBERS = ("dead_letters_are_sent_again", "clock_steps", "manifest_is_removed")
"""What a person asks for by the rows that are there, what makes the age of a row a guess, and what
makes an agent one that nobody has heard of."""
KEEP_MS = 3 * HOUR_MS
DIFFERS = "what had gone was needed"


def differs(acts: Story) -> str | None:
    return None if live(acts).done == live(acts, KEEP_MS).done else DIFFERS


def explain(
    acts: Story, broken: str, chance: str, tell: Callable[[Story], str | None] = tell
) -> str:
    """The shortest story that breaks the same law, and how to see it again."""
    least = shortest(acts, lambda some: tell(some) == broken)
    return f"{broken}\n{readable(least)}\nmake crash SEED={chance.partition('-')[0]}"


def test_every_act_is_drawn() -> None:
    """The stories know every act of a life, by its name and its arguments."""
    acts = {name for name in vars(Life) if not name.startswith("_")}

    assert set(ARGUMENTS) == acts - {"close", "comes_to_rest", "rows", "value"}
