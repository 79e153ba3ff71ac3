"""Speaks with a plugin: what it is sent, and what its answer means (contract §10).

Invariants: an answer counts as success only with exit 0 and exactly one JSON object whose ``ok`` is
true; everything else ends with a reason for a person. What a plugin says is bounded and never
raises. ``End`` tells what is certain about its work, so that a sink is not run twice by accident.
"""

from __future__ import annotations

import json
import math
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from dotagent.core.compact import compact
from dotagent.core.secret import Redactor
from dotagent.ports import Speak, Spoken

ERROR_CHARS = 2_000
"""Longest ``error`` and ``suggest`` that are kept."""

REASON_CHARS = 400
"""Longest quotation of standard error inside a reason."""

STDERR_CHARS = 8_192
"""Longest end of standard error that is kept for the log."""

DEADLINE_MS: Mapping[str, int] = MappingProxyType(
    {
        "info": 10_000,
        "validate": 30_000,
        "preflight": 30_000,
        "on_success": 300_000,
        "on_failure": 15_000,
        "notifier": 15_000,
    }
)
"""How long a plugin may take, by what it is asked for, where nothing else is said."""

QUOTE_CHARS = 80
"""Longest quotation of an answer that cannot be understood."""

NO_SECRETS = Redactor(())

WINDOW = 65_536
"""How much of a text is looked at, so that a flood costs no time."""

MARGIN = 4_096
"""What is left out where the window cuts, so that half a secret of up to this length is too."""

_NOT_STARTED = (126, 127)
_UNSEEN = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)"
    r"|[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]",
    re.DOTALL,
)
"""Terminal sequences (ECMA-48 §5.4; OSC ends with BEL or ST) and control characters, but for
blanks and line breaks."""

_HALF = re.compile(r"\\u[dD][89a-fA-F]")


class PluginKind(StrEnum):
    """What a plugin is asked to be: the payload's ``kind``."""

    NOTIFY = "notify"
    PREFLIGHT = "preflight"
    SINK = "sink"


class End(StrEnum):
    """What is certain about an invocation.

    ``OK``: done. ``NOT_STARTED``: nothing happened. ``REFUSED``: the plugin itself says no, with
    ``ok = false`` or with an exit status. ``TIMED_OUT``, ``BROKEN`` (killed by a signal, or an
    answer that cannot be understood): whether it did its work is not known.
    """

    OK = "ok"
    NOT_STARTED = "not_started"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a plugin answered, and what that means."""

    end: End
    error: str | None = None
    """For a person: the plugin's own words where it has some. Always set unless ``ok``."""
    suggest: str | None = None
    """What the plugin advises to do about it."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Every other key of its JSON object, as it came: not redacted."""
    stderr: str = ""
    """The end of what it said on standard error: for the log."""
    answered: bool = field(default=True, compare=False)
    """It printed a JSON object that can be understood."""

    @property
    def ok(self) -> bool:
        """It did what it was asked."""
        return self.end is End.OK

    @property
    def invoked(self) -> bool:
        """It ran at all."""
        return self.end is not End.NOT_STARTED

    @property
    def unknown(self) -> bool:
        """It may or may not have done its work: a second try may repeat it."""
        return self.end in (End.TIMED_OUT, End.BROKEN)


async def invoke(
    speak: Speak,
    path: str,
    payload: bytes,
    env: Mapping[str, str],
    deadline_ms: int,
    *,
    verb: str = "invoke",
    redactor: Redactor = NO_SECRETS,
) -> Answer:
    """Run the plugin at ``path`` with ``payload`` on its standard input; its whole environment is
    ``env``. Never raises for what the plugin does. ``verb`` ``validate`` answers the same way.
    """
    spoken = await speak((path, verb), payload, env, deadline_ms)
    return answer(spoken, deadline_ms=deadline_ms, redactor=redactor)


