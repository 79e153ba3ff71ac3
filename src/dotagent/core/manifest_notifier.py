"""``[[notifiers]]``, of a manifest and of config.toml: who is told of what, and how.

Takes the keys that every driver shares and lets the driver's own record check the rest.
Invariants: ``settings`` holds the driver's keys as written, ``${NAME}`` unresolved; no message
repeats a setting's value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from dotagent.core import template
from dotagent.core.duration import HOUR_MS, SECOND_MS
from dotagent.core.model import AGENT_EVENTS, Kind
from dotagent.core.problems import Findings, child, nearest, one_of, quoted
from dotagent.core.shapes import (
    Clock,
    Event,
    Identifier,
    Json,
    Reminder,
    Text,
    Timeout,
    Units,
    Url,
)
from dotagent.core.structure import inspect, keys_of, salvage
from dotagent.core.toml import Tables
from dotagent.core.values import Wrong

TIMEOUT_MS = 10 * SECOND_MS
PLUGIN_TIMEOUT_MS = 15 * SECOND_MS
"""As dotagent 0.1.x gives a notifier plugin (contract §10)."""

REMIND_MS = (HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS)
"""When a global notifier speaks again of an outage, unless it says otherwise."""

Drivers = Mapping[str, type[Any] | None]
"""Driver names and the records of their keys; None where this version has no such driver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """From and to when nothing is sent: minutes after midnight, machine's zone, over midnight
    where ``to_minute`` is the smaller. ``events``: what waits; empty for the rule of product §6."""

    from_minute: int
    to_minute: int
    events: tuple[Kind, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """One ``[[notifiers]]`` entry. ``events`` empty means all; ``rate_limit_ms`` 0 means none;
    ``remind`` None means that it does not say."""

    driver: str
    id: str | None = None
    events: tuple[Kind, ...] = ()
    enabled: bool = True
    timeout_ms: int = TIMEOUT_MS
    proxy: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    rate_limit_ms: int = 0
    quiet_hours: QuietHours | None = None
    remind: tuple[int, ...] | None = None
    collapse: bool = False
    template: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)


# --------------------------------------------------------------------------------- as written


@dataclass(frozen=True, slots=True, kw_only=True)
class _QuietKeys:
    from_: Clock
    to: Clock
    events: tuple[Event, ...] = ()

    def check(self) -> Iterable[tuple[str, str]]:
        if self.from_ == self.to:
            yield "to", "the quiet hours end when they begin; make them different"


@dataclass(frozen=True, slots=True, kw_only=True)
class _CommonKeys:
    driver: str
    id: Identifier | None = None
    events: tuple[Event, ...] = ()
    enabled: bool = True
    timeout_seconds: Timeout | None = None
    proxy: Annotated[str, Url()] | None = None
    ca_file: Text | None = None
    rate_limit_minutes: Annotated[int, Units(unit="minutes")] = 0
    quiet_hours: _QuietKeys | None = None
    remind: tuple[Reminder, ...] | None = None
    collapse: bool = False
    template: str | None = None


# ------------------------------------------------------------------------------------ reading


def read_notifiers(
    tables: Tables, drivers: Drivers, findings: Findings, *, everywhere: bool
) -> tuple[Notifier, ...]:
    """All entries. ``everywhere``: they are the global ones of config.toml."""
    notifiers: list[Notifier] = []
    seen: dict[str, int] = {}
    for at, table in tables.items():
        if findings.full:
            break
        path = child("notifiers", at)
        notifier = _notifier(table, drivers, path, findings)
        if notifier.id is not None and notifier.id in seen:
            message = f"{quoted(notifier.id)} is also the id of notifiers[{seen[notifier.id]}]"
            findings.wrong(child(path, "id"), f"{message}; each id names one notifier")
        seen.setdefault(notifier.id or "", at)
        if notifier.events and not everywhere:
            _warn_of_global_events(notifier, table["events"], path, findings)
        notifiers.append(notifier)
    return tuple(notifiers)


