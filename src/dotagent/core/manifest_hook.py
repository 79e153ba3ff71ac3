"""``[[preflight]]``, ``[[on_success]]`` and ``[[on_failure]]``: the plugins around an attempt.

Invariant: ``config`` is plain JSON data, exactly as dotagent 0.1.x hands it to a plugin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dotagent.core.model import Kind
from dotagent.core.problems import Findings, child, one_of, quoted
from dotagent.core.shapes import Event, FileName, JsonData, Timeout
from dotagent.core.structure import salvage
from dotagent.core.toml import Tables

_SEEN: Mapping[str, tuple[Kind, ...]] = {
    "on_success": (Kind.SUCCESS,),
    "on_failure": (
        Kind.ATTEMPT_FAILED,
        Kind.TIMED_OUT,
        Kind.GIVEN_UP,
        Kind.RECOVERED,
        Kind.PREFLIGHT,
    ),
}
"""What each kind of hook can hear of (contract §6.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One hook. ``events`` empty means all of its kind; ``timeout_ms`` None means the default of
    contract §10; ``on_block`` matters to a preflight only."""

    plugin: str
    config: Any = field(default=None, repr=False)
    events: tuple[Kind, ...] = ()
    timeout_ms: int | None = None
    on_block: Literal["retry", "skip"] = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class _HookKeys:
    plugin: FileName
    config: JsonData = None
    events: tuple[Event, ...] = ()
    timeout_seconds: Timeout | None = None
    on_block: Literal["retry", "skip"] | None = None


def read_hooks(
    section: str,
    tables: Tables,
    drivers: Sequence[str],
    findings: Findings,
) -> tuple[Hook, ...]:
    """All hooks of one section. ``drivers``: the built-in ones, for the advice to use them."""
    hooks: list[Hook] = []
    for at, table in tables.items():
        if findings.full:
            break
        path = child(section, at)
        keys = salvage(table, _HookKeys, path, findings)
        _warn(section, keys, table, path, findings)
        if section != "preflight" and keys.plugin.startswith("notify-"):
            _advise(keys.plugin, drivers, path, findings)
        hooks.append(
            Hook(
                plugin=keys.plugin,
                config=keys.config,
                events=keys.events,
                timeout_ms=keys.timeout_seconds,
                on_block=keys.on_block or "retry",
            )
        )
    return tuple(hooks)


def _warn(
    section: str, keys: _HookKeys, table: Mapping[str, Any], path: str, findings: Findings
) -> None:
    if section == "preflight" and "events" in table:
        findings.warn(child(path, "events"), "means nothing for a preflight; ignored")
    if section != "preflight" and "on_block" in table:
        findings.warn(child(path, "on_block"), "means something only in [[preflight]]; ignored")
    if section == "preflight":
        return
    seen = _SEEN[section]
    for kind in keys.events:
        if kind not in seen:
            at = table["events"].index(kind.value)
            names = one_of(each.value for each in seen)
            message = f"{quoted(kind.value)} never reaches [[{section}]]; it hears of {names}"
            findings.warn(child(child(path, "events"), at), message)


def _advise(plugin: str, drivers: Sequence[str], path: str, findings: Findings) -> None:
    name = plugin.removeprefix("notify-")
    if name in drivers and name != "plugin":
        message = f"{quoted(plugin)} is built in now, without a plugin"
        hint = f'write [[notifiers]] with driver = "{name}" and the keys of its config beside it'
    else:
        message = "notifiers have their own section now"
        hint = f'write [[notifiers]] with driver = "plugin" and name = {quoted(plugin)}'
    findings.warn(child(path, "plugin"), message, hint)
