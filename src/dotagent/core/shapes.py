"""The kinds of values a manifest and config.toml are made of, as rules for ``structure``.

Each rule takes what TOML gives and returns what the records hold: spans in milliseconds, times of
day in minutes after midnight, events as ``Kind``, plugin configuration as plain JSON data.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Annotated, Any

from dotagent.core.duration import DAY_MS, LONGEST_MS, MINUTE_MS, SECOND_MS, parse
from dotagent.core.duration import text as span_text
from dotagent.core.model import AGENT_EVENTS, Kind
from dotagent.core.pattern import fault
from dotagent.core.problems import nearest, one_of, quoted
from dotagent.core.values import Rule, Wrong, WrongType, has_reference, refuse

LONGEST_NAME = 200
"""Bytes of a name that becomes part of a file name (255 at most, limits.h) with room for more."""

DATETIME_KEY = "$__toml_private_datetime"
"""How dotagent 0.1.x forwards a TOML date or time to a plugin (contract §2.4)."""

DEEPEST = 64
"""Levels of tables and lists in a plugin's configuration; the JSON libraries allow more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole(Rule):
    """A whole number in a range; ``what`` it is, with its article."""

    what: str
    low: int
    high: int | None = None

    def take(self, value: Any) -> int:
        if type(value) is not int:
            raise refuse(value, "a whole number")
        if value < self.low or (self.high is not None and value > self.high):
            raise Wrong(f"{_shown(value)} is not {self.what}; allowed: {self._allowed()}")
        return value

    def _allowed(self) -> str:
        return f"{self.low} or more" if self.high is None else f"{self.low}–{self.high}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Units(Rule):
    """A whole number of seconds, minutes or days, as milliseconds. What is beyond a hundred years
    means "never" and is cut there: dotagent 0.1.x takes any number."""

    unit: str
    low: int = 0

    def take(self, value: Any) -> int:
        if type(value) is not int:
            raise refuse(value, f"a whole number of {self.unit}")
        if value < self.low:
            raise Wrong(f"{_shown(value)} {self.unit} are too few; at least {self.low}")
        size = {"seconds": SECOND_MS, "minutes": MINUTE_MS, "days": DAY_MS}[self.unit]
        return min(value * size, LONGEST_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span(Rule):
    """A written span such as ``1h30m``, as milliseconds."""

    low_ms: int = 0
    high_ms: int = LONGEST_MS

    def take(self, value: Any) -> int:
        if not isinstance(value, str):
            hint = f'write "{value}s", "{value}m" or "{value}h"' if _small(value) else None
            raise WrongType(refuse(value, 'a text such as "1h30m"').message, hint)
        try:
            ms = parse(value)
        except ValueError as error:
            raise Wrong(str(error)) from None
        if ms < self.low_ms:
            raise Wrong(f"{quoted(value)} is too short; at least {span_text(self.low_ms)}")
        if ms > self.high_ms:
            raise Wrong(f"{quoted(value)} is too long; at most {span_text(self.high_ms)}")
        return ms


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOfDay(Rule):
    """A local time ``HH:MM``, as minutes after midnight."""

    def take(self, value: Any) -> int:
        if (
            isinstance(value, time)
            and value.tzinfo is None
            and not (value.second or value.microsecond)
        ):
            return value.hour * 60 + value.minute
        if not isinstance(value, str):
            raise WrongType(refuse(value, 'a text such as "08:30"').message)
        found = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", value.strip())
        if found is None or int(found[1]) > 23 or int(found[2]) > 59:
            raise Wrong(f'{quoted(value)} is not a time of day; write "HH:MM", as "08:30"')
        return int(found[1]) * 60 + int(found[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Name(Rule):
    """A name without control characters. ``file``: it becomes part of a file name."""

    file: bool = False

    def take(self, value: Any) -> str:
        if not isinstance(value, str):
            raise refuse(value, "text")
        if not value.strip():
            raise Wrong("empty; a name is needed")
        if any(_control(char) for char in value):
            raise Wrong(f"{quoted(value)} holds a control character")
        if len(value.encode()) > LONGEST_NAME:
            raise Wrong(f"{quoted(value)} is too long; at most {LONGEST_NAME} bytes")
        if self.file and (value.startswith(".") or "/" in value):
            message = f"{quoted(value)} is no file name: it must not start with . or contain /"
            raise Wrong(message)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument(Rule):
    """A text that a process can be given: the system ends it at a NUL."""

    empty: bool = True

    def take(self, value: Any) -> str:
        if not isinstance(value, str):
            raise refuse(value, "text")
        if "\0" in value:
            raise Wrong("holds a NUL character, which no process can be given")
        if not self.empty and not value.strip():
            raise Wrong("empty; it must be set")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable(Rule):
    """The name of an environment variable. ``portable``: letters, digits and _ only."""

    portable: bool = False

    def take(self, value: Any) -> str:
        if not isinstance(value, str):
            raise refuse(value, "text")
        right = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*" if self.portable else r"[^=\0]+", value)
        if right is None:
            raise Wrong(f"{quoted(value)} is not the name of an environment variable")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class EventName(Rule):
    """The name of an event."""

    def take(self, value: Any) -> Kind:
        if not isinstance(value, str):
            raise refuse(value, "text")
        names = [kind.value for kind in Kind if kind is not Kind.TEST]
        if value not in names:
            known = one_of(kind.value for kind in AGENT_EVENTS)
            message = f"{quoted(value)} is not an event; allowed: {known}"
            raise Wrong(message, nearest(value, names))
        return Kind(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern(Rule):
    """A regular expression."""

    def take(self, value: Any) -> str:
        if not isinstance(value, str):
            raise refuse(value, "text")
        why = fault(value)
        if why is not None:
            raise Wrong(f"{quoted(value)} is not a usable regular expression: {why}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Url(Rule):
    """An address that starts with one of ``schemes``. It may hold a secret, so that it is never
    repeated, or ``${NAME}``, and then it can be judged only once that is known."""

    schemes: tuple[str, ...] = ("https://", "http://")

    def take(self, value: Any) -> str:
        if not isinstance(value, str):
            raise refuse(value, "text")
        if has_reference(value):
            return value
        start = next((each for each in self.schemes if value.startswith(each)), None)
        if start is None or len(value) == len(start):
            raise Wrong(f"not an address; it starts with {one_of(self.schemes)}")
        if any(char.isspace() or _control(char) for char in value):
            raise Wrong("not an address: it holds a blank or a control character")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Json(Rule):
    """Any TOML value as JSON data: dates as 0.1.x forwards them, NaN and infinity as null."""

    def take(self, value: Any) -> Any:
        return _json(value, 0)


def _json(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise Wrong(f"nested deeper than {DEEPEST} levels")
    if isinstance(value, Mapping):
        return {key: _json(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_json(inner, depth + 1) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date | time):
        return {DATETIME_KEY: toml_text(value)}
    if isinstance(value, int) and value.bit_length() > 63:
        raise Wrong("holds a number beyond 64 bits")
    return value


def toml_text(value: date | time) -> str:
    """A TOML date, time or both, as TOML writes it: no needless zeros in the fraction."""
    text = value.isoformat()
    if isinstance(value, datetime | time) and value.microsecond:
        text = re.sub(r"(\.[0-9]*?)0+(?=$|[+-])", r"\1", text)
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def _control(char: str) -> bool:
    return ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u2028\u2029"


def _small(value: Any) -> bool:
    return type(value) is int and 0 < value < 10**9


def _shown(value: int) -> str:
    return str(value) if value.bit_length() < 64 else "a number beyond 64 bits"


Text = Annotated[str, Argument()]
Identifier = Annotated[str, Name()]
FileName = Annotated[str, Name(file=True)]
Event = Annotated[Kind, EventName()]
Regex = Annotated[str, Pattern()]
JsonData = Annotated[Any, Json()]
Clock = Annotated[int, TimeOfDay()]
Second = Annotated[int, Span(low_ms=SECOND_MS)]
"""A span of one second or more."""
Timeout = Annotated[int, Units(unit="seconds", low=1)]
Reminder = Annotated[int, Span(low_ms=MINUTE_MS)]
