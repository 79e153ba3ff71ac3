"""The records that travel along the line: window, attempt, exit, event, message, delivery, send.

Each is a fact: frozen, keyword-only, made once, never changed. Nothing here decides or does.

Units, everywhere in dotagent: an *instant* is an ``int``, milliseconds since the Unix epoch, and
its name ends in ``_at``; a *span* is an ``int`` of milliseconds and its name ends in ``_ms``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# --------------------------------------------------------------------------------------- exits


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """The process ended by itself with this status (0–255)."""

    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signaled:
    """The process was killed by this signal, and not because of its timeout."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOut:
    """The attempt exceeded its timeout, whatever the process then exited with."""

    after_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """A preflight plugin said no. ``skip``: its hook says ``on_block = "skip"``."""

    by: str
    why: str
    suggest: str | None = None
    skip: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotStarted:
    """The command could not be started. ``code`` as a shell's: 127 not found, 126 not runnable."""

    code: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproved:
    """Exit 0 (or another good ``code``), but the manifest's ``[expect]`` was not met."""

    why: str
    code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """A planned stop ended the attempt: not counted, not told, tried again (rules R11). Where a
    person, ``by``, stopped it, it is not tried again."""

    why: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The daemon died while the attempt ran; how it would have ended is not known (rules R5)."""

    why: str


Exit = Exited | Signaled | TimedOut | Blocked | NotStarted | Unproved | Interrupted | Lost


# ------------------------------------------------------------------------------------ attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The end of one output stream: decoded, redacted, bounded. ``dropped`` lines came before."""

    text: str = ""
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What the supervisor knows once an attempt's processes are gone."""

    exit: Exit
    ended_at: int
    stdout: Tail = Tail()
    stderr: Tail = Tail()
    result: Mapping[str, Any] = field(default_factory=dict)
    """What the script wrote to ``$AGENT_RESULT``, already parsed."""
    result_problem: str | None = None
    escaped: tuple[int, ...] = ()
    """Processes of the group that could not be killed."""
    problems: tuple[str, ...] = ()
    """What went wrong beside the attempt, for a person: a log that could not be written, …"""
    lasted_ms: int | None = None
    """How long it ran by a clock that nobody sets; None where nobody lived through it."""

    def lasted_since(self, started_at: int) -> int:
        """How long it ran, which a step of the wall clock makes neither longer nor shorter."""
        return max(self.ended_at - started_at, 0) if self.lasted_ms is None else self.lasted_ms


class WindowState(StrEnum):
    """``waiting`` and ``running`` are live; the others are terminal."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    GIVEN_UP = "given_up"
    MISSED = "missed"
    SKIPPED = "skipped"


class AttemptKind(StrEnum):
    """Why an attempt is made: its window came, a person said now, or a person tries it out."""

    WINDOW = "window"
    MANUAL = "manual"
    TRIAL = "trial"


# -------------------------------------------------------------------------------------- events


class Severity(StrEnum):
    CRITICAL = "critical"
    WARNING = "warning"
    NOTICE = "notice"
    INFO = "info"


class Kind(StrEnum):
    """Every event there is (product §4)."""

    ATTEMPT_FAILED = "attempt_failed"
    TIMED_OUT = "timed_out"
    PREFLIGHT = "preflight"
    GIVEN_UP = "given_up"
    RECOVERED = "recovered"
    SUCCESS = "success"
    MISSED = "missed"
    STILL_FAILING = "still_failing"
    DAILY_SUMMARY = "daily_summary"

    MANIFEST_INVALID = "manifest_invalid"
    ROOT_VANISHED = "root_vanished"
    CONFIG_INVALID = "config_invalid"
    AUDIT_CHAIN_BROKEN = "audit_chain_broken"
    SECRETS_REFUSED = "secrets_refused"
    DESTINATION_PARKED = "destination_parked"
    DELIVERY_EXPIRED = "delivery_expired"
    PROCESS_ESCAPED = "process_escaped"
    STORE_ERROR = "store_error"
    MANIFEST_DRIFT_DETECTED = "manifest_drift_detected"
    PHANTOM_AGENT_DETECTED = "phantom_agent_detected"
    DAEMON_UNCLEAN_RESTART = "daemon_unclean_restart"
    CLOCK_CHANGED = "clock_changed"
    AWAY_SUMMARY = "away_summary"

    TEST = "test"
    """Nothing happened: a person tries a channel. Nobody can ask for it."""


AGENT_EVENTS = (
    Kind.ATTEMPT_FAILED,
    Kind.TIMED_OUT,
    Kind.PREFLIGHT,
    Kind.GIVEN_UP,
    Kind.RECOVERED,
    Kind.SUCCESS,
    Kind.MISSED,
    Kind.STILL_FAILING,
    Kind.DAILY_SUMMARY,
)
"""What a manifest's ``events`` may name."""

