"""Where the outside enters: a Protocol for each thing that is real here and scripted in tests.

Invariant: a port speaks in the records of ``core`` and in plain data; it never leaks the library
behind it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from dotagent.core.model import Ended, Message, NotStarted, Outcome
from dotagent.core.secret import Redactor

if TYPE_CHECKING:
    import socket
    import ssl

T = TypeVar("T")

# ------------------------------------------------------------------------------------------ time


class Clock(Protocol):
    """The wall clock (for everything that is stored) and a monotonic one (for durations)."""

    def now(self) -> int:
        """Milliseconds since the Unix epoch."""

    def monotonic(self) -> int:
        """Milliseconds since some moment; never steps."""

    async def sleep_until(self, at: int) -> None:
        """Return when the wall clock reaches ``at``, or earlier if it may have been stepped."""

    def watch(self, on_step: Callable[[], None]) -> None:
        """From now on call this when the wall clock may have been stepped: whoever was not asleep
        just then would sleep on until a time that it has left."""


# ------------------------------------------------------------------------------------- processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One attempt's process, completely described: nothing is looked up after this."""

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    marker: str
    """Value of ``AGENT_ATTEMPT_ID`` in ``env``; finds the survivors of a crash."""
    timeout_ms: int
    grace_ms: int = 5_000
    """From TERM to KILL."""
    drain_ms: int = 2_000
    """How long a dead leader's leftovers may hold the pipes."""
    tail_lines: int = 500
    tail_bytes: int = 65_536
    log_path: str | None = None
    log_header: str = ""
    log_name: str = ""
    """How the log names this attempt where another one of the agent wrote in between."""
    log_max_bytes: int = 50 * 1024 * 1024
    """Of output of this attempt, and of one piece of the log."""
    log_zone: tzinfo = UTC
    """A log begins anew with each of this zone's days."""
    result_path: str | None = None
    tee: tuple[str, str] | None = None
    """Files that also receive stdout and stderr as they come (for a person who watches)."""
    output_path: str | None = None
    """A file that also receives stdout, for the plugins that are told of this attempt."""
    redactor: Redactor = field(default_factory=lambda: Redactor(()))


class Child(Protocol):
    """A started attempt."""

    pid: int
    started_ticks: int
    """Start time from ``/proc/<pid>/stat`` (field 22; 0 where unknown): with the pid and the
    boot id it names one process for ever."""

    async def wait(self) -> Ended:
        """Return once the leader is reaped and its group is gone or has escaped."""

    def interrupt(self, why: str) -> None:
        """Begin TERM → grace → KILL now; ``wait`` then returns ``Interrupted(why)``."""


class Spawner(Protocol):
    """Starts attempts (``start``) and ends what a crash left behind (``reap``)."""

    async def start(self, order: Order) -> Child | NotStarted:
        """Start in a new session and process group; ``NotStarted`` says why it could not."""

    async def reap(self, marker: str, pid: int | None, started_ticks: int | None) -> bool:
        """Kill the processes of an attempt of a dead daemon and wait until they are gone. True if
        none is left; false if one could not be killed."""

    def writes_to(self, log_path: str) -> bool:
        """Whether an attempt under way may still write to this log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What a short-lived helper program (plugin, ``op``) did: its status and all it said."""

    exit_code: int
    """0–255; ``-n`` for signal n; 127 or 126 if it could not be started."""
    stdout: bytes
    stderr: bytes
    timed_out: bool = False
    cut: bool = False
    """It said more than the cap; the rest was dropped."""


Speak = Callable[[Sequence[str], bytes, Mapping[str, str] | None, int], Awaitable[Spoken]]
"""``await speak(argv, stdin, env, deadline_ms)``: run a helper in its own process group, write and
read concurrently under one deadline, kill the group at its end. Never raises for what it does."""


Ping = Callable[[str, int], Awaitable[str | None]]
"""``await ping(url, timeout_ms)``: ask an address for nothing but to be heard. Why that failed, or
None. Never raises, and never says the address."""


