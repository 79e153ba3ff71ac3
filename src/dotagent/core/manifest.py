"""The records of agent.toml, and from the bytes of one to them or to all that is wrong with it.

Invariants: any bytes give an answer, never an exception; there is a manifest exactly if no problem
is fatal; a manifest is complete: nothing in it waits to be defaulted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dotagent.core.manifest_hook import Hook, read_hooks
from dotagent.core.manifest_notifier import Drivers, Notifier, QuietHours, read_notifiers
from dotagent.core.manifest_schedule import Schedule, Tries, read_defaults, read_schedules
from dotagent.core.manifest_sections import (
    Agent,
    Env,
    Expect,
    ExpectFile,
    Limits,
    Run,
    Security,
    read_agent,
    read_expect,
    read_run,
)
from dotagent.core.model import Problem
from dotagent.core.problems import Findings
from dotagent.core.structure import salvage
from dotagent.core.toml import read, table_of, tables_of, warn_of_unknown

__all__ = [
    "Agent",
    "Drivers",
    "Env",
    "Expect",
    "ExpectFile",
    "Hook",
    "Limits",
    "Manifest",
    "Notifier",
    "QuietHours",
    "Run",
    "Schedule",
    "Security",
    "read_manifest",
]

_SECTIONS = (
    "agent",
    "run",
    "env",
    "defaults",
    "limits",
    "security",
    "expect",
    "schedules",
    "notifiers",
    "preflight",
    "on_success",
    "on_failure",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything one agent.toml says."""

    agent: Agent
    run: Run
    schedules: tuple[Schedule, ...] = ()
    notifiers: tuple[Notifier, ...] = ()
    preflight: tuple[Hook, ...] = ()
    on_success: tuple[Hook, ...] = ()
    on_failure: tuple[Hook, ...] = ()
    env: Env = field(default_factory=Env)
    limits: Limits = field(default_factory=Limits)
    security: Security = field(default_factory=Security)
    expect: Expect | None = None


def read_manifest(data: bytes, drivers: Drivers) -> tuple[Manifest | None, tuple[Problem, ...]]:
    """The manifest in ``data``, None if a problem is fatal; and every problem, with its line where
    that is known, in the order of the file. ``drivers``: see ``Drivers``."""
    if not data.strip():
        return None, (Problem(path="", message="the file is empty"),)
    document = read(data)
    if isinstance(document, Problem):
        return None, (document,)
    findings = Findings()
    manifest = _manifest(document.table, drivers, findings)
    return (None if findings.fatal else manifest), document.settle(findings.found)


def _manifest(root: Mapping[str, Any], drivers: Drivers, findings: Findings) -> Manifest:
    warn_of_unknown(root, _SECTIONS, findings)
    agent = read_agent(table_of(root, "agent", findings) or {}, findings)
    run = read_run(table_of(root, "run", findings) or {}, findings)
    defaults = table_of(root, "defaults", findings)
    tries = Tries() if defaults is None else read_defaults(defaults, findings)
    schedules = read_schedules(tables_of(root, "schedules", findings), tries, findings)
    tables = tables_of(root, "notifiers", findings)
    notifiers = read_notifiers(tables, drivers, findings, everywhere=False)
    preflight, on_success, on_failure = (
        read_hooks(section, tables_of(root, section, findings), tuple(drivers), findings)
        for section in ("preflight", "on_success", "on_failure")
    )
    expect = table_of(root, "expect", findings)
    return Manifest(
        agent=agent,
        run=run,
        schedules=schedules,
        notifiers=notifiers,
        preflight=preflight,
        on_success=on_success,
        on_failure=on_failure,
        env=salvage(table_of(root, "env", findings) or {}, Env, "env", findings),
        limits=salvage(table_of(root, "limits", findings) or {}, Limits, "limits", findings),
        security=salvage(
            table_of(root, "security", findings) or {}, Security, "security", findings
        ),
        expect=None if expect is None else read_expect(expect, findings),
    )
