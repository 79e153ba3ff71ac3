"""``[[schedules]]`` and ``[defaults]``: when an agent runs, and how often it is tried.

Decides what the old and new names of one thing mean together. Invariant: exactly one key, or the
list keys of ``type = "cron"``, say when a schedule runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from dotagent.core.duration import DAY_MS, LONGEST_MS, MINUTE_MS
from dotagent.core.duration import text as span_text
from dotagent.core.problems import Findings, child, quoted
from dotagent.core.shapes import Clock, Identifier, Second, Span, Text, Units, Whole
from dotagent.core.slug import slug
from dotagent.core.structure import salvage
from dotagent.core.toml import Tables
from dotagent.core.when import (
    Calendar,
    CronProblem,
    Every,
    When,
    known_zone,
    never_fires,
    parse_cron,
)

MAX_ATTEMPTS = 3
MOST_ATTEMPTS = 1_000
"""What is beyond is cut here: nothing is tried for ever, whatever a manifest says."""
LONGEST_BACKOFF_MS = 7 * DAY_MS
BACKOFF_MS = (5 * MINUTE_MS, 15 * MINUTE_MS, 30 * MINUTE_MS)
STALE_AFTER_MS = 120 * MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One ``[[schedules]]`` entry. ``stale_is_default``: neither it nor ``[defaults]`` says when a
    window is stale. ``backoff_ms``: waits between attempts, the last repeats; empty for none.
    ``written``: its *when* as the manifest says it, for people."""

    id: str
    when: When
    written: str = field(default="", compare=False)
    args: tuple[str, ...] = ()
    slug: str = "default"
    max_attempts: int = MAX_ATTEMPTS
    backoff_ms: tuple[int, ...] = BACKOFF_MS
    stale_after_ms: int = STALE_AFTER_MS
    stale_is_default: bool = True
    catch_up: Literal["last", "none"] = "last"
    overlap: Literal["skip", "queue"] = "skip"


# --------------------------------------------------------------------------------- as written


@dataclass(frozen=True, slots=True, kw_only=True)
class _TryKeys:
    """What ``[defaults]`` and a schedule may both say, under old and new names."""

    max_retries: Annotated[int, Whole(what="a number of attempts", low=0)] | None = None
    max_attempts: Annotated[int, Whole(what="a number of attempts", low=1)] | None = None
    retry_backoff_minutes: tuple[Annotated[int, Units(unit="minutes")], ...] | None = None
    retry_backoff: tuple[Annotated[int, Span()], ...] | None = None
    stale_after_minutes: Annotated[int, Units(unit="minutes")] | None = None
    stale_after: Second | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _ScheduleKeys(_TryKeys):
    id: Identifier
    args: tuple[Text, ...] = ()
    type: Literal["cron", "interval", "expression"] | None = None
    cron: str | None = None
    expression: str | None = None
    daily: Clock | None = None
    every: Second | None = None
    interval_minutes: Annotated[int, Units(unit="minutes", low=1)] | None = None
    weekdays: tuple[Annotated[int, Whole(what="a weekday", low=0, high=7)], ...] | None = None
    hours: tuple[Annotated[int, Whole(what="an hour", low=0, high=23)], ...] | None = None
    minute: Annotated[int, Whole(what="a minute", low=0, high=59)] | None = None
    run_at_start: bool = False
    timezone: str | None = None
    spread: Annotated[int, Span(high_ms=DAY_MS)] = 0
    catch_up: Literal["last", "none"] = "last"
    overlap: Literal["skip", "queue"] = "skip"


_SYNONYMS = (
    ("max_retries", "max_attempts"),
    ("retry_backoff_minutes", "retry_backoff"),
    ("stale_after_minutes", "stale_after"),
)


# ------------------------------------------------------------------------------------ policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """How often and how long a window is tried, as far as one table says."""

    max_attempts: int | None = None
    backoff_ms: tuple[int, ...] | None = None
    stale_after_ms: int | None = None


def read_defaults(table: Mapping[str, Any], findings: Findings) -> Tries:
    """``[defaults]``."""
    _refuse_synonyms(table, "defaults", findings)
    return _tries(salvage(table, _TryKeys, "defaults", findings), "defaults", findings)


