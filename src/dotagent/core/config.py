"""The records of config.toml, and from its bytes to them or to all that is wrong with it.

Decides what holds for the whole home (contract §15, product §10). Invariants as for ``manifest``:
any bytes give an answer; there is a configuration exactly if no problem is fatal; an empty file,
like none, is all defaults.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Annotated, Any, Literal, TypeVar

from dotagent.core.duration import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from dotagent.core.manifest_notifier import REMIND_MS, Drivers, Notifier, read_notifiers
from dotagent.core.model import Problem
from dotagent.core.problems import Findings, child, nearest, one_of, quoted
from dotagent.core.shapes import Clock, Identifier, Span, Units, Url, Whole
from dotagent.core.structure import salvage
from dotagent.core.toml import read, table_of, tables_of, warn_of_unknown
from dotagent.core.values import Rule, Wrong, refuse

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """``[daemon]``. ``max_running`` None: the number of processors decides."""

    max_running: int | None = None
    stop_grace_ms: int = 30 * SECOND_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """``[summary]``: the daily health roll-up. ``at_minute``: after midnight, machine's zone;
    ``grace_ms``: how much later it may still go out, after sleep or downtime; ``notifiers``: the
    ids of who gets it, empty for all that ask for it."""

    enabled: bool = True
    at_minute: int = 22 * 60 + 45
    grace_ms: int = 12 * HOUR_MS
    notifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadman:
    """``[deadman]``: an address that is asked regularly, so that our own silence is heard."""

    url: str = field(repr=False)
    every_ms: int = 5 * MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """``[retention]``: how long the record keeps what has ended."""

    history_ms: int = 365 * DAY_MS
    """Windows, attempts and outages."""
    messages_ms: int = 90 * DAY_MS
    """Events, deliveries and sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """``[metrics]``: where Prometheus may ask, always this machine's own address, and the file that
    is written every ``every_ms``; None is nowhere."""

    listen: tuple[str, int] | None = None
    textfile: str | None = None
    every_ms: int = MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """``[storm]``: more than ``waiting`` messages for one destination become one."""

    waiting: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """``[logging]``: the daemon's own log, and how long logs are kept."""

    level: Literal["trace", "debug", "info", "warn", "error", "off"] = "info"
    format: Literal["json", "text"] = "json"
    retention_ms: int = 30 * DAY_MS
    per_agent_retention_ms: int = 14 * DAY_MS
    compress_after_ms: int = DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """``[telemetry]``: where traces go; ``endpoint`` None is nowhere."""

    endpoint: str | None = field(default=None, repr=False)
    protocol: Literal["grpc", "http/protobuf"] = "grpc"
    service_name: str = "dotagent"
    resource: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything config.toml says. ``secrets_file``: absolute, or None for the usual place."""

    daemon: Daemon = field(default_factory=Daemon)
    notifiers: tuple[Notifier, ...] = ()
    summary: Summary = field(default_factory=Summary)
    deadman: Deadman | None = None
    retention: Retention = field(default_factory=Retention)
    metrics: Metrics = field(default_factory=Metrics)
    storm: Storm = field(default_factory=Storm)
    logging: Logging = field(default_factory=Logging)
    telemetry: Telemetry = field(default_factory=Telemetry)
    secrets_file: str | None = None


# --------------------------------------------------------------------------------- as written

_Running = Annotated[int, Whole(what="a number of attempts", low=1, high=10_000)]
_Days = Annotated[int, Units(unit="days")]
_LEVELS = ("trace", "debug", "info", "warn", "error", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Address(Rule):
    """``HOST:PORT`` of this machine's own network, an IPv6 host in brackets."""

    def take(self, value: Any) -> tuple[str, int]:
        if not isinstance(value, str):
            raise refuse(value, "text")
        parts = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]]+)):([0-9]{1,5})", value)
        if parts is None or not 1 <= int(parts[3]) <= 65_535:
            raise Wrong(f'{quoted(value)} is not an address; write "127.0.0.1:9464"')
        host = parts[1] or parts[2]
        if not _is_loopback(host):
            raise Wrong(
                f"{quoted(value)} can be reached from outside, and the metrics name your agents;"
                ' only this machine may ask: write "127.0.0.1:9464"'
            )
        return host, int(parts[3])


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class _File(Rule):
    """An absolute path."""

    def take(self, value: Any) -> str:
        if not isinstance(value, str):
            raise refuse(value, "text")
        if not value.startswith("/") or value.endswith("/") or "\0" in value:
            raise Wrong(f"{quoted(value)} is not the absolute path of a file")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level(Rule):
    """A level of the log, or a filter as 0.1.x takes it: of that the plain level counts."""

    def take(self, value: Any) -> str:
        if not isinstance(value, str):
            raise refuse(value, "text")
        plain = [part.strip().lower() for part in value.split(",") if "=" not in part]
        level = {"warning": "warn", "": "info"}.get(plain[0], plain[0]) if plain else "info"
        if level not in _LEVELS:
            message = f"{quoted(value)} is not a level; allowed: {one_of(_LEVELS)}"
            raise Wrong(message, nearest(level, _LEVELS))
        return level


