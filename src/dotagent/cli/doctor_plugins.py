"""What the plugins of the manifests say: is each there, may it be used, does it take its settings.

They are asked all at once, each within its deadline, and asked the same only once. Invariant: what
a plugin says appears only redacted.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dotagent.core.model import Problem
from dotagent.core.restrict import passed, refused_plugin
from dotagent.core.secret import Redactor, Unresolved, named_as_secret, resolve
from dotagent.plugins import examine, find
from dotagent.steps.uses import Use
from dotagent.supervisor.speak import speak

ELSEWHERE = {"sink-roam": "it is made by the dotagent 0.1.x project: install its binary"}
"""Plugins of 0.1.x that do not come with this program, and where they come from."""

AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What agents meet when they run, and what this shell has instead. ``agents_env``: what they
    inherit; ``secrets``: those that are loaded, kept in ``secrets_path``."""

    agents_env: Mapping[str, str] = field(repr=False)
    shell_env: Mapping[str, str] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    secrets_path: str
    masked: tuple[str, ...] = field(default=(), repr=False)
    """What must not be shown, though it is no secret in force."""
    withheld: str = ""
    """Why what a plugin says is not shown."""
    plugin_dirs: tuple[str, ...]
    faults: Mapping[tuple[Any, ...], str | None] = field(default_factory=dict, repr=False)
    """What plugins said, by what they were asked."""

    def lookup(self, name: str) -> str | None:
        """A ``${NAME}`` of a notifier: the secrets, then the environment (product §5)."""
        found = self.secrets.get(name)
        return found or self.agents_env.get(name, found)


def key(use: Use, program: str) -> tuple[Any, ...]:
    """What makes two questions the same."""
    config = json.dumps(use.config, sort_keys=True, default=str)
    return program, use.kind, config, use.security.env_passthrough


def judge(uses: Iterable[Use], world: World) -> Iterator[Problem]:
    """What is wrong with each use."""
    for use in uses:
        refusal = refused_plugin(use.security, use.name)
        if refusal is not None:
            yield Problem(path=use.path, message=f"it is never used: {refusal}")
            continue
        found = find.find(use.name, world.plugin_dirs)
        if isinstance(found, find.Missing):
            if not use.stands_in:
                yield Problem(path=use.path, message=found.why, hint=ELSEWHERE.get(use.name))
            continue
        for refused in found.refused:
            message = f"{refused.path} is passed over: it {refused.why}"
            yield Problem(path=use.path, message=message, fatal=False)
        fault = world.faults.get(key(use, found.path))
        if fault is not None:
            yield Problem(path=use.path, message=f"{found.path}: {fault}")


def ask(uses: Iterable[Use], world: World) -> dict[tuple[Any, ...], str | None]:
    """Ask every plugin that there is about every configuration that it is used with."""
    questions: dict[tuple[Any, ...], tuple[str, Use]] = {}
    for use in uses:
        found = find.find(use.name, world.plugin_dirs)
        allowed = refused_plugin(use.security, use.name) is None
        if allowed and isinstance(found, find.Found):
            questions.setdefault(key(use, found.path), (found.path, use))
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
        secret = [*named_as_secret({"config": config}), *world.secrets.values(), *world.masked]
        secret += named_as_secret(world.agents_env)
        redactor = Redactor(secret, world.withheld)
        env = passed(world.agents_env, use.security)
        async with slots:
            said = await examine.verdict(speak, program, use.kind, config, env, redactor)
            return said.why

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
