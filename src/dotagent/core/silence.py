"""Silences: what a person wants held back, and for how long (product §6, rules R3, R15).

Invariants: a silence has an end that is never further ahead than ``MOST_MS``; it never holds back
good news that answers bad, nor anything that is not about its agent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dotagent.core.duration import DAY_MS, HOUR_MS, SECOND_MS, parse
from dotagent.core.model import AGENT_EVENTS, Event, Kind

MOST_MS = 31 * DAY_MS
"""The longest silence: whoever wants more of it wants ``enabled = false``."""
SLACK_MS = HOUR_MS
"""So far ahead of the present a silence may have been made, by a clock that was corrected since."""

_EXEMPT = (Kind.RECOVERED, Kind.DAILY_SUMMARY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """One of them. ``schedule`` None: all schedules of the agent."""

    id: int
    agent: str
    schedule: str | None
    until_at: int
    reason: str

    @property
    def words(self) -> str:
        """Why a message stays quiet."""
        return f"silenced by hand ({self.reason}; silence {self.id})"


def holding(silences: Iterable[Silence], event: Event, now: int) -> Silence | None:
    """The silence that holds the event back: of several the one that lasts longest."""
    if event.kind not in AGENT_EVENTS or event.kind in _EXEMPT:
        return None
    about = [
        each
        for each in silences
        if each.agent == event.agent
        and each.schedule in (None, event.schedule_id)
        and each.until_at > now
    ]
    return max(about, key=lambda each: (each.until_at, each.id), default=None)


def length(text: str) -> int:
    """How long ``--for`` is. Raises ``ValueError`` with a sentence for who wrote it."""
    ms = parse(text)
    if ms < SECOND_MS:
        raise ValueError(f'"{text}" is no time at all; write 2h, say')
    if ms > MOST_MS:
        raise ValueError(
            f'"{text}" is too long: a silence lasts 31 days at most;'
            " for good, set enabled = false in the manifest"
        )
    return ms