def _notifier(
    table: Mapping[str, Any], drivers: Drivers, path: str, findings: Findings
) -> Notifier:
    shared = set(keys_of(_CommonKeys))
    own = {key: value for key, value in table.items() if key not in shared}
    common = {key: value for key, value in table.items() if key in shared}
    keys = salvage(common, _CommonKeys, path, findings)
    known = isinstance(table.get("driver"), str) and _known(keys.driver, drivers, path, findings)
    if keys.template is not None:
        _check_template(keys.template, path, findings)
    if known:
        _check_settings(keys, own, drivers, path, findings)
    default = PLUGIN_TIMEOUT_MS if keys.driver == "plugin" else TIMEOUT_MS
    return Notifier(
        driver=keys.driver,
        id=keys.id,
        events=keys.events,
        enabled=keys.enabled,
        timeout_ms=keys.timeout_seconds or default,
        proxy=keys.proxy,
        ca_file=keys.ca_file,
        rate_limit_ms=keys.rate_limit_minutes,
        quiet_hours=_quiet(keys.quiet_hours),
        remind=keys.remind,
        collapse=keys.collapse,
        template=keys.template,
        settings=_plain(own, path, findings),
    )


def _check_template(text: str, path: str, findings: Findings) -> None:
    if not text.strip():
        findings.wrong(child(path, "template"), "is empty; leave it out for our own words")
        return
    for flaw in template.check(text):
        message = f"line {flaw.line} of the template: {flaw.message}"
        findings.wrong(child(path, "template"), message, flaw.hint)


def _quiet(keys: _QuietKeys | None) -> QuietHours | None:
    if keys is None:
        return None
    return QuietHours(from_minute=keys.from_, to_minute=keys.to, events=keys.events)


def _known(driver: str, drivers: Drivers, path: str, findings: Findings) -> bool:
    if driver in drivers:
        return True
    message = f"{quoted(driver)} is not a driver; allowed: {one_of(sorted(drivers))}"
    findings.wrong(child(path, "driver"), message, nearest(driver, sorted(drivers)))
    return False


def _check_settings(
    keys: _CommonKeys, own: Mapping[str, Any], drivers: Drivers, path: str, findings: Findings
) -> None:
    driver = keys.driver
    record = drivers[driver]
    if record is None:
        message = f"this version cannot send by {quoted(driver)} yet; its messages will be marked"
        findings.warn(child(path, "driver"), f"{message} unsupported")
    else:
        inspect(own, record, path, findings, also=keys_of(_CommonKeys))
        _warn_of_unused(keys, record, path, findings)
    config = own.get("config")
    if driver == "plugin" and isinstance(config, Mapping) and "events" in config:
        findings.warn(
            child(child(path, "config"), "events"),
            "inside config this goes to the plugin and chooses no events",
            "write events above the line [notifiers.config]",
        )


def _warn_of_unused(keys: _CommonKeys, record: type[Any], path: str, findings: Findings) -> None:
    """Shared keys that are set for a driver whose record says that it has no use for them."""
    for key in getattr(record, "UNUSED", ()):
        if getattr(keys, key) is not None:
            message = f"the driver {quoted(keys.driver)} makes no use of {key}"
            findings.warn(child(path, key), message, "take the key away")


def _plain(own: Mapping[str, Any], path: str, findings: Findings) -> Mapping[str, Any]:
    settings: dict[str, Any] = {}
    for key, value in own.items():
        try:
            settings[key] = Json().take(value)
        except Wrong as wrong:
            findings.wrong(child(path, key), wrong.message, wrong.hint)
    return settings


def _warn_of_global_events(
    notifier: Notifier, written: list[Any], path: str, findings: Findings
) -> None:
    for kind in notifier.events:
        if kind is Kind.DAILY_SUMMARY or kind not in AGENT_EVENTS:
            findings.warn(
                child(child(path, "events"), written.index(kind.value)),
                f"{quoted(kind.value)} goes only to the global notifiers and the inbox",
                "name it in a [[notifiers]] of config.toml",
            )