def payload(
    *,
    kind: PluginKind,
    agent: str,
    schedule: str,
    event: str,
    message: str | None,
    config: Any = None,
    extra: Mapping[str, Any] = MappingProxyType({}),
) -> bytes:
    """The JSON object of contract §10, compact, its six keys first and in order, then ``extra``.

    ``config`` is any TOML value; its tables are sent with sorted keys. Raises ValueError where
    ``extra`` would change one of the six.
    """
    six = {
        "kind": str(kind),
        "agent": agent,
        "schedule": schedule,
        "event": event,
        "message": message,
        "config": _plain(config),
    }
    if clash := six.keys() & extra.keys():
        raise ValueError(f"additive fields may not replace {', '.join(sorted(clash))}")
    said = {**six, **{key: _plain(value) for key, value in extra.items()}}
    # A lone surrogate (an undecodable byte of a file name) is no UTF-8; it goes out as "?".
    return compact(said).encode("utf-8", "replace")


def config_json(config: Any) -> bytes:
    """A configuration alone, as ``validate`` is given it."""
    return compact(_plain(config)).encode("utf-8", "replace")


def answer(
    spoken: Spoken, *, deadline_ms: int | None = None, redactor: Redactor = NO_SECRETS
) -> Answer:
    """What ``spoken`` means. ``redactor`` works before anything is cut, for half a secret would
    not be recognised any more.

    1. The JSON object is read whatever the exit status: its ``error`` and ``suggest`` are kept.
    2. Past its deadline: ``TIMED_OUT``. 3. Nothing said and status 126 or 127: ``NOT_STARTED``.
    4. ``ok = false``: ``REFUSED``. 5. A signal, or ``ok = true`` against its own exit status:
    ``BROKEN``. 6. Any other status above 0: ``REFUSED``. 7. An answer that cannot be understood:
    ``BROKEN``. 8. ``OK``.
    """
    said, problem = read_object(spoken.stdout, redactor)
    problem = problem if problem is not None else _fault(said, redactor)
    is_understood = problem is None
    if problem is not None and spoken.cut:
        problem += " (it printed more than is read)"
    stderr = _last_words(spoken.stderr, redactor)
    suggest = _words(said.get("suggest"), redactor)
    error = _words(said.get("error"), redactor)
    end = _end(spoken, said, problem)
    if end is not End.OK:
        error = _reason(end, spoken, error or problem, stderr, deadline_ms)
    used = {"ok", "error"} if suggest is None else {"ok", "error", "suggest"}
    return Answer(
        end=end,
        error=error,
        suggest=suggest,
        fields={key: value for key, value in said.items() if key not in used},
        stderr=stderr,
        answered=is_understood,
    )


def _end(spoken: Spoken, said: Mapping[str, Any], problem: str | None) -> End:
    ok = said.get("ok")
    if spoken.timed_out:
        return End.TIMED_OUT
    if spoken.exit_code in _NOT_STARTED and not spoken.stdout.strip():
        return End.NOT_STARTED
    if ok is False:
        return End.REFUSED
    if spoken.exit_code < 0 or (spoken.exit_code > 0 and ok is True):
        return End.BROKEN
    if spoken.exit_code > 0:
        return End.REFUSED
    return End.OK if problem is None else End.BROKEN


def _reason(end: End, spoken: Spoken, why: str | None, stderr: str, deadline_ms: int | None) -> str:
    """Why it did not work, in one piece: its own words, its status, the end of what it said."""
    status = f"exit {spoken.exit_code}" if spoken.exit_code >= 0 else _signal(-spoken.exit_code)
    if end is End.TIMED_OUT:
        within = "in time" if deadline_ms is None else f"within {deadline_ms / 1_000:g} s"
        text = f"it did not finish {within} and was stopped"
    elif end is End.NOT_STARTED:
        text = f"it could not be started ({status})"
    elif end is End.REFUSED:
        text = why or "it said no and gave no reason"
    else:
        text = why or "it ended badly after it had answered that all is well"
    if spoken.exit_code and end in (End.REFUSED, End.BROKEN):
        text += f" ({status})"
    if spoken.exit_code and stderr and stderr not in text:
        text += f": {_tail(' '.join(stderr.split()), REASON_CHARS)}"
    return _head(text, ERROR_CHARS + REASON_CHARS)


