"""Stories by seed: acts drawn at random, lived one after the other, the laws asked after each.

``tell`` returns how a story breaks a law, None where it breaks none; ``shortest`` leaves away what
a broken one does not need, so that a person can read it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from dotagent.core.errors import StoreError
from dotagent.core.model import (
    Blocked,
    Exit,
    Exited,
    Interrupted,
    Outcome,
    RejectDestination,
    RejectMessage,
    Retry,
    Sent,
    Skipped,
    TimedOut,
    Unknown,
    Unsupported,
)
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS
from tests.rules.laws import Laws
from tests.rules.life import NAMES, NO_SWITCH, Life
from tests.rules.memory import Switch

Act = tuple[str, dict[str, Any]]
Story = Sequence[Act]

LENGTH = 40
OUTCOMES: tuple[Outcome, ...] = (
    Sent(),
    Sent(),
    Retry(why="503"),
    Retry(why="429", after_ms=90_000),
    Retry(why="429", after_ms=2 * DAY_MS),
    Unknown(why="no answer"),
    RejectMessage(why="400"),
    RejectDestination(why="404"),
    Unsupported(why="no bus"),
    Skipped(why="too soon"),
)
EXITS: tuple[Exit, ...] = (
    Exited(code=0),
    Exited(code=1),
    Exited(code=1),
    Exited(code=75),
    TimedOut(after_ms=5_000),
    Blocked(by="warp", why="off"),
    Blocked(by="warp", why="off", skip=True),
    Interrupted(why="SIGTERM"),
)
STEPS = (1_000, 61_000, 6 * MINUTE_MS, 11 * MINUTE_MS, 70 * MINUTE_MS, 7 * HOUR_MS, 2 * DAY_MS)
CLOCK = (-20 * MINUTE_MS, -30 * DAY_MS, -30 * DAY_MS, 2 * 365 * DAY_MS)

ARGUMENTS: dict[str, dict[str, Sequence[Any]]] = {
    "turn": {"room": (1, 2, 99)},
    "time_passes": {"step": STEPS},
    "clock_steps": {"by": CLOCK},
    "life_goes_on": {
        "step": STEPS,
        "times": (1, 2, 3, 4),
        "exit": EXITS,
        "outcome": OUTCOMES,
        "others": OUTCOMES,
    },
    "run_ends": {"pick": range(9), "exit": EXITS, "took": (0, 40_000)},
    "settle_fails": {"pick": range(9), "exit": EXITS},
    "answer_comes": {"pick": range(9), "outcome": OUTCOMES, "u": (0.0, 0.3, 0.9)},
    "answer_is_settled_twice": {"pick": range(9)},
    "holder_changes": {
        "clean": (True, False),
        "arrives": (True, False),
        "after": (0, 0, MINUTE_MS, 7 * HOUR_MS),
    },
    "manifest_is_edited": {
        "name": NAMES,
        "minutes": (10, 10, 15),
        "tries": (1, 2, 4),
        "to": ("", "", "f-new", "f-a"),
        "enabled": (True, True, True, False),
        "own": (True, True, True, False),
    },
    "manifest_is_removed": {"name": NAMES},
    "root_goes_or_comes": {},
    "channel_changes": {"name": ("ops", "two"), "to": ("", "f-{}", "f-two", "f-ops", "f-b")},
    "run_by_hand": {"name": NAMES, "trial": (True, False, False)},
    "dead_letters_are_sent_again": {},
    "is_silenced": {"name": NAMES, "for_ms": (30 * MINUTE_MS, 5 * HOUR_MS)},
    "silence_is_ended": {},
    "is_acknowledged": {"name": NAMES},
    "is_paused": {"name": NAMES, "for_ms": (30 * MINUTE_MS, 5 * HOUR_MS, 3 * DAY_MS)},
    "is_resumed": {"name": NAMES},
    "next_run_is_skipped": {"name": NAMES},
}
"""Every act of a life, and what it may be done with."""

OFTEN = ("turn", "time_passes", "life_goes_on", "run_ends", "answer_comes", "holder_changes")
_DRAWN = (*ARGUMENTS, *OFTEN, *OFTEN, "turn", "run_ends", "answer_comes")


def story(seed: str) -> Story:
    """The acts of this seed."""
    random = Random(seed)
    names = [random.choice(_DRAWN) for _ in range(LENGTH)]
    return [
        (name, {key: random.choice(values) for key, values in ARGUMENTS[name].items()})
        for name in names
    ]


def tell(acts: Story, switch: Switch = NO_SWITCH) -> str | None:
    """Live it. The first law that is broken, None if it comes to rest with all of them kept."""
    life = Life(switch)
    laws = Laws(life)
    try:
        laws.ask()
        for name, arguments in acts:
            getattr(life, name)(**arguments)
            laws.ask()
        life.comes_to_rest()
        laws.ask()
    except (AssertionError, StoreError) as error:
        return str(error).split("\n", maxsplit=1)[0] or repr(error)
    except Exception as error:
        return repr(error)
    finally:
        life.close()
    return None


def live(acts: Story, keep_ms: int | None = None) -> Life:
    """Live it to its end, and no law is asked; with ``keep_ms``, forgetting what ended before."""
    life = Life(keep_ms=keep_ms)
    try:
        for name, arguments in acts:
            getattr(life, name)(**arguments)
        life.comes_to_rest()
    finally:
        life.close()
    return life


def shortest(acts: Story, breaks: Callable[[Story], bool]) -> Story:
    """Leave away acts, many at once at first, as long as what is left still ``breaks``."""
    size = max(len(acts) // 2, 1)
    while True:
        start = 0
        while start < len(acts):
            fewer = [*acts[:start], *acts[start + size :]]
            if breaks(fewer):
                acts = fewer
            else:
                start += size
        if size == 1:
            return acts
        size //= 2


def readable(acts: Story) -> str:
    """The story, an act a line."""
    return "\n".join(f"  {name} {arguments}" for name, arguments in acts)
