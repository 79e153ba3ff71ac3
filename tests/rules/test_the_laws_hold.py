"""The model of rules.md: any story of turns, ends, answers, crashes, reboots, freezes, clock steps,
edits, removals, vanished roots and a person's say keeps the invariants I1–I10.

``make crash`` lives thousands of lives. A story that breaks a law is shown as short as it can be.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dotagent.core.model import (
    Blocked,
    Exit,
    Exited,
    Outcome,
    RejectDestination,
    Retry,
    Sent,
    Skipped,
    Unsupported,
)
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS
from tests.rules.explore import ARGUMENTS, Act, Story, live, readable, shortest, story, tell
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


def off(name: str) -> Act:
    return "manifest_is_edited", {
        "name": name, "minutes": 10, "tries": 2, "to": "", "enabled": False, "own": True
    }  # fmt: skip


def on(name: str) -> Act:
    return off(name)[0], {**off(name)[1], "enabled": True}


def busy(step: int, times: int, exit: Exit, outcome: Outcome, others: Outcome) -> Act:
    return "life_goes_on", {
        "step": step, "times": times, "exit": exit, "outcome": outcome, "others": others
    }  # fmt: skip


def crash(after: int, arrives: bool = True) -> Act:
    return "holder_changes", {"clean": False, "arrives": arrives, "after": after}


REJECTED, LATER = RejectDestination(why="404"), Retry(why="429", after_ms=2 * DAY_MS)
KNOWN: dict[str, Story] = {
    "a queued schedule slept until the time of a wrong clock": [
        crash(7 * HOUR_MS),
        ("turn", {"room": 99}),
        ("clock_steps", {"by": 2 * 365 * DAY_MS}),
        ("turn", {"room": 2}),
        crash(0, arrives=False),
        ("clock_steps", {"by": -30 * DAY_MS}),
    ],
    "a trial is no success": [
        ("time_passes", {"step": 2 * DAY_MS}),
        ("run_by_hand", {"name": "b", "trial": True}),
        ("run_ends", {"pick": 1, "exit": Exited(code=0), "took": 40_000}),
        ("turn", {"room": 2}),
    ],
    "a channel heard of its own death, after a crash, in company": [
        busy(
            11 * MINUTE_MS,
            3,
            Blocked(by="warp", why="off", skip=True),
            Unsupported(why="no bus"),
            REJECTED,
        ),
        ("time_passes", {"step": 2 * DAY_MS}),
        ("turn", {"room": 2}),
        ("run_ends", {"pick": 8, "exit": Exited(code=1), "took": 40_000}),
        ("channel_changes", {"name": "ops", "to": "f-two"}),
        crash(7 * HOUR_MS),
        ("turn", {"room": 2}),
    ],
}
"""Stories that broke a law once, or showed one to be wrong."""
FORGOTTEN: dict[str, Story] = {
    "an absence was not told": [
        off("c"),
        crash(7 * HOUR_MS, arrives=False),
        busy(70 * MINUTE_MS, 4, Exited(code=75), Sent(), LATER),
    ],
    "a disabled agent was forgotten": [
        off("b"),
        busy(2 * DAY_MS, 4, Exited(code=1), Skipped(why="too soon"), REJECTED),
        ("run_by_hand", {"name": "b", "trial": False}),
    ],
    "a first run at once came again": [
        off("a"),
        busy(7 * HOUR_MS, 3, Exited(code=0), Sent(), Skipped(why="too soon")),
        on("a"),
        ("turn", {"room": 99}),
    ],
}
"""Those that went otherwise in a home that forgets."""


@pytest.mark.parametrize("name", KNOWN)
def test_what_broke_a_law_once(name: str) -> None:
    """It never does again."""
    assert tell(KNOWN[name]) is None


@pytest.mark.parametrize("name", FORGOTTEN)
def test_what_was_forgotten_once(name: str) -> None:
    """It never is again."""
    assert differs(FORGOTTEN[name]) is None


def test_every_act_is_drawn() -> None:
    """The stories know every act of a life, by its name and its arguments."""
    acts = {name for name in vars(Life) if not name.startswith("_")}

    assert set(ARGUMENTS) == acts - {"close", "comes_to_rest", "rows", "value"}
