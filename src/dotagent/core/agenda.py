"""What runs next, over all schedules, in the order in which it is due.

Pure: what the store knows of each schedule in, entries out, lazily: of ten thousand schedules only
those are looked at whose turn it is.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import tzinfo

from dotagent.core import schedule
from dotagent.core.when import When


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """A schedule as the store has it. ``due_at``: when it is planned next, ``through`` up to when
    it has been (``None``: it is planned anew, from now on);
    ``try_at``: when its live window is tried (next), ``None`` where there is none to try;
    ``attempt`` and ``most``: the number of that try and how many it may be; ``running``: a run of
    it goes on; ``words``: what persons want not to run, in the order in which they said so: what
    falls due before that instant, and why."""

    agent: str
    schedule: str
    when: When
    anchor_at: int
    due_at: int | None
    through: int | None = None
    expected_at: int | None = None
    try_at: int | None = None
    attempt: int = 1
    most: int = 1
    running: bool = False
    words: tuple[tuple[int, str], ...] = ()

    @property
    def name(self) -> str:
        return f"{self.agent}/{self.schedule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the agenda: when, of which schedule, and the run's own time. ``attempt`` is more
    than 1 for a further try; ``waits``: it is due already and waits for its turn; ``skipped``: a
    person wants it not to run, and why."""

    at: int
    of: Coming
    expected_at: int
    attempt: int = 1
    waits: bool = False
    skipped: str | None = None


def agenda(
    comings: Iterable[Coming], now: int, zone: tzinfo, *, once: bool = False
) -> Iterator[Entry]:
    """Every run to come, the earliest first, for ever; of equal ones by name. ``once``: of each
    schedule only its live run and the first that follows, so that a frequent one hides no other."""
    heap: list[tuple[int, str, int, Coming]] = []
    for coming in comings:
        if coming.try_at is not None:
            heapq.heappush(heap, (coming.try_at, coming.name, 0, coming))
        due_at = coming.due_at
        if due_at is not None and due_at <= now:  # it may be only the time for a look
            due_at = _after(coming, now if coming.through is None else coming.through, zone)
        if due_at is not None:
            heapq.heappush(heap, (due_at, coming.name, 1, coming))
    while heap:
        at, _, planned, coming = heap[0]
        if not planned:
            heapq.heappop(heap)
            expected_at = at if coming.expected_at is None else coming.expected_at
            yield Entry(
                at=at, of=coming, expected_at=expected_at, attempt=coming.attempt, waits=at <= now
            )
            continue
        # As planning will have it: the first word that holds then gives the reason.
        why = next((why for until_at, why in coming.words if at < until_at), None)
        yield Entry(at=at, of=coming, expected_at=at, skipped=why)
        following = None if once else _after(coming, at, zone)
        if following is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (following, coming.name, 1, coming))


def _after(coming: Coming, at: int, zone: tzinfo) -> int | None:
    return schedule.next_after(
        coming.when, at, anchor_at=coming.anchor_at, name=coming.name, zone=zone
    )
