"""When a schedule wants to run: the two records, five-field cron texts, and the stored definition.

Nothing here looks at an instant: which instants a schedule has is ``schedule``'s business.

Invariants: ``parse_cron`` gives the same text for expressions that always fire together, and that
text parses to itself; ``from_definition(definition(x))`` says *when* exactly as ``x`` does.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

# ------------------------------------------------------------------------------------- records


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """An interval grid: one instant each ``every_ms`` after the moment it is anchored at.

    ``run_at_start`` asks for one more, the anchor itself. ``spread_ms`` shifts the grid by a
    stable part of it. Raises ``ValueError`` for an interval or a spread that makes no grid.
    """

    every_ms: int
    run_at_start: bool = False
    spread_ms: int = 0

    def __post_init__(self) -> None:
        if self.every_ms < 1 or self.spread_ms < 0:
            raise ValueError("an interval is at least 1 ms and a spread at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Wall-clock times: ``expression`` as ``parse_cron`` gives it, in ``timezone`` (an IANA name)
    or, without one, in the machine's zone. ``spread_ms`` as for ``Every``.
    """

    expression: str
    timezone: str | None = None
    spread_ms: int = 0

    def __post_init__(self) -> None:
        if self.spread_ms < 0:
            raise ValueError("a spread is at least 0")


When = Every | Calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class CronProblem:
    """Why a text is no cron expression. ``position`` is the 0-based column it happens at."""

    position: int
    message: str


# --------------------------------------------------------------------------------------- zones

# Names that the zone folder may hold and that are no IANA zones: the machine's own choice, the
# "not set" zone, and the copies that count leap seconds (PEP 615 leaves them out as well).
_NO_ZONES = re.compile(r"localtime|posixrules|Factory|(right|posix)/.*")


@cache
def zone_named(name: str) -> ZoneInfo:
    """The IANA zone of this name; raises ``LookupError`` where there is none."""
    if _NO_ZONES.fullmatch(name):
        raise LookupError(f"no such time zone: {name!r}")
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise LookupError(f"no such time zone: {name!r}") from error


def known_zone(name: str) -> bool:
    """Whether this is the IANA name of a time zone (``Europe/Berlin``; capitals matter)."""
    try:
        zone_named(name)
    except LookupError:
        return False
    return True


# ---------------------------------------------------------------------------------- definition


def definition(when: When) -> str:
    """The keys that say *when*, as canonical JSON: equal texts mean an unchanged schedule (R3).

    ``run_at_start`` is left out on purpose: it speaks of the first sight only, so that turning it
    on or off is no new schedule.
    """
    keys: dict[str, int | str] = {"spread_ms": when.spread_ms} if when.spread_ms else {}
    if isinstance(when, Every):
        keys["every_ms"] = when.every_ms
    else:
        keys["cron"] = when.expression
        if when.timezone is not None:
            keys["timezone"] = when.timezone
    return json.dumps(keys, sort_keys=True, separators=(",", ":"))


def from_definition(text: str) -> When:
    """The schedule a ``definition`` describes; raises ``ValueError`` for any other text."""
    keys = json.loads(text)
    if not isinstance(keys, dict) or len(keys.keys() & {"every_ms", "cron"}) != 1:
        raise ValueError(f"not the definition of a schedule: {text}")
    spread_ms = int(keys.get("spread_ms", 0))
    if "every_ms" in keys:
        return Every(every_ms=int(keys["every_ms"]), spread_ms=spread_ms)
    return Calendar(expression=keys["cron"], timezone=keys.get("timezone"), spread_ms=spread_ms)


