"""A case: everything the record knows of one run, for ``why`` to put into words.

Facts only. A *case* is about a window, or about a manual run (``attempt``), or about neither, where
nothing was due; its schedule's standing is that of now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dotagent.core.decide import Verdict
from dotagent.core.model import AttemptKind, DeliveryState, Event, WindowState
from dotagent.core.past import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A schedule as it stands. Unknown to the store (an agent run by hand only): all None."""

    agent: str
    schedule: str
    first_seen_at: int | None = None
    gone_at: int | None = None
    gone_why: str | None = None
    """``disabled`` or ``removed``."""
    held_at: int | None = None
    folder: str = ""
    """The root that its agent lies in."""
    next_due_at: int | None = None
    """None where nobody has planned it yet, or a person wants it not to run then."""
    is_never_due: bool = False
    """Its schedule names no time to come."""
    max_attempts: int = 1
    paused_until: int | None = None
    """Until when a person wants nothing of it run, and who and why, where one does."""
    paused: str = ""

    @property
    def name(self) -> str:
        return f"{self.agent}/{self.schedule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A row of ``windows``; ``count`` > 1 for a range of instants that got no run of their own."""

    id: int
    expected_at: int
    expected_to: int | None
    count: int
    exact: bool
    planned_at: int
    late: bool
    caught_up: int
    deadline_at: int
    state: WindowState
    reason: str
    attempts: int
    losses: int
    next_at: int | None
    closed_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try. ``said`` is its own last word: its summary, else the end of what it printed."""

    id: int
    number: int
    kind: AttemptKind
    started_at: int
    ended_at: int | None = None
    lasted_ms: int | None = None
    """How long it ran, once it has ended; a step of the clock changes nothing of that."""
    verdict: Verdict | None = None
    words: str = ""
    said: str = ""
    output: tuple[str, ...] = ()
    """The last lines that it printed."""
    stopped: bool = False
    """Somebody ended it; whether a person or a planned stop, its verdict says."""
    numbers: str = ""
    """What else it reported: ``cost_usd 0.02, rows 7``."""
    remarks: tuple[str, ...] = ()
    """What went wrong beside it: processes that it left behind, a log that could not be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One try at a delivery: a row of the ledger."""

    number: int
    started_at: int
    ended_at: int | None
    outcome: str | None
    why: str | None
    may_repeat: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """A delivery, and how it went. ``next_at``: when its channel is tried next; ``scope``: the
    agent whose manifest has the notifier, empty for one of config.toml."""

    id: int
    name: str
    driver: str
    state: DeliveryState
    reason: str
    ended_at: int | None
    next_at: int | None
    sends: tuple[Sending, ...] = ()
    folded: str = ""
    """With how many others it is one message, and why."""
    scope: str = ""

    @property
    def channel(self) -> tuple[str, str, str]:
        """What tells it from every other: two may bear one name, in two files."""
        return self.scope, self.driver, self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """An event and who was told. A message sent again by hand stands for the one before it."""

    event: Event
    told: tuple[Telling, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What a schedule's failing has cost so far, or had cost when it ended."""

    opened_at: int
    failures: int
    windows: int
    closed_at: int | None
    closed_by: str | None
    acked_at: int | None = None
    acked_why: str | None = None
    """A person said that they know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silenced:
    """A silence that holds back what the schedule has to say."""

    id: int
    until_at: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """A span in which nothing could be started."""

    from_at: int
    to_at: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """See the module. ``asked`` None: the latest. ``nearest``: the planned instants before and
    after a time for which there is no run. ``busy_with``: what holds the schedule's run lock now.
    ``actor``: the role of who holds the home now; None if nobody does."""

    standing: Standing
    window: Window | None = None
    heir: Window | None = None
    """The run that was to stand in for it, where it was not run at its own time."""
    attempt: Attempt | None = None
    attempts: Sequence[Attempt] = ()
    news: Sequence[News] = ()
    outage: Outage | None = None
    silenced: Sequence[Silenced] = ()
    away: Sequence[Away] = ()
    asked: Span | None = None
    nearest: tuple[int | None, int | None] = (None, None)
    busy_with: AttemptKind | None = None
    actor: str | None = None