def _tries(keys: _TryKeys, path: str, findings: Findings) -> Tries:
    """Cut to the hard limits, with a word: dotagent 0.1.x takes any number."""
    attempts = keys.max_attempts
    if attempts is None and keys.max_retries is not None:
        attempts = max(keys.max_retries, 1)
    if attempts is not None and attempts > MOST_ATTEMPTS:
        name = "max_attempts" if keys.max_attempts is not None else "max_retries"
        findings.warn(child(path, name), f"more than {MOST_ATTEMPTS:,} attempts are never made")
        attempts = MOST_ATTEMPTS
    stale = keys.stale_after
    if stale is None and keys.stale_after_minutes is not None:
        # 0.1.x counts whole minutes and calls stale what is later than this many: 0 is one minute.
        stale = max(keys.stale_after_minutes, MINUTE_MS)
    backoff = keys.retry_backoff if keys.retry_backoff is not None else keys.retry_backoff_minutes
    if backoff is not None and any(wait > LONGEST_BACKOFF_MS for wait in backoff):
        name = "retry_backoff" if keys.retry_backoff is not None else "retry_backoff_minutes"
        findings.warn(child(path, name), f"no wait is longer than {span_text(LONGEST_BACKOFF_MS)}")
        backoff = tuple(min(wait, LONGEST_BACKOFF_MS) for wait in backoff)
    return Tries(max_attempts=attempts, backoff_ms=backoff, stale_after_ms=stale)


def refuse_both(
    table: Mapping[str, Any], old: str, new: str, path: str, findings: Findings
) -> None:
    """Note it where the old and the new name of one setting stand in the same table."""
    if old in table and new in table:
        message = f"{new} and {old} are two names of one setting; keep one of them"
        findings.wrong(child(path, new), message)


def _refuse_synonyms(table: Mapping[str, Any], path: str, findings: Findings) -> None:
    for old, new in _SYNONYMS:
        refuse_both(table, old, new, path, findings)


# --------------------------------------------------------------------------------- schedules


def read_schedules(tables: Tables, defaults: Tries, findings: Findings) -> tuple[Schedule, ...]:
    """``[[schedules]]``; those whose *when* cannot be read are left out, and noted."""
    schedules: dict[int, Schedule] = {}
    seen: dict[str, int] = {}
    for at, table in tables.items():
        if findings.full:
            break
        path = child("schedules", at)
        schedule = _schedule(table, defaults, path, findings)
        name = table.get("id")
        if isinstance(name, str) and name:
            if name in seen:
                message = f"{quoted(name)} is also the id of schedules[{seen[name]}]"
                findings.wrong(child(path, "id"), f"{message}; each schedule needs its own")
            seen.setdefault(name, at)
        if schedule is not None:
            schedules[at] = schedule
    return tuple(schedules.values())


def _schedule(
    table: Mapping[str, Any], defaults: Tries, path: str, findings: Findings
) -> Schedule | None:
    keys = salvage(table, _ScheduleKeys, path, findings)
    _refuse_synonyms(table, path, findings)
    reading = _When(table, keys, path, findings)
    when = reading.read()
    own = _tries(keys, path, findings)
    stale = own.stale_after_ms if own.stale_after_ms is not None else defaults.stale_after_ms
    backoff = own.backoff_ms if own.backoff_ms is not None else defaults.backoff_ms
    if when is None:
        return None
    return Schedule(
        id=keys.id,
        when=when,
        written=reading.written,
        args=keys.args,
        slug=slug(keys.args),
        max_attempts=own.max_attempts or defaults.max_attempts or MAX_ATTEMPTS,
        backoff_ms=BACKOFF_MS if backoff is None else backoff,
        stale_after_ms=STALE_AFTER_MS if stale is None else stale,
        stale_is_default=stale is None,
        catch_up=keys.catch_up,
        overlap=keys.overlap,
    )


# -------------------------------------------------------------------------------------- when

_LISTS = ("weekdays", "hours", "minute")
_WAYS = ("cron", "expression", "daily", "every", "interval_minutes")
_TYPES = {
    "cron": ("cron", "expression"),
    "expression": ("expression", "cron"),
    "daily": ("cron",),
    "every": ("interval",),
    "interval_minutes": ("interval",),
    "lists": ("cron",),
}
_LEGACY = {"cron": "lists", "interval": "interval_minutes", "expression": "expression"}
_EXAMPLES = 'add one of cron = "30 8 * * *", daily = "08:30" or every = "90m"'


def _bare(value: Any) -> str:
    """A value of a manifest without the marks of TOML around it."""
    return " ".join(str(each) for each in value) if isinstance(value, list) else str(value)


