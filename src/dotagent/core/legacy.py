"""The state of a dotagent 0.1.x home: what its files say (contract §4), and what becomes of it.

Pure: bytes in, facts out; facts and the time in, a decision out. Invariants: what 0.1.x has told is
not told again; what it still owed (the next try of an open window, a run that fell due while nobody
was there and that is not too late) stays owed; a file that is no such file is ``Malformed``, which
says what is wrong and never what the file holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from dotagent.core import health
from dotagent.core.heartbeat import LAST_SECOND, Malformed
from dotagent.core.model import WindowState
from dotagent.core.planning import started_by

T = TypeVar("T")

MOST_ATTEMPTS = 10_000
BY = "dotagent 0.1.x"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What a heartbeat file says of a schedule's last run."""

    started_at: int
    finished_at: int | None = None
    exit_code: int | None = None
    last_success_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window file."""

    agent: str
    schedule: str
    expected_at: int
    attempts: int = 0
    last_attempt_at: int | None = None
    last_exit: int | None = None
    last_stderr: str = ""
    given_up_at: int | None = None
    """When it was given up; None: it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One agent of known_manifests.json."""

    path: str
    sha256: str
    first_seen_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """All that 0.1.x left in a home. ``beats`` and ``windows`` by (agent, schedule); ``sent``: when
    an iMessage last went there, by fingerprint; ``stray``: agents that lie where nobody looks any
    more; ``bad``: files that could not be read, and why."""

    known: Mapping[str, Known] = field(default_factory=dict)
    beats: Mapping[tuple[str, str], Beat] = field(default_factory=dict)
    windows: Mapping[tuple[str, str], Window] = field(default_factory=dict)
    sent: Mapping[str, int] = field(default_factory=dict)
    stray: Sequence[tuple[str, str]] = ()
    bad: Sequence[str] = ()


NOTHING = Left()


def is_daemon(argv: Sequence[str]) -> bool:
    """Whether this command line is that of a daemon of 0.1.x: a program of its own, which ours,
    run by an interpreter, never is."""
    return bool(argv) and argv[0].rpartition("/")[2] == "dotagent" and "daemon" in argv[1:]


# ---------------------------------------------------------------------------------- the files


def beat(data: bytes) -> Beat:
    """A heartbeat file."""
    content = _object(data)
    return Beat(
        started_at=_must(_instant(content, "started_at"), "started_at"),
        finished_at=_instant(content, "finished_at"),
        exit_code=_number(content, "exit_code"),
        last_success_at=_instant(content, "last_success_at"),
    )


def window(data: bytes) -> Window:
    """A window file."""
    content = _object(data)
    agent, schedule = _text(content, "agent"), _text(content, "schedule_id")
    expected_at = _must(_instant(content, "expected_at"), "expected_at")
    given_up_at = _instant(content, "given_up_at")
    if content.get("given_up") is not True:
        given_up_at = None
    elif given_up_at is None:
        given_up_at = expected_at
    return Window(
        agent=agent,
        schedule=schedule,
        expected_at=expected_at,
        attempts=min(max(_number(content, "attempts") or 0, 0), MOST_ATTEMPTS),
        last_attempt_at=_instant(content, "last_attempt_at"),
        last_exit=_number(content, "last_attempt_exit_code"),
        last_stderr=_text(content, "last_attempt_stderr", ""),
        given_up_at=given_up_at,
    )


def known(data: bytes) -> dict[str, Known]:
    """known_manifests.json."""
    entries = _object(data).get("entries")
    if not isinstance(entries, dict):
        raise Malformed("'entries' is missing or of another type")
    found = {}
    for name, entry in entries.items():
        if not isinstance(entry, dict):
            raise Malformed("an entry is no object")
        found[name] = Known(
            path=_text(entry, "path"),
            sha256=_text(entry, "sha256"),
            first_seen_at=_of_iso(entry.get("first_seen_at_iso")),
        )
    return found


def last_send(data: bytes) -> int | None:
    """When the file of an iMessage recipient says that something was last sent."""
    return _instant(_object(data), "last_send_at")


def _object(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None
    if not isinstance(content, dict):
        raise Malformed("not a JSON object")
    return content


def _must(value: T | None, key: str) -> T:
    if value is None:
        raise Malformed(f"{key!r} is missing")
    return value


def _number(content: Mapping[str, Any], key: str) -> int | None:
    value = content.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise Malformed(f"{key!r} is no whole number")
    return value


def _instant(content: Mapping[str, Any], key: str) -> int | None:
    seconds = _number(content, key)
    if seconds is None:
        return None
    if not 0 <= seconds <= LAST_SECOND:
        raise Malformed(f"{key!r} is no time")
    return seconds * 1_000


def _text(content: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = content.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise Malformed(f"{key!r} is missing or no text")
    return value.encode(errors="replace").decode()


def _of_iso(value: object) -> int | None:
    """Of little weight: what is no time is none."""
    if not isinstance(value, str):
        return None
    try:
        stamp = datetime.fromisoformat(value)
        at = stamp.timestamp() if stamp.tzinfo is not None else -1.0
    except (ValueError, OverflowError):
        return None
    return round(at) * 1_000 if 0 <= at <= LAST_SECOND else None


# -------------------------------------------------------------------------------- the decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the manifest says of the schedule. ``is_interval``: its grid begins somewhere."""

    max_attempts: int
    backoff_ms: Sequence[int]
    stale_after_ms: int
    is_interval: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A window to be written as it stood. ``next_at``: its next try, where it still waits."""

    expected_at: int
    deadline_at: int
    state: WindowState
    reason: str
    attempts: int
    next_at: int | None = None
    closed_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a schedule goes on from. ``planned_through`` None: as if first seen. ``outage``: since
    when it fails; ``told``: that it was given up has been told."""

    planned_through: int | None
    anchor_at: int | None
    health: str
    reason: str
    row: Row | None = None
    outage_at: int | None = None
    told: bool = False


