"""How a life of the daemon is to end, by seed: at a step of the line, between any two function
calls, while a receiver is being asked, or when so many bytes were written.

No clock decides: what a seed kills is the same work on a fast machine and on a slow one.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from tests.crash.points import AFTER, ANY, BEFORE, STEPS

ONCE = ("begin",)
RARE = ("keep the good copy", "adopt")
"""Steps that a life passes only where a manifest has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The end of one life. ``point``: inside the daemon (see ``points``). ``request``: the n-th
    message is on the wire, and its answer is or is not (``answered``). ``grown``: the record has
    grown by so many bytes."""

    kind: Literal["point", "request", "bytes"]
    point: str | None = None
    request: int = 0
    answered: bool = False
    grown: int = 0

    def __str__(self) -> str:
        if self.kind == "point":
            return str(self.point)
        if self.kind == "request":
            return f"request {self.request} {'answered' if self.answered else 'unanswered'}"
        return f"{self.grown} bytes of record"


def draw(random: Random, *, edited: bool) -> End:
    """One end. ``edited``: a manifest has changed, so that this life adopts something."""
    kind = random.choice(("step", "step", "any", "any", "request", "bytes"))
    if kind == "step":
        return End(kind="point", point=_step(random, edited))
    if kind == "any":
        return End(kind="point", point=f"{ANY}/{BEFORE}/{int(10 ** random.uniform(2, 4.3))}")
    if kind == "request":
        return End(kind="request", request=random.randint(1, 25), answered=random.random() < 0.5)
    return End(kind="bytes", grown=int(10 ** random.uniform(2.5, 4.2)))


def _step(random: Random, edited: bool) -> str:
    steps = [step for step in STEPS if step not in RARE or edited]
    step = random.choice(steps)
    nth = 1 if step in (*ONCE, *RARE) else random.randint(1, 20)
    return f"{step}/{random.choice((BEFORE, AFTER))}/{nth}"
