"""How many sends at once one destination gets, so that none keeps the others waiting (promise P3).

Invariant: as long as fewer than ``CROWDED`` destinations hang at once, there is a slot for every
other one.
"""

from __future__ import annotations

from dataclasses import dataclass

SENDS_AT_ONCE = 256
"""Sends on their way, over all destinations."""
CROWDED = SENDS_AT_ONCE // 2
"""With so many on their way, no destination gets a second one."""
SICK_AT_ONCE = SENDS_AT_ONCE // 4
"""Probes on their way to destinations that are down."""


@dataclass(slots=True, kw_only=True)
class Flow:
    """What is on its way. ``sending``: to all destinations; ``probing``: of those, to the ones that
    are down."""

    sending: int
    probing: int

    def more(self, count: int, *, sick: bool) -> None:
        """So many more are on their way to one destination."""
        self.sending += count
        self.probing += count if sick else 0


def slots(flow: Flow, *, parallel: int, sick: bool) -> int:
    """How many sends a destination may have on their way now."""
    if sick:
        return 1 if flow.probing < SICK_AT_ONCE else 0
    return 1 if flow.sending >= CROWDED else parallel
