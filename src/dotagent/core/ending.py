"""Why a window ended: every reason that the line itself gives, in one place.

Whoever closes a window writes one of these, alone or as the beginning of its reason, and
``core/why.py`` has a sentence for each in every state of ``ENDS``; tests walk both. What a script,
a plugin or an exit says for itself is ``OWN``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from dotagent.core.model import WindowState


class Ending(StrEnum):
    """The reason as it stands in the store, or how it begins; ``POINTLESS`` is how it ends."""

    OWN = ""
    BY_HAND = "by manual run"
    USED_UP = "attempts used up"
    POINTLESS = "means that trying again is pointless"
    NO_TIME = "stale: the next try would come after the deadline"
    STALE = "stale: its deadline passed before it could run"
    NEXT_FIRST = "overtaken: the next run is due before the next try"
    OVERTAKEN = "overtaken"
    TOO_LATE = "past its deadline when it could first be tried"
    NOT_CAUGHT_UP = 'nothing could run it at its time, and catch_up = "none"'
    OVERLAP = "overlap"
    CAUGHT_UP = "caught up by the run of"
    REMOVED = "removed"
    DISABLED = "disabled"
    BLOCKED = "preflight:"
    PAUSED = "paused by"
    ASKED = "asked for by"


SUCCEEDED, GIVEN_UP, MISSED, SKIPPED = (
    WindowState.SUCCEEDED,
    WindowState.GIVEN_UP,
    WindowState.MISSED,
    WindowState.SKIPPED,
)
ENDS: Mapping[Ending, tuple[WindowState, ...]] = {
    Ending.OWN: (SUCCEEDED, SKIPPED),
    Ending.BY_HAND: (SUCCEEDED,),
    Ending.USED_UP: (GIVEN_UP,),
    Ending.POINTLESS: (GIVEN_UP,),
    Ending.NO_TIME: (GIVEN_UP,),
    Ending.STALE: (GIVEN_UP, MISSED),
    Ending.NEXT_FIRST: (GIVEN_UP,),
    Ending.OVERTAKEN: (GIVEN_UP, MISSED),
    Ending.TOO_LATE: (MISSED,),
    Ending.NOT_CAUGHT_UP: (MISSED,),
    Ending.OVERLAP: (SKIPPED,),
    Ending.CAUGHT_UP: (SKIPPED,),
    Ending.REMOVED: (GIVEN_UP, SKIPPED),
    Ending.DISABLED: (GIVEN_UP, SKIPPED),
    Ending.BLOCKED: (SKIPPED,),
    Ending.PAUSED: (SKIPPED,),
    Ending.ASKED: (SKIPPED,),
}
"""The states in which a window ends so. A manifest's wish to be gone gives up what was tried."""

_WHOLE = (Ending.OVERTAKEN, Ending.OVERLAP, Ending.REMOVED, Ending.DISABLED)
"""Single words: what merely begins with one is somebody's own text."""


def ending_of(reason: str) -> Ending:
    """Which of them a stored reason is."""
    for each in Ending:
        if each is Ending.OWN:
            continue
        if each is Ending.POINTLESS:
            found = reason.endswith(each)
        else:
            found = reason == each if each in _WHOLE else reason.startswith(each)
        if found:
            return each
    return Ending.OWN
