"""How many sends at once one destination gets, so that none keeps the others waiting (promise P3).

Invariant: as long as fewer than ``CROWDED`` destinations hang at once, there is a slot for every
other one.
"""

from __future__ import annotations

SENDS_AT_ONCE = 256
"""Sends on their way, over all destinations."""
CROWDED = SENDS_AT_ONCE // 2
"""With so many on their way, no destination gets a second one."""
SICK_AT_ONCE = SENDS_AT_ONCE // 4
"""Probes on their way to destinations that are down."""


def slots(*, parallel: int, sick: bool, sending: int, probing: int) -> int:
    """How many sends a destination may have on their way now. ``sending``: how many all have;
    ``probing``: those of them to destinations that are down."""
    if sick:
        return 1 if probing < SICK_AT_ONCE else 0
    return 1 if sending >= CROWDED else parallel
