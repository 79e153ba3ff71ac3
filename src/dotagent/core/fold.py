"""Which waiting messages become one (product §6, rules R18): the predicates over held rows. Pure.

What waits for a destination comes as queues, one an order key, each in event order and each only as
far as it may go now. Invariants: a fold takes a prefix of each queue, so that order is kept
(promise P4); it takes the first row of the first queue, which is the one to go now; it has at least
two rows and at most as many as one claim may take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from dotagent.core.model import FAILURES, SEVERITY, Kind, Severity

FOLDED_MOST = 500
"""Rows in one message: a claim is one transaction, and the writer has others to serve."""
PROBE_MOST = 20
"""Rows in the one message that tries a channel which is down: each try stands in the ledger."""
BACKLOG_MS = 60_000
"""Who waited for less than this while a channel was down need not be folded."""

GRAVITY = {
    Severity.CRITICAL: 3,
    Severity.WARNING: 2,
    Severity.NOTICE: 1,
    Severity.INFO: 0,
}


def gravity(kind: Kind) -> int:
    """How grave news is: the graver goes first, and is never kept back for the lesser."""
    return GRAVITY[SEVERITY[kind]]


class Why(StrEnum):
    """The predicate that folded, as people read it."""

    STORM = "many at once"
    BACKLOG = "the channel could not be reached"
    QUIET = "quiet hours"
    OVERTAKEN = "recovered meanwhile"
    COLLAPSE = "one attempt"

    def said(self, others: int) -> str:
        """For the record of each that is folded."""
        return f"in one message with {others} {'other' if others == 1 else 'others'}: {self}"

    @classmethod
    def of(cls, said: str) -> Why:
        """What ``said`` was made of."""
        return cls(said.rpartition(": ")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A row that may go. ``held``: quiet hours held it until now. ``collapse``: its notifier wants
    one message for all that an attempt brings. ``key``: its order key."""

    id: int
    key: str
    kind: Kind
    created_at: int
    held: bool = False
    collapse: bool = False
    outage_id: int | None = None
    attempt_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """The destination: how many waiting make a storm, whether it is down, when it came back."""

    storm: int
    failing: bool = False
    back_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """What goes as one message, ``lead`` first in it."""

    why: Why
    lead: Waiting
    rows: tuple[Waiting, ...]


Queue = Sequence[Waiting]


def fold(queues: Sequence[Queue], channel: Channel, now: int) -> Fold | None:
    """The rows to send as one message, led by the first of the first queue; None to send that one
    alone."""
    most = PROBE_MOST if channel.failing else FOLDED_MOST
    for why, far in (
        (Why.STORM, storm(queues, channel)),
        (Why.BACKLOG, backlog(queues, channel, now)),
        (Why.QUIET, quiet(queues)),
        (Why.OVERTAKEN, overtaken(queues)),
        (Why.COLLAPSE, collapse(queues)),
    ):
        counts = _with_their_end(queues, far)
        if counts[0] and sum(counts) > 1:
            taken = [row for queue, n in zip(queues, counts, strict=True) for row in queue[:n]]
            rows = tuple(taken[:most])
            # What answers a failure says more than what held both up.
            answered = why is Why.BACKLOG and counts == overtaken(queues)
            said = Why.OVERTAKEN if answered else why
            return Fold(why=said, lead=leading(rows, said), rows=rows)
    return None


# ------------------------------------------------------------- the predicates: how far each queue


def storm(queues: Sequence[Queue], channel: Channel) -> list[int]:
    """More than so many wait for one destination: all of them."""
    counts = [len(queue) for queue in queues]
    return counts if sum(counts) > channel.storm else _none(queues)


def backlog(queues: Sequence[Queue], channel: Channel, now: int) -> list[int]:
    """What waited through an outage of the service."""
    until = now if channel.failing else channel.back_at
    if until is None:
        return _none(queues)
    return [_prefix([row.created_at + BACKLOG_MS <= until for row in queue]) for queue in queues]


def quiet(queues: Sequence[Queue]) -> list[int]:
    """Quiet hours are over, for all, or for the keys of those that did not have to wait."""
    return [len(queue) if queue and queue[0].held else 0 for queue in queues]


def overtaken(queues: Sequence[Queue]) -> list[int]:
    """Failures whose own recovery waits behind them, up to the last such recovery."""
    return [_answered(queues[0]), *_none(queues[1:])]


def collapse(queues: Sequence[Queue]) -> list[int]:
    """All that one attempt brings, where the notifier wants it so."""
    first = queues[0]
    attempt = first[0].attempt_id
    same = [row.collapse and attempt is not None and row.attempt_id == attempt for row in first]
    return [_prefix(same), *_none(queues[1:])]


def _with_their_end(queues: Sequence[Queue], counts: Sequence[int]) -> list[int]:
    """The same, but no failure goes without the recovery that waits behind it: a message that is
    sent again after a lost answer never knows less than the one before."""
    return [
        max(count, _answered(queue)) if count else 0
        for queue, count in zip(queues, counts, strict=True)
    ]


def _answered(queue: Queue) -> int:
    """How far the last recovery lies that answers a failure before it."""
    answers = _answers(queue)
    return max((at + 1 for at, row in enumerate(queue) if row.id in answers), default=0)


def _none(queues: Sequence[Queue]) -> list[int]:
    return [0] * len(queues)


def _prefix(holds: Sequence[bool]) -> int:
    return holds.index(False) if False in holds else len(holds)


def _answers(queue: Queue) -> set[int]:
    """The recoveries in it that answer a failure before them."""
    failing: set[int] = set()
    found = set()
    for row in queue:
        if row.outage_id is None:
            continue
        if row.kind in FAILURES:
            failing.add(row.outage_id)
        elif row.kind is Kind.RECOVERED and row.outage_id in failing:
            found.add(row.id)
    return found


# ------------------------------------------------------------------------------------- the leader


def leading(rows: Sequence[Waiting], why: Why) -> Waiting:
    """The row that speaks for all: the gravest that is not yet past; of one key the latest, of
    several keys the first. After quiet hours one that did not have to wait, if there is one."""
    recovered = {row.outage_id for row in rows if row.kind is Kind.RECOVERED}
    recovered.discard(None)
    news = [row for row in rows if row.kind not in FAILURES or row.outage_id not in recovered]
    if why is Why.QUIET:
        news = [row for row in news if not row.held] or news
    latest: dict[str, Waiting] = {}
    for row in news:
        best = latest.get(row.key)
        if best is None or gravity(row.kind) >= gravity(best.kind):
            latest[row.key] = row
    return min(latest.values(), key=lambda row: (-gravity(row.kind), row.id))
