"""What the plugins of the manifests say: is each there, may it be used, does it take its settings.

They are asked all at once, each within its deadline, and asked the same only once. Invariant: what
a plugin says appears only redacted.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dotagent.core.manifest import Manifest, Notifier, Security
from dotagent.core.model import Problem
from dotagent.core.problems import child
from dotagent.core.restrict import passed, refused_plugin
from dotagent.core.secret import Redactor, Unresolved, named_as_secret, references, resolve
from dotagent.core.targets import BUILT_IN, PLUGIN
from dotagent.drivers.kit import registry
from dotagent.plugins import examine, find
from dotagent.plugins.client import PluginKind
from dotagent.supervisor.speak import speak

ELSEWHERE = {"sink-roam": "it is made by the dotagent 0.1.x project: install its binary"}
"""Plugins of 0.1.x that do not come with this program, and where they come from."""

AT_ONCE = 8

KINDS = {
    "preflight": PluginKind.PREFLIGHT,
    "on_success": PluginKind.SINK,
    "on_failure": PluginKind.NOTIFY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What agents meet when they run, and what this shell has instead. ``agents_env``: what they
    inherit; ``secrets``: those that are loaded, kept in ``secrets_path``."""

    agents_env: Mapping[str, str] = field(repr=False)
    shell_env: Mapping[str, str] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    secrets_path: str
    plugin_dirs: tuple[str, ...]
    faults: Mapping[tuple[Any, ...], str | None] = field(default_factory=dict, repr=False)
    """What plugins said, by what they were asked."""

    def lookup(self, name: str) -> str | None:
        """A ``${NAME}`` of a notifier: the secrets, then the environment (product §5)."""
        found = self.secrets.get(name)
        return found or self.agents_env.get(name, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One place that uses a plugin: its key path, the plugin's name, as what, with what."""

    path: str
    name: str
    kind: PluginKind
    config: Any = field(default=None, repr=False)
    security: Security = field(default_factory=Security)

    def key(self, program: str) -> tuple[Any, ...]:
        """What makes two questions the same."""
        config = json.dumps(self.config, sort_keys=True, default=str)
        return program, self.kind, config, self.security.env_passthrough


def uses_of(manifest: Manifest) -> Iterator[Use]:
    """Every use of a plugin in a manifest, in its order."""
    for section, kind in KINDS.items():
        for at, hook in enumerate(getattr(manifest, section)):
            path = child(child(section, at), "plugin")
            security = manifest.security
            yield Use(path=path, name=hook.plugin, kind=kind, config=hook.config, security=security)
    yield from uses_of_notifiers(manifest.notifiers, manifest.security)


def uses_of_notifiers(notifiers: Sequence[Notifier], security: Security) -> Iterator[Use]:
    """Every use of a plugin among notifiers. A disabled one may be unfinished."""
    for at, notifier in enumerate(notifiers):
        name = notifier.settings.get("name")
        if notifier.driver != PLUGIN or not notifier.enabled or not isinstance(name, str):
            continue
        if not references(name):
            yield Use(
                path=child(child("notifiers", at), "name"),
                name=name,
                kind=PluginKind.NOTIFY,
                config=notifier.settings.get("config"),
                security=security,
            )


def judge(uses: Iterable[Use], world: World) -> Iterator[Problem]:
    """What is wrong with each use."""
    for use in uses:
        refusal = refused_plugin(use.security, use.name)
        if refusal is not None:
            yield Problem(path=use.path, message=f"it is never used: {refusal}")
            continue
        found = find.find(use.name, world.plugin_dirs)
        if isinstance(found, find.Missing):
            if not _stands_in(use):
                yield Problem(path=use.path, message=found.why, hint=ELSEWHERE.get(use.name))
            continue
        for refused in found.refused:
            message = f"{refused.path} is passed over: it {refused.why}"
            yield Problem(path=use.path, message=message, fatal=False)
        fault = world.faults.get(use.key(found.path))
        if fault is not None:
            yield Problem(path=use.path, message=f"{found.path}: {fault}")


def _stands_in(use: Use) -> bool:
    """Whether a driver of ours does what the missing plugin would."""
    return use.kind is not PluginKind.PREFLIGHT and BUILT_IN.get(use.name) in registry.names()


def ask(uses: Iterable[Use], world: World) -> dict[tuple[Any, ...], str | None]:
    """Ask every plugin that there is about every configuration that it is used with."""
    questions: dict[tuple[Any, ...], tuple[str, Use]] = {}
    for use in uses:
        found = find.find(use.name, world.plugin_dirs)
        allowed = refused_plugin(use.security, use.name) is None
        if allowed and isinstance(found, find.Found):
            questions.setdefault(use.key(found.path), (found.path, use))
    return asyncio.run(_ask(questions, world)) if questions else {}


async def _ask(
    questions: Mapping[tuple[Any, ...], tuple[str, Use]], world: World
) -> dict[tuple[Any, ...], str | None]:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(program: str, use: Use) -> str | None:
        try:
            config = resolved(use.config, world)
        except Unresolved:
            return None  # said of the configuration itself
        secret = [*named_as_secret({"config": config}), *world.secrets.values()]
        secret += named_as_secret(world.agents_env)
        env = passed(world.agents_env, use.security)
        async with slots:
            return await examine.fault(speak, program, use.kind, config, env, Redactor(secret))

    said = await asyncio.gather(*(one(program, use) for program, use in questions.values()))
    return dict(zip(questions, said, strict=True))


def resolved(value: Any, world: World) -> Any:
    """``value`` with every ``${NAME}`` replaced, at any depth. Raises ``Unresolved``."""
    if isinstance(value, str):
        return resolve(value, world.lookup)
    if isinstance(value, Mapping):
        return {key: resolved(each, world) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [resolved(each, world) for each in value]
    return value