@dataclass(frozen=True, slots=True, kw_only=True)
class _DaemonKeys:
    max_running: _Running | None = None
    stop_grace: Annotated[int, Span(high_ms=HOUR_MS)] = 30 * SECOND_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class _SummaryKeys:
    enabled: bool = True
    at: Clock = 22 * 60 + 45
    grace: Annotated[int, Span(low_ms=MINUTE_MS, high_ms=23 * HOUR_MS)] = 12 * HOUR_MS
    notifiers: tuple[Identifier, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _DeadmanKeys:
    url: Annotated[str, Url()]
    every: Annotated[int, Span(low_ms=10 * SECOND_MS)] = 5 * MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class _RetentionKeys:
    history: Annotated[int, Span(low_ms=DAY_MS)] = 365 * DAY_MS
    messages: Annotated[int, Span(low_ms=DAY_MS)] = 90 * DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class _MetricsKeys:
    listen: Annotated[Any, _Address()] = None
    textfile: Annotated[Any, _File()] = None
    every: Annotated[int, Span(low_ms=5 * SECOND_MS, high_ms=HOUR_MS)] = MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class _StormKeys:
    waiting: Annotated[int, Whole(what="a number of messages", low=1)] = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _LoggingKeys:
    level: Annotated[Any, _Level()] = "info"
    format: Literal["json", "text", "compact", "pretty"] = "json"
    retention_days: _Days = 30 * DAY_MS
    per_agent_retention_days: _Days = 14 * DAY_MS
    compress_after_days: _Days = DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class _TelemetryKeys:
    otlp_endpoint: str = ""
    protocol: Literal["grpc", "http", "http/protobuf"] = "grpc"
    service_name: str = "dotagent"
    resource: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SecretsKeys:
    file: str = ""


# ------------------------------------------------------------------------------------ reading

_SECTIONS = (
    "daemon",
    "notifiers",
    "summary",
    "deadman",
    "retention",
    "metrics",
    "storm",
    "logging",
    "telemetry",
    "secrets",
)


def read_config(data: bytes, drivers: Drivers) -> tuple[Config | None, tuple[Problem, ...]]:
    """The configuration in ``data``, None if a problem is fatal; and every problem, with its line
    where that is known, in the order of the file."""
    document = read(data)
    if isinstance(document, Problem):
        return None, (document,)
    findings = Findings()
    config = _config(document.table, drivers, findings)
    return (None if findings.fatal else config), document.settle(findings.found)


def _config(root: Mapping[str, Any], drivers: Drivers, findings: Findings) -> Config:
    warn_of_unknown(root, _SECTIONS, findings)
    daemon = _section(root, "daemon", _DaemonKeys, findings)
    summary = _section(root, "summary", _SummaryKeys, findings)
    notifiers = _notifiers(root, drivers, findings)
    retention = _section(root, "retention", _RetentionKeys, findings)
    metrics = _section(root, "metrics", _MetricsKeys, findings)
    return Config(
        daemon=Daemon(max_running=daemon.max_running, stop_grace_ms=daemon.stop_grace),
        notifiers=notifiers,
        summary=_summary(summary, notifiers, findings),
        deadman=_deadman(root, findings),
        retention=Retention(history_ms=retention.history, messages_ms=retention.messages),
        metrics=Metrics(listen=metrics.listen, textfile=metrics.textfile, every_ms=metrics.every),
        storm=Storm(waiting=_section(root, "storm", _StormKeys, findings).waiting),
        logging=_logging(root, findings),
        telemetry=_telemetry(root, findings),
        secrets_file=_secrets_file(root, findings),
    )


def _section(root: Mapping[str, Any], name: str, into: type[T], findings: Findings) -> T:
    return salvage(table_of(root, name, findings) or {}, into, name, findings)


def _notifiers(
    root: Mapping[str, Any], drivers: Drivers, findings: Findings
) -> tuple[Notifier, ...]:
    tables = tables_of(root, "notifiers", findings)
    return tuple(
        replace(each, remind=REMIND_MS) if each.remind is None else each
        for each in read_notifiers(tables, drivers, findings, everywhere=True)
    )


def _summary(keys: _SummaryKeys, notifiers: tuple[Notifier, ...], findings: Findings) -> Summary:
    ids = [each.id for each in notifiers if each.id is not None]
    for at, name in enumerate(keys.notifiers):
        if name not in ids:
            message = f"{quoted(name)} is not the id of a [[notifiers]] of this file"
            path = child(child("summary", "notifiers"), at)
            findings.wrong(path, message, nearest(name, ids))
    return Summary(
        enabled=keys.enabled,
        at_minute=keys.at,
        grace_ms=keys.grace,
        notifiers=keys.notifiers,
    )


def _deadman(root: Mapping[str, Any], findings: Findings) -> Deadman | None:
    table = table_of(root, "deadman", findings)
    if table is None:
        return None
    keys = salvage(table, _DeadmanKeys, "deadman", findings)
    return Deadman(url=keys.url, every_ms=keys.every)


def _logging(root: Mapping[str, Any], findings: Findings) -> Logging:
    keys = _section(root, "logging", _LoggingKeys, findings)
    return Logging(
        level=keys.level,
        format="json" if keys.format == "json" else "text",
        retention_ms=keys.retention_days,
        per_agent_retention_ms=keys.per_agent_retention_days,
        compress_after_ms=keys.compress_after_days,
    )


def _telemetry(root: Mapping[str, Any], findings: Findings) -> Telemetry:
    keys = _section(root, "telemetry", _TelemetryKeys, findings)
    return Telemetry(
        endpoint=keys.otlp_endpoint or None,
        protocol="grpc" if keys.protocol == "grpc" else "http/protobuf",
        service_name=keys.service_name,
        resource=keys.resource,
        headers=keys.headers,
    )


def _secrets_file(root: Mapping[str, Any], findings: Findings) -> str | None:
    file = _section(root, "secrets", _SecretsKeys, findings).file
    if file and not file.startswith("/"):
        message = "not an absolute path; ignored, the usual place holds"
        findings.warn(child("secrets", "file"), f"{quoted(file)} is {message}")
        return None
    return file or None