def take(beat: Beat | None, window: Window | None, rules: Rules, now: int) -> Taken | None:
    """What becomes of what 0.1.x knew of one schedule; None where that is nothing.

    Success since a window's time satisfied it, whatever the window's file says (contract §7). What
    is older than ``stale_after`` 0.1.x would have let go without a word: it is not dug up.
    """
    if window is not None and (window.expected_at > now or not window.attempts):
        window = None if window.given_up_at is None or window.expected_at > now else window
    if beat is None and window is None:
        return None
    success_at = None if beat is None else _past(beat.last_success_at, now)
    last_at = max(success_at or 0, window.expected_at if window is not None else 0)
    planned_through: int | None = max(last_at, now - started_by(0, rules.stale_after_ms))
    anchor_at = None
    if rules.is_interval:
        anchor_at = success_at if success_at is not None else last_at or None
        planned_through = None if anchor_at is None else planned_through
    if window is None or (success_at is not None and success_at >= window.expected_at):
        word, reason = _sound(beat, window, success_at)
        row = None if window is None else _done(window, success_at or window.expected_at, rules)
        return Taken(
            planned_through=planned_through,
            anchor_at=anchor_at,
            health=word,
            reason=reason,
            row=row,
        )
    row, reason = _open(window, rules, now)
    return Taken(
        planned_through=planned_through,
        anchor_at=anchor_at,
        health=health.FAILING,
        reason=reason,
        row=row,
        outage_at=window.expected_at,
        told=window.given_up_at is not None,
    )


def _past(at: int | None, now: int) -> int | None:
    """A success of the future was stamped by a wrong clock: nobody may wait for it to come."""
    return at if at is None or at <= now else now


def _sound(beat: Beat | None, window: Window | None, success_at: int | None) -> tuple[str, str]:
    if success_at is None:
        return health.NEW, ""
    if window is not None and window.attempts > 1:
        return health.DEGRADED, f"recovered on attempt {window.attempts}"
    return health.OK, ""


def _done(window: Window, closed_at: int, rules: Rules) -> Row:
    return Row(
        expected_at=window.expected_at,
        deadline_at=started_by(window.expected_at, rules.stale_after_ms),
        state=WindowState.SUCCEEDED,
        reason="",
        attempts=window.attempts,
        closed_at=closed_at,
    )


def _open(window: Window, rules: Rules, now: int) -> tuple[Row, str]:
    """A window without success: given up, too late for another try, or still waiting for one."""
    deadline_at = started_by(window.expected_at, rules.stale_after_ms)
    tried_at = window.last_attempt_at or window.expected_at
    backoff = rules.backoff_ms
    pause_ms = backoff[min(window.attempts, len(backoff)) - 1] if backoff else 0
    next_at = min(tried_at, now) + pause_ms
    tries = f"{window.attempts} attempt{'' if window.attempts == 1 else 's'}"
    closed: tuple[str, str] | None = None
    if window.given_up_at is not None:
        closed = f"given up by {BY} after {tries}", f"gave up after {tries}"
    elif max(now, next_at) > deadline_at:
        closed = f"left open by {BY} until it was too late", f"no success after {tries}"
    if closed is not None:
        why, reason = closed
        closed_at = min(window.given_up_at or deadline_at, now)
        state, next_try = WindowState.GIVEN_UP, None
    else:
        why, closed_at, state, next_try = "", None, WindowState.WAITING, next_at
        said = exit_words(window.last_exit)
        reason = f"attempt {window.attempts}: {said}; will be tried again"
    row = Row(
        expected_at=window.expected_at,
        deadline_at=deadline_at,
        state=state,
        reason=why,
        attempts=window.attempts,
        next_at=next_try,
        closed_at=closed_at,
    )
    return row, reason


def exit_words(code: int | None) -> str:
    """0.1.x's number for an exit, as part of a sentence."""
    match code:
        case None:
            return "how it ended is not known"
        case 124:
            return "timed out"
        case _ if code < 0:
            return "did not end by itself, or was not started"
        case _:
            return f"exit {code}"
