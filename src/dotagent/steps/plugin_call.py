"""What every call of a plugin has in common: where it is, whether it is allowed, what it is told.

Invariant: a plugin that ``[security] allowed_plugins`` does not name is never started.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dotagent.core.manifest import Manifest
from dotagent.core.moment import stamp
from dotagent.core.restrict import passed, refused_plugin
from dotagent.core.targets import BUILT_IN, PLUGIN, Target
from dotagent.plugins import find
from dotagent.plugins.client import DEADLINE_MS, Answer
from dotagent.plugins.find import Found, Missing
from dotagent.steps.parts import Parts
from dotagent.store import plugin_view
from dotagent.system import faultlog, scratch


async def locate(parts: Parts, name: str) -> Found | Missing:
    """The program of the plugin ``name``."""
    dirs = find.search_dirs(parts.environment, parts.user_home, parts.paths.home)
    # A stat may wait for a network share that has gone away: not on the loop.
    return await asyncio.to_thread(find.find, name, dirs)


async def keep_words(parts: Parts, name: str, what: str, answer: Answer) -> None:
    """What a plugin said on standard error goes into its own log, redacted; nothing where it said
    nothing. A log that cannot be written stops nobody."""
    if not answer.stderr:
        return
    when = stamp(parts.clock.now(), parts.actor.zone)
    text = f"=== {when} {what} · {answer.end} ===\n{answer.stderr}\n"
    await asyncio.to_thread(faultlog.append, parts.paths.plugin_log(name), text)


def environment(parts: Parts, manifest: Manifest | None) -> Mapping[str, str]:
    """What a plugin of this manifest inherits; of config.toml, all."""
    if manifest is None:
        return parts.environment
    return passed(parts.environment, manifest.security)


def refusal(manifest: Manifest | None, target: Target) -> str | None:
    """Why the target may not be used at all; None if it may."""
    if manifest is None or target.driver != PLUGIN:
        return None
    return refused_plugin(manifest.security, str(target.settings["name"]))


async def stand_in(parts: Parts, target: Target) -> Target:
    """A hook that names ``notify-ntfy`` and the like goes through the built-in driver where no such
    plugin is installed: its configuration has the driver's keys."""
    driver = BUILT_IN.get(str(target.settings.get("name")))
    if target.driver != PLUGIN or driver is None or parts.driver(driver) is None:
        return target
    if isinstance(await locate(parts, str(target.settings["name"])), Found):
        return target
    config = target.settings.get("config")
    return replace(target, driver=driver, settings=config if isinstance(config, Mapping) else {})


def deadline_ms(target: Target) -> int:
    """How long a plugin may take for a message: its own time, else that of contract §10."""
    if target.timeout_ms is not None:
        return target.timeout_ms
    return DEADLINE_MS["on_success" if target.purpose == "sink" else "on_failure"]


async def facts(parts: Parts, event_seq: int, *, is_sink: bool) -> dict[str, Any]:
    """What a plugin is told besides the six keys of contract §10: of which attempt it is, and where
    its log is. At the first try its temporary folder is still there, and for a sink always, with
    all of its output."""
    told = plugin_view.told(parts.reader, event_seq)
    if told is None:
        return {}
    found: dict[str, Any] = {
        "attempt": told.number,
        "attempt_id": told.marker,
        "log_path": parts.paths.agent_log(told.agent),
    }
    kept = await asyncio.to_thread(scratch.of, told.marker)
    if kept is not None:
        found["tmpdir"] = kept.tmp
        if is_sink:
            found["output_path"] = kept.output
    return found


class Folders:
    """The temporary folders of attempts, each kept as long as plugins need it: there may be a
    million files in one."""

    def __init__(self) -> None:
        self._kept: dict[int, str] = {}

    async def sweep(self, parts: Parts) -> None:
        """At a start: remove what dead holders left, but for what plugins still wait for."""
        kept = plugin_view.awaited(parts.reader)
        self._kept = {each.attempt_id: each.marker for each in kept}
        await asyncio.to_thread(scratch.sweep, parts.home_id, list(self._kept.values()))

    async def after(self, parts: Parts, attempt_id: int, marker: str) -> None:
        """An attempt or a plugin's message of it has ended: remove the folder that nobody waits for
        any more. With it the oldest other one is looked at, for a message can also be cancelled."""
        self._kept[attempt_id] = marker
        for each in {attempt_id, next(iter(self._kept))}:
            done = not plugin_view.is_awaited(parts.reader, each)
            if done and (kept := self._kept.pop(each, None)) is not None:
                await asyncio.to_thread(scratch.remove, kept)

    async def told(self, parts: Parts, event_seq: int) -> None:
        """A plugin was told of this event."""
        told = plugin_view.told(parts.reader, event_seq)
        if told is not None:
            await self.after(parts, told.attempt_id, told.marker)
