"""The single tables of agent.toml: ``[agent]``, ``[run]``, ``[env]``, ``[limits]``, ``[security]``,
``[expect]``.

Invariants: one exit code has one meaning; an old and a new name never both count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from dotagent.core.duration import MINUTE_MS
from dotagent.core.manifest_schedule import refuse_both
from dotagent.core.problems import Findings, child
from dotagent.core.shapes import (
    Argument,
    FileName,
    Regex,
    Second,
    Span,
    Text,
    Timeout,
    Variable,
    Whole,
)
from dotagent.core.structure import salvage

TIMEOUT_MS = 30 * MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """``[agent]``: who it is, and whether its schedules count."""

    name: str
    description: str | None = None
    version: str | None = None
    enabled: bool = True
    timeout_ms: int = TIMEOUT_MS
    inherit_notifiers: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """``[run]``: what is started, and what its exit codes mean. ``working_dir`` None is the
    manifest's folder; codes in no set are failures that are tried again."""

    command: str
    args: tuple[str, ...] = ()
    working_dir: str | None = None
    success_codes: frozenset[int] = frozenset({0})
    warn_codes: frozenset[int] = frozenset()
    skip_codes: frozenset[int] = frozenset()
    no_retry_codes: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """``[env]``: what of the daemon's environment an agent sees, and what it gets besides."""

    inherit: bool = True
    extra: Mapping[Annotated[str, Variable()], Text] = field(default_factory=dict, repr=False)
    from_secrets: tuple[Annotated[str, Variable(portable=True)], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``[limits]``: how much output is kept. A tail is also at most 64 KiB."""

    log_max_mb: Annotated[int, Whole(what="a size in MB", low=1, high=1_000_000)] = 50
    output_tail_lines: Annotated[int, Whole(what="a number of lines", low=1, high=1_000_000)] = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """``[security]``. ``enforce`` says what happens where this machine cannot enforce it."""

    allowed_commands: tuple[str, ...] = ()
    allowed_plugins: tuple[str, ...] = ()
    filesystem_writable: tuple[str, ...] = ()
    env_passthrough: tuple[str, ...] = ()
    network: Literal["allow", "deny"] | tuple[str, ...] = "allow"
    enforce: Literal["require", "warn"] = "warn"

    @property
    def explicit(self) -> bool:
        """Whether it restricts anything (contract §2.5)."""
        lists = (self.allowed_commands, self.allowed_plugins, self.filesystem_writable)
        return any(lists) or bool(self.env_passthrough) or self.network != "allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectFile:
    """A file that the attempt must have left behind. ``newer``: written during the attempt."""

    path: Annotated[str, Argument(empty=False)]
    newer: bool = True
    min_bytes: Annotated[int, Whole(what="a number of bytes", low=0)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """``[expect]``: proof of work, checked after an exit that is a success."""

    output: Literal["nonempty"] | None = None
    output_match: str | None = None
    output_not_match: str | None = None
    file: ExpectFile | None = None
    min_duration_ms: int | None = None


# --------------------------------------------------------------------------------- as written

_Code = Annotated[int, Whole(what="an exit code", low=0, high=255)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _AgentKeys:
    name: FileName
    description: str | None = None
    version: str | None = None
    monitor: bool | None = None
    enabled: bool | None = None
    timeout_seconds: Timeout | None = None
    timeout: Second | None = None
    inherit_notifiers: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _RunKeys:
    command: Annotated[str, Argument(empty=False)]
    args: tuple[Text, ...] = ()
    working_dir: Text | None = None
    success_codes: tuple[_Code, ...] | None = None
    warn_codes: tuple[_Code, ...] = ()
    skip_codes: tuple[_Code, ...] = ()
    no_retry_codes: tuple[_Code, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExpectKeys:
    output: Literal["nonempty"] | None = None
    output_match: Regex | None = None
    output_not_match: Regex | None = None
    file: ExpectFile | None = None
    min_duration: Annotated[int, Span()] | None = None


# ------------------------------------------------------------------------------------ reading


def read_agent(table: Mapping[str, Any], findings: Findings) -> Agent:
    """``[agent]``; an empty name where there is no usable one, and that noted."""
    keys = salvage(table, _AgentKeys, "agent", findings)
    refuse_both(table, "monitor", "enabled", "agent", findings)
    refuse_both(table, "timeout_seconds", "timeout", "agent", findings)
    enabled = keys.enabled if keys.enabled is not None else keys.monitor
    return Agent(
        name=keys.name,
        description=keys.description,
        version=keys.version,
        enabled=enabled is not False,
        timeout_ms=keys.timeout or keys.timeout_seconds or TIMEOUT_MS,
        inherit_notifiers=keys.inherit_notifiers,
    )


def read_run(table: Mapping[str, Any], findings: Findings) -> Run:
    """``[run]``."""
    keys = salvage(table, _RunKeys, "run", findings)
    run = Run(
        command=keys.command,
        args=keys.args,
        working_dir=keys.working_dir or None,
        success_codes=frozenset({0} if keys.success_codes is None else keys.success_codes),
        warn_codes=frozenset(keys.warn_codes),
        skip_codes=frozenset(keys.skip_codes),
        no_retry_codes=frozenset(keys.no_retry_codes),
    )
    _check_codes(run, keys, findings)
    return run


_CODE_SETS = ("success_codes", "warn_codes", "skip_codes", "no_retry_codes")


def _check_codes(run: Run, keys: _RunKeys, findings: Findings) -> None:
    meaning: dict[int, str] = {}
    for name in _CODE_SETS:
        for code in sorted(getattr(run, name)):
            other = meaning.setdefault(code, name)
            if other != name:
                default = other == "success_codes" and keys.success_codes is None
                where = "means success unless success_codes says otherwise" if default else ""
                where = where or f"is also in {other}"
                findings.wrong(child("run", name), f"{code} {where}; one code has one meaning")
    if keys.success_codes == () and not keys.warn_codes:
        message = "no exit code would be a success, so it could never succeed"
        findings.wrong(child("run", "success_codes"), message, "leave it out for [0]")


def read_expect(table: Mapping[str, Any], findings: Findings) -> Expect:
    """``[expect]``."""
    keys = salvage(table, _ExpectKeys, "expect", findings)
    return Expect(
        output=keys.output,
        output_match=keys.output_match,
        output_not_match=keys.output_not_match,
        file=keys.file,
        min_duration_ms=keys.min_duration,
    )