# ---------------------------------------------------------------------------------------- drivers


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request, byte-exact. The kit has checked that its header values can be sent."""

    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    method: str = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back: header names in lower case; at most the kit's cap of the body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a destination may be asked: ``burst`` messages at once, then one ``every_ms``; at most
    ``parallel`` in flight. ``every_ms = 0`` means as fast as it answers."""

    burst: int = 1
    every_ms: int = 0
    parallel: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a D-Bus call brought: the unique name of who answered, and values or an error's name."""

    sender: str = ""
    body: tuple[Any, ...] = ()
    error: str | None = None


class Bus(Protocol):
    """The desktop's session bus, for one send."""

    async def call(
        self, name: str, path: str, member: str, signature: str = "", *arguments: Any
    ) -> Reply:
        """Call ``name.member`` of the object ``path`` at ``name``, whose interface has its name."""


class Cocoa(Protocol):
    """Objective-C, a message at a time."""

    def __call__(
        self, receiver: Any, selector: str, *arguments: Any, answers: bool = True
    ) -> Any | None:
        """Send ``selector`` to an object, or to a class by its name; what it answers, if
        ``answers``. Raises only the kit's ``Undelivered``, where there is no Cocoa."""


class Tools(Protocol):
    """All that a driver which is not plain HTTP may touch. What it offers raises only the kit's
    ``Undelivered``."""

    clock: Clock
    speak: Speak
    attempt_env: Mapping[str, str]
    platform: str
    """``sys.platform``."""
    cocoa: Cocoa
    timeout_ms: int
    """The total deadline of this send."""
    plain: bool
    """True for the plainer rendering after a ``RejectMessage``."""
    previous: str | None
    """The receipt of what this notifier was last sent about the same schedule."""
    arrived: Callable[[str], bool]
    """Whether this recipient has this very message already, by an earlier try."""
    own_way: str
    """Which keys the notifier has that only this kit obeys: ``proxy``, ``ca_file``, or both."""

    async def http(self, request: Request) -> Response:
        """Perform one request inside the send's deadline."""

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connected socket, through the notifier's proxy if it has one; whoever asks for it
        closes it."""

    def trust(self) -> ssl.SSLContext:
        """Whom to trust: the notifier's ``ca_file``, else what the machine trusts."""

    def bus(self) -> AbstractAsyncContextManager[Bus]:
        """The session bus, connected."""

    async def aside(self, work: Callable[[], T]) -> T:
        """Do blocking work in a thread of its own. At the deadline it is left to itself."""

    def handing_over(self) -> None:
        """From here on the message may have arrived, should no answer come. Without this word a
        deadline that passes on a connection of ``connect`` or ``bus`` is a plain retry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A delivery ready to go out: the message, and the notifier it goes to, secrets resolved."""

    driver: str
    settings: Mapping[str, Any] = field(repr=False)
    message: Message
    timeout_ms: int = 10_000
    proxy: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Secret values that must appear in no outcome and no log."""
    hidden: Callable[[], Iterable[str]] = field(default=tuple, repr=False)
    """Further ones, of all that the home keeps; found only where something is said."""
    withheld: str = ""
    """Why what a plugin says cannot be passed on, for not all that is secret is known."""
    env: Mapping[str, str] | None = field(default=None, repr=False)
    """What a plugin inherits, where that is less than everybody's."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What a plugin is told besides (product §8)."""
    plain: bool = False
    """True for the plainer rendering after a ``RejectMessage``."""
    previous: str | None = None
    """The receipt of what this notifier was last sent about the same schedule, for drivers that
    put the new in the place of the old."""
    arrived: Callable[[str], bool] = field(default=lambda recipient: False, repr=False)
    """Whether an earlier try brought it to this one of several recipients."""


class Sender(Protocol):
    """Sends one parcel by its driver: never raises, always says what to do next."""

    async def send(self, parcel: Parcel) -> Outcome:
        """One try, inside the parcel's total deadline."""
