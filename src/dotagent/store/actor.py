"""Who acts: the holder of the home's lock, as the store's operations need to know it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

STORM = 20
"""More waiting messages than this for one destination become one (product §10)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """``epoch`` numbers the holder (rules R1); ``zone`` is the machine's, ``host`` its name;
    ``storm``: more waiting messages for one destination than this become one (product §10)."""

    epoch: int
    host: str
    zone: tzinfo
    storm: int = STORM
