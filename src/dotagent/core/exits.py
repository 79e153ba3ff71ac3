"""How an exit reads: in words, as dotagent 0.1.x's number, as a command's exit status, as JSON."""

from __future__ import annotations

import signal
from typing import Any

from dotagent.core.duration import human
from dotagent.core.model import (
    Blocked,
    Exit,
    Exited,
    Interrupted,
    Lost,
    NotStarted,
    Signaled,
    TimedOut,
    Unproved,
)

_KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (Exited, Signaled, TimedOut, Blocked, NotStarted, Unproved, Interrupted, Lost)
}

TIMEOUT_CODE = 124
LOST_CODE = -1
BLOCKED_STATUS = 75
"""EX_TEMPFAIL of sysexits.h: not now."""


def to_data(exit: Exit) -> dict[str, Any]:
    """Plain JSON data, read back by ``from_data``."""
    return {"is": type(exit).__name__, **{name: getattr(exit, name) for name in exit.__slots__}}


def from_data(data: dict[str, Any]) -> Exit:
    """The exit that ``to_data`` wrote."""
    fields = dict(data)
    made: Exit = _KINDS[fields.pop("is")](**fields)
    return made


def words(exit: Exit) -> str:
    """The exit as part of a sentence: ``exit 1``, ``killed by SIGSEGV``."""
    match exit:
        case Exited(code=code):
            return f"exit {code}"
        case Signaled(number=number):
            return f"killed by {_signal_name(number)}"
        case TimedOut(after_ms=after):
            return f"timed out after {human(after)}"
        case Blocked(by=by, why=why):
            return f"blocked by preflight {by}: {why}" if why else f"blocked by preflight {by}"
        case NotStarted(why=why):
            return f"could not start: {why}"
        case Unproved(why=why, code=code):
            return f"exit {code}, but {why}"
        case Interrupted(why=why, by=by):
            return f"stopped by {by}{f': {why}' if why else ''}" if by else f"interrupted: {why}"
        case Lost(why=why):
            return f"lost: {why}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def legacy_code(exit: Exit) -> int:
    """dotagent 0.1.x's number for it (contract §5): −1 for a signal and for what never ran."""
    match exit:
        case Exited(code=code) | NotStarted(code=code) | Unproved(code=code):
            return code
        case TimedOut():
            return TIMEOUT_CODE
        case _:
            return LOST_CODE


def status(exit: Exit) -> int:
    """What ``run`` and ``run-now`` exit with for an attempt that did not succeed (product §9)."""
    match exit:
        case Exited(code=code) | NotStarted(code=code) | Unproved(code=code):
            return code or 1
        case TimedOut():
            return TIMEOUT_CODE
        case Signaled(number=number):
            return 128 + number
        case Blocked():
            return BLOCKED_STATUS
        case _:
            return 1