FAILURES = (
    Kind.ATTEMPT_FAILED,
    Kind.TIMED_OUT,
    Kind.PREFLIGHT,
    Kind.GIVEN_UP,
    Kind.MISSED,
    Kind.STILL_FAILING,
)
"""Bad news about a schedule: what ``recovered`` answers."""

SEVERITY: Mapping[Kind, Severity] = {
    Kind.GIVEN_UP: Severity.CRITICAL,
    Kind.MISSED: Severity.CRITICAL,
    Kind.STILL_FAILING: Severity.CRITICAL,
    Kind.ATTEMPT_FAILED: Severity.WARNING,
    Kind.TIMED_OUT: Severity.WARNING,
    Kind.PREFLIGHT: Severity.WARNING,
    Kind.RECOVERED: Severity.NOTICE,
    Kind.SUCCESS: Severity.INFO,
    Kind.DAILY_SUMMARY: Severity.INFO,
    Kind.MANIFEST_INVALID: Severity.CRITICAL,
    Kind.ROOT_VANISHED: Severity.CRITICAL,
    Kind.CONFIG_INVALID: Severity.CRITICAL,
    Kind.AUDIT_CHAIN_BROKEN: Severity.CRITICAL,
    Kind.SECRETS_REFUSED: Severity.CRITICAL,
    Kind.DESTINATION_PARKED: Severity.CRITICAL,
    Kind.DELIVERY_EXPIRED: Severity.CRITICAL,
    Kind.PROCESS_ESCAPED: Severity.CRITICAL,
    Kind.STORE_ERROR: Severity.CRITICAL,
    Kind.MANIFEST_DRIFT_DETECTED: Severity.NOTICE,
    Kind.PHANTOM_AGENT_DETECTED: Severity.NOTICE,
    Kind.DAEMON_UNCLEAN_RESTART: Severity.NOTICE,
    Kind.CLOCK_CHANGED: Severity.NOTICE,
    Kind.AWAY_SUMMARY: Severity.NOTICE,
    Kind.TEST: Severity.INFO,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact worth telling. ``facts`` is plain JSON data, complete enough to render a message
    from it alone, days later. ``seq`` is 0 until the store has assigned it."""

    kind: Kind
    at: int
    agent: str = ""
    schedule_id: str = ""
    seq: int = 0
    window_id: int | None = None
    attempt_id: int | None = None
    outage_id: int | None = None
    about: str | None = None
    """Fingerprint of the destination the event is about; it is never told there."""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        return SEVERITY[self.kind]


# ------------------------------------------------------------------------- messages, deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a person reads, before any service's limits and markup. Never empty."""

    key: str
    """The delivery's idempotency key: stable over retries, unique over homes."""
    kind: Kind
    severity: Severity
    at: int
    title: str
    line: str
    """One line that a person understands on a phone."""
    tail: str = ""
    """The useful end of the output; drivers keep its end when they must cut."""
    link: str | None = None
    legacy: str = ""
    """The ``message`` text of dotagent 0.1.x (contract §6.2), for plugins and hooks."""
    agent: str = ""
    schedule_id: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    tried_at: int = 0
    """When this try began; whoever sends it fills it in."""


class DeliveryState(StrEnum):
    """``pending`` and ``sending`` are unsettled; the others are terminal."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The service accepted the message. ``receipt`` is its own id for it, if it gave one;
    ``rest_ms``: how long it wants to hear no more."""

    receipt: str | None = None
    rest_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Not now. ``after_ms`` where the service said when; else the destination's backoff decides,
    and waits ``least_ms`` at least. ``arrived``: the recipients that have it already and are not
    sent it again."""

    why: str
    after_ms: int | None = None
    least_ms: int = 0
    arrived: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectMessage:
    """This message will never pass: a plainer rendering once, then a dead letter; at once where it
    is ``final``, for there is none. ``arrived`` as in ``Retry``: nobody gets it twice for another's
    refusal."""

    why: str
    final: bool = False
    arrived: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectDestination:
    """The channel itself is dead: park it and announce it elsewhere."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsupported:
    """This machine cannot send by this driver at all."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """The answer never came: the message may have arrived, and a retry may repeat it."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Deliberately not sent (rate limit and the like): counts as success, with its reason."""

    why: str


Outcome = Sent | Retry | RejectMessage | RejectDestination | Unsupported | Unknown | Skipped


# ------------------------------------------------------------------------------------- problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a file a person wrote: where, what was found, what is allowed.

    ``path`` is the key path as a person would write it (``schedules[0].hours[2]``), empty for
    the whole file. ``fatal`` is false for warnings (unknown keys and the like)."""

    path: str
    message: str
    line: int | None = None
    hint: str | None = None
    """The nearest right name, or the command that mends it."""
    fatal: bool = True
    file: str = ""