# ---------------------------------------------------------------------------------------- cron


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One of the five fields: its name, what it may hold, and the names its numbers go by."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    """``names[0]`` stands for ``low``."""

    @property
    def full(self) -> frozenset[int]:
        """Every value it can have. 7 is only another name of Sunday."""
        return frozenset(range(self.low, self.high + (self.name != "weekday")))

    @property
    def allowed(self) -> str:
        words = f" or {self.names[0]}–{self.names[-1]}" if self.names else ""
        return f"allowed {self.low}–{self.high}{words}"


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_KINDS = (
    _Kind(name="minute", low=0, high=59),
    _Kind(name="hour", low=0, high=23),
    _Kind(name="day of the month", low=1, high=31),
    _Kind(name="month", low=1, high=12, names=_MONTHS),
    _Kind(name="weekday", low=0, high=7, names=_WEEKDAYS),
)

_WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

# Signs of other cron dialects, and what to write instead.
_FOREIGN = {
    "*": "'*' stands alone or before a step, as in '*/5'",
    "?": "'?' is not supported: write '*'",
    "#": "'#' (the n-th weekday of a month) is not supported in five-field cron",
    "~": "'~' (a random value) is not supported: use the key spread",
    "%": "'%' is not supported: input for the command belongs into args or a file",
    "L": "'L' (the last day) is not supported in five-field cron",
    "W": "'W' (the nearest working day) is not supported in five-field cron",
    "H": "'H' (a hashed value) is not supported: use the key spread",
    "C": "'C' is not supported in five-field cron",
}

_LONGEST_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


class _Wrong(Exception):
    """Carries a ``CronProblem`` out of the parser."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.problem = CronProblem(position=position, message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """What one field says. ``star``: it begins with ``*`` (cron's AND between the two day fields);
    ``stepped``: it holds a ``*`` or a step; ``text``: its terms in one spelling, ``*`` first.
    """

    values: frozenset[int]
    star: bool
    stepped: bool
    text: str


@lru_cache(maxsize=256)  # thousands of agents share a few expressions
def parse_cron(text: str) -> str | CronProblem:
    """The canonical five-field expression of ``text``: ``minute hour day month weekday``.

    Lists, ranges, steps, names of months and weekdays, 7 as Sunday, and the words ``@hourly
    @daily @midnight @weekly @monthly @yearly @annually`` (crontab(5)). In the hour field a ``*``
    or a step is kept apart from plain hours, since they differ when the clocks change. All that
    other dialects add (seconds, L, W, #, ?, @reboot) is a problem that says so.
    """
    try:
        return _canonical(*_fields(text))
    except _Wrong as wrong:
        return wrong.problem


def never_fires(expression: str) -> bool:
    """Whether no date ever fits a canonical expression, as in ``0 0 30 2 *``."""
    _, _, days, months, weekdays = _fields(expression)
    longest = max(_LONGEST_MONTH.get(month, 31) for month in months.values)
    return (days.star or weekdays.star) and min(days.values) > longest


def runs_every_real_hour(expression: str) -> bool:
    """Whether the hours of a canonical expression are wildcard or step hours: these run in every
    hour that really passes; plain hours name local times that come exactly once a day.
    """
    return not {"*", "/"}.isdisjoint(expression.split()[1])


def _fields(text: str) -> list[_Field]:
    spots = [(spot.start(), spot.group()) for spot in re.finditer(r"\S+", text)]
    if not spots:
        raise _Wrong(0, "empty: five fields are needed, as in '30 8 * * 1-5'")
    start, first = spots[0]
    if first.startswith("@"):
        return _fields(_word(start, first, spots))
    if re.match(r"(?i)(CRON_)?TZ=", first):
        raise _Wrong(start, "a zone is not part of the expression: use the key timezone")
    if len(spots) > len(_KINDS):
        raise _Wrong(
            spots[5][0],
            f"{len(spots)} fields: five are allowed (minute hour day month weekday); "
            "a seconds field is not supported, nor is a year field",
        )
    # A mistake in a field that is there says more than that another is missing.
    fields = [_field(kind, *spot) for kind, spot in zip(_KINDS, spots, strict=False)]
    if len(spots) < len(_KINDS):
        missing = _KINDS[len(spots)].name
        raise _Wrong(
            len(text.rstrip()),
            f"{len(spots)} of five fields: the {missing} is missing "
            "(minute hour day month weekday)",
        )
    return fields


def _word(start: int, word: str, spots: list[tuple[int, str]]) -> str:
    meaning = _WORDS.get(word.lower())
    if meaning is None:
        advice = {
            "@reboot": "@reboot is not supported: use every with run_at_start = true",
            "@every": "@every is not supported: use the key every, as in every = '90m'",
        }.get(word.lower(), f"{word} is no word of cron: allowed are {', '.join(_WORDS)}")
        raise _Wrong(start, advice)
    if len(spots) > 1:
        raise _Wrong(spots[1][0], f"nothing may follow {word}")
    return meaning


def _field(kind: _Kind, start: int, text: str) -> _Field:
    values, terms, position = set[int](), set[tuple[bool, int, int, int]](), start
    for term in text.split(","):
        low, high, step, star = _term(kind, position, term)
        values.update(range(low, high + 1, step))
        terms.add((not star, low, high, step))
        position += len(term) + 1
    if kind.name == "weekday" and 7 in values:
        values = (values - {7}) | {0}
    return _Field(
        values=frozenset(values),
        star=text.startswith("*"),
        stepped=any(not plain or step > 1 for plain, _, _, step in terms),
        text=",".join(_spelled(*term) for term in sorted(terms)),
    )


def _spelled(plain: bool, low: int, high: int, step: int) -> str:
    if not plain:
        return "*" if step == 1 else f"*/{step}"
    if low == high:
        return str(low)
    return f"{low}-{high}" if step == 1 else f"{low}-{high}/{step}"


def _term(kind: _Kind, start: int, term: str) -> tuple[int, int, int, bool]:
    """One part of a list as (low, high, step, is it a ``*``)."""
    body, slash, step_text = term.partition("/")
    low_text, dash, high_text = body.partition("-")
    if body == "*":
        low, high = kind.low, kind.high
    else:
        low = high = _number(kind, start, low_text)
        if dash:
            high = _number(kind, start + len(low_text) + 1, high_text)
            if kind.name == "weekday" and high_text.lower() == "sun":
                high = 7
            if high < low:
                raise _Wrong(start, _backward(kind, low_text, high_text, high))
    if not slash:
        return low, high, 1, body == "*"
    at = start + len(body) + 1
    step = _step(kind, at, step_text)
    if body != "*" and not dash:
        raise _Wrong(
            start, f"{kind.name} {term}: a step needs a range: write {body}-{kind.high}/{step_text}"
        )
    last = high if body == "*" else low + (high - low) // step * step
    return low, last, step if last > low else 1, body == "*"


def _backward(kind: _Kind, low: str, high: str, last: int) -> str:
    said = f"{kind.name} {low}-{high}: the range ends before it begins"
    if kind.name == "weekday" and last == 0:
        return f"{said}: at the end of a range Sunday is 7"
    return f"{said}: write {low}-{kind.high - (kind.name == 'weekday')},{kind.low}-{high}"


def _step(kind: _Kind, at: int, text: str) -> int:
    if not re.fullmatch(r"[0-9]+", text):
        raise _Wrong(at, f"{kind.name} step {text!r}: a whole number is needed after '/'")
    step = int(text[:9])
    if not 1 <= step <= kind.high:
        raise _Wrong(at, f"{kind.name} step {text[:9]}: allowed 1–{kind.high}")
    return step


def _number(kind: _Kind, at: int, text: str) -> int:
    if re.fullmatch(r"[0-9]+", text):
        value = int(text[:9])
        if not kind.low <= value <= kind.high:
            raise _Wrong(at, f"{kind.name} {text[:9]}: {kind.allowed}")
        return value
    if text.lower() in kind.names:
        return kind.names.index(text.lower()) + kind.low
    if not text:
        raise _Wrong(at, f"{kind.name}: a value is missing here ({kind.allowed})")
    if text.isalpha() and text[:3].lower() in kind.names:
        raise _Wrong(at, f"{kind.name} {text[:20]}: write {text[:3].lower()}")
    for place, sign in enumerate(text):
        if sign.upper() in _FOREIGN and not text[:place].isalpha():
            raise _Wrong(at + place, _FOREIGN[sign.upper()])
    raise _Wrong(at, f"{kind.name} {text[:20]!r}: {kind.allowed}")


# ----------------------------------------------------------------------------- canonical text


def _canonical(minute: _Field, hour: _Field, day: _Field, month: _Field, weekday: _Field) -> str:
    hours = _starred(_KINDS[1], hour) if hour.stepped else _listed(_KINDS[1], hour)
    dates = _days(day, weekday, _listed(_KINDS[3], month))
    return " ".join((_listed(_KINDS[0], minute), hours, *dates))


def _days(day: _Field, weekday: _Field, month: str) -> tuple[str, str, str]:
    """Day, month, weekday. With a star in front of either day field both must fit, else either."""
    every_day = day.values == _KINDS[2].full
    every_weekday = weekday.values == _KINDS[4].full
    either = not (day.star or weekday.star)
    if either and (every_day or every_weekday):
        return "*", month, "*"
    if either or every_day or every_weekday:
        return _listed(_KINDS[2], day), month, _listed(_KINDS[4], weekday)
    return (
        _starred(_KINDS[2], day) if day.star else _listed(_KINDS[2], day),
        month,
        _starred(_KINDS[4], weekday) if weekday.star else _listed(_KINDS[4], weekday),
    )


def _starred(kind: _Kind, field: _Field) -> str:
    """The field with its star or step kept, since there it means more than its values."""
    if field.values == kind.full:
        return "*"
    for step in range(2, kind.high + 1):
        if field.values == frozenset(sorted(kind.full)[::step]):
            return f"*/{step}"
    return field.text


def _listed(kind: _Kind, field: _Field) -> str:
    """The field as values and ranges of three or more, ``*`` for all."""
    if field.values == kind.full:
        return "*"
    values = sorted(field.values)
    breaks = [0, *(i + 1 for i, (a, b) in enumerate(pairwise(values)) if b != a + 1), len(values)]
    parts: list[str] = []
    for begin, end in pairwise(breaks):
        run = values[begin:end]
        parts += [f"{run[0]}-{run[-1]}"] if len(run) > 2 else [str(value) for value in run]
    return ",".join(parts)
