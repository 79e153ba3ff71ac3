"""Who acts: the holder of the home's lock, as the store's operations need to know it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """``epoch`` numbers the holder (rules R1); ``zone`` is the machine's, ``host`` its name."""

    epoch: int
    host: str
    zone: tzinfo