def _signal(number: int) -> str:
    try:
        return f"killed by {signal.Signals(number).name}"
    except ValueError:
        return f"killed by signal {number}"


def read_object(stdout: bytes, redactor: Redactor) -> tuple[Mapping[str, Any], str | None]:
    """The JSON object it printed (empty if it printed none), and what is wrong with that."""
    try:
        text = stdout.decode("utf-8").strip(" \t\r\n")
    except UnicodeDecodeError:
        return {}, "its answer is not UTF-8"
    if not text:
        return {}, "it gave no answer"
    try:
        said, stop = _DECODER.raw_decode(text)
        if _HALF.search(text):  # JSON can spell half a character, which can be stored nowhere
            compact(said).encode("utf-8")
    except ValueError:
        return {}, f"its answer is not JSON: {quote(text, redactor)}"
    except RecursionError:
        return {}, "its answer is JSON that is nested too deep"
    if not isinstance(said, dict):
        return {}, f"its answer is not a JSON object: {quote(text, redactor)}"
    if stop < len(text):
        then = quote(text[stop:], redactor)
        return {}, f"it printed more than one JSON object: then came {then}"
    return said, None


def _fault(said: Mapping[str, Any], redactor: Redactor) -> str | None:
    if "ok" not in said:
        return 'its answer has no "ok"'
    if not isinstance(said["ok"], bool):
        return f'"ok" in its answer is {_value(said["ok"], redactor)}, not true or false'
    if not isinstance(said.get("error"), str | None):
        return f'"error" in its answer is {_value(said["error"], redactor)}, not text'
    return None


def _value(value: Any, redactor: Redactor) -> str:
    return quote(f'"{value}"' if isinstance(value, str) else compact(value), redactor)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _words(value: Any, redactor: Redactor) -> str | None:
    """What a plugin says to a person; None if it is no text or blank."""
    return _clip(value, ERROR_CHARS, redactor) or None if isinstance(value, str) else None


def quote(text: str, redactor: Redactor) -> str:
    """The head of a text that a plugin printed, on one line, safe to show."""
    return " ".join(_clip(text, QUOTE_CHARS, redactor).split())


def _clip(text: str, limit: int, redactor: Redactor) -> str:
    shown = _shown(text[:WINDOW], redactor)
    if len(text) > WINDOW:
        shown = shown[:-MARGIN]
    return _head(_printable(shown[: 2 * limit]), limit)


def _last_words(stderr: bytes, redactor: Redactor) -> str:
    shown = _shown(stderr[-WINDOW:].decode("utf-8", "replace"), redactor)
    if len(stderr) > WINDOW:
        shown = shown[MARGIN:]
    return _printable(shown[-STDERR_CHARS:])


def _shown(text: str, redactor: Redactor) -> str:
    """``text`` as a terminal would show it, without secrets: redacted again at the end, for one
    with a colour in its middle is found only then.
    """
    return redactor.heard(_UNSEEN.sub("", redactor.text(text)))


def _printable(text: str) -> str:
    """``text`` with nothing but characters that can be seen, blanks and line breaks. Takes time
    for each character: cut first.
    """
    kept = ("".join(c for c in line if c.isprintable() or c == "\t") for line in text.splitlines())
    return "\n".join(kept).strip()


def _head(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _tail(text: str, limit: int) -> str:
    return text if len(text) <= limit else "…" + text[1 - limit :]


def _plain(value: Any) -> Any:
    """``value`` as the JSON that dotagent 0.1.x makes of TOML (contract §2.4)."""
    if isinstance(value, Mapping):
        return {key: _plain(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, date | time):
        return {"$__toml_private_datetime": _toml_time(value)}
    return value


def _toml_time(value: date | time) -> str:
    """``value`` as TOML writes it: ``Z`` for UTC, no zeros at the end of a fraction."""
    text = value.isoformat()
    if isinstance(value, datetime) and text.endswith("+00:00"):
        text = text.removesuffix("+00:00") + "Z"
    return re.sub(r"(\.\d*?)0+(?=\D|$)", r"\1", text)