class _When:
    """Reads when one schedule runs."""

    def __init__(
        self, table: Mapping[str, Any], keys: _ScheduleKeys, path: str, findings: Findings
    ) -> None:
        self.table = table
        self.keys = keys
        self.path = path
        self.findings = findings
        self.written = ""

    def read(self) -> When | None:
        """The ``When``, or None with the reasons noted."""
        way = self._way()
        keys = () if way is None else _LISTS if way == "lists" else (way,)
        self.written = ", ".join(
            f"{key} {_bare(self.table[key])}" for key in keys if key in self.table
        )
        if way in ("every", "interval_minutes"):
            return self._interval(self.keys.every or self.keys.interval_minutes)
        if self.keys.run_at_start:
            self._warn("run_at_start", "only means something with every or interval_minutes")
        return self._calendar(way) if way is not None else None

    def _way(self) -> str | None:
        """Which key, or ``lists``, says when; None if none or several do."""
        ways = [key for key in _WAYS if key in self.table]
        if any(key in self.table for key in _LISTS):
            ways.append("lists")
        kind = self.keys.type
        if kind is not None and len(ways) > 1:
            ways = self._as_before(kind, ways)
        if len(ways) > 1:
            first, second = (self._spelled(way) for way in ways[:2])
            self._wrong(second, f"{first} and {second} both say when it runs; keep one of them")
            return None
        if not ways:
            return self._implied(kind)
        if kind is not None and kind not in _TYPES[ways[0]]:
            message = f'type = "{kind}" does not go with {self._spelled(ways[0])}'
            hint = f'leave type out, or write type = "{_TYPES[ways[0]][0]}"'
            self.findings.wrong(child(self.path, "type"), message, hint)
            return None
        return ways[0]

    def _as_before(self, kind: str, ways: list[str]) -> list[str]:
        """dotagent 0.1.x looks only at the keys of the ``type``: a manifest in which keys of
        another type were left behind keeps its meaning, with a warning."""
        own = _LEGACY[kind]
        if own not in ways or not set(ways) <= set(_LEGACY.values()):
            return ways
        for way in ways:
            if way != own:
                self._warn(self._spelled(way), f'means nothing with type = "{kind}"; ignored')
        return [own]

    def _implied(self, kind: str | None) -> str | None:
        if kind == "cron":
            return "lists"
        if kind == "interval":
            self._wrong("interval_minutes", 'missing; type = "interval" needs it, or every')
        elif kind == "expression":
            self._wrong("expression", 'missing; type = "expression" needs it')
        elif "type" not in self.table:
            self.findings.wrong(self.path, "nothing says when it runs", _EXAMPLES)
        return None

    def _interval(self, every_ms: int | None) -> When | None:
        if "timezone" in self.table:
            self._warn("timezone", "means nothing for an interval; ignored")
        if every_ms is None:
            return None
        if self.keys.spread and self.keys.spread >= every_ms:
            self._wrong("spread", f"must be shorter than the interval of {span_text(every_ms)}")
            return None
        return Every(
            every_ms=min(every_ms, LONGEST_MS),
            run_at_start=self.keys.run_at_start,
            spread_ms=self.keys.spread,
        )

    def _calendar(self, way: str) -> When | None:
        zone = self.keys.timezone
        if zone is not None and not known_zone(zone):
            self._wrong(
                "timezone",
                f"{quoted(zone)} is not the name of a time zone we know",
                'write an IANA name, such as timezone = "Europe/Berlin"',
            )
        expression = self._expression(way)
        if expression is None:
            return None
        return Calendar(expression=expression, timezone=zone, spread_ms=self.keys.spread)

    def _expression(self, way: str) -> str | None:
        if way == "lists":
            return self._from_lists()
        if way == "daily":
            at = self.keys.daily
            return None if at is None else self._parsed(way, f"{at % 60} {at // 60} * * *")
        text = self.keys.cron if way == "cron" else self.keys.expression
        return None if text is None else self._parsed(way, text)

    def _from_lists(self) -> str | None:
        keys = self.keys
        hours = self._list("hours", keys.hours, "hour")
        days = None if keys.weekdays is None else tuple(day % 7 for day in keys.weekdays)
        weekdays = self._list("weekdays", days, "day")
        minute = 0 if "minute" not in self.table else keys.minute
        if hours is None or weekdays is None or minute is None:
            return None
        return self._parsed("hours", f"{minute} {hours} * * {weekdays}")

    def _list(self, key: str, values: tuple[int, ...] | None, each: str) -> str | None:
        if key not in self.table:
            return "*"
        if values == ():
            message = "an empty list never matches, so this schedule would never run"
            self._wrong(key, message, f"leave {key} out for every {each}")
        return ",".join(str(value) for value in sorted(set(values or ()))) or None

    def _parsed(self, key: str, text: str) -> str | None:
        parsed = parse_cron(text)
        if isinstance(parsed, CronProblem):
            self._wrong(key, f"{quoted(text)}, character {parsed.position + 1}: {parsed.message}")
            return None
        if never_fires(parsed):
            self._wrong(key, f"{quoted(text)} never comes: no such date exists")
            return None
        return parsed

    def _spelled(self, way: str) -> str:
        if way != "lists":
            return way
        return next(key for key in _LISTS if key in self.table)

    def _wrong(self, key: str, message: str, hint: str | None = None) -> None:
        self.findings.wrong(child(self.path, key), message, hint)

    def _warn(self, key: str, message: str) -> None:
        self.findings.warn(child(self.path, key), message)
