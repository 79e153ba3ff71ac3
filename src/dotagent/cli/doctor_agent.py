"""What a good manifest refers to and what is not there: commands, folders, secrets, plugins.

Looks and never runs anything. Every finding is a ``Problem`` with its key path; lines and file are
the caller's. Invariant: no value of a secret appears in a finding.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dotagent.core.errors import UsageError
from dotagent.core.manifest import Hook, Manifest, Notifier
from dotagent.core.model import NotStarted, Problem
from dotagent.core.problems import child
from dotagent.core.secret import Unresolved, references, resolve
from dotagent.core.structure import structure
from dotagent.drivers.kit import registry
from dotagent.plugins import find as plugins
from dotagent.supervisor import launch


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What agents meet when they run, and what this shell has instead. ``agents_env``: what they
    inherit; ``secrets``: those that are loaded, kept in ``secrets_path``."""

    agents_env: Mapping[str, str] = field(repr=False)
    shell_env: Mapping[str, str] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    secrets_path: str
    plugin_dirs: tuple[str, ...]

    def lookup(self, name: str) -> str | None:
        """A ``${NAME}`` of a notifier: the secrets, then the environment (product §5)."""
        return self.secrets.get(name) or self.agents_env.get(name)


def check_agent(manifest: Manifest, folder: str, world: World) -> list[Problem]:
    """Everything that the manifest in ``folder`` refers to and that is not there."""
    found = [*check_command(manifest, folder, world), *_secrets(manifest, world)]
    for section in ("preflight", "on_success", "on_failure"):
        found += _hooks(section, getattr(manifest, section), world)
    found += check_notifiers(manifest.notifiers, world)
    if manifest.security.explicit:
        message = "this version does not enforce it: nothing is held back"
        found.append(Problem(path="security", message=message, fatal=False))
    return found


# ----------------------------------------------------------------------------------- the command


def check_command(manifest: Manifest, folder: str, world: World) -> Iterator[Problem]:
    """Why the command could not be started, or its folder not be entered."""
    run = manifest.run
    cwd = os.path.join(folder, run.working_dir or "")
    if run.working_dir is not None and not os.path.isdir(cwd):
        message = f"the folder {cwd} does not exist"
        yield Problem(path="run.working_dir", message=message, hint=f"mkdir -p {shlex.quote(cwd)}")
        return
    env = {**(world.agents_env if manifest.env.inherit else {}), **manifest.env.extra}
    why = _why_not(run.command, cwd, env)
    if why is not None:
        hint = _elsewhere(run.command, world.shell_env) if why.code == launch.NOT_FOUND else None
        message = f"{why.why} (an attempt would end with {why.code})"
        yield Problem(path="run.command", message=message, hint=hint)


def _why_not(command: str, cwd: str, env: Mapping[str, str]) -> NotStarted | None:
    found = launch.find(command, cwd, env)
    if isinstance(found, NotStarted):
        return found
    return launch.lacking(found) or _missing_by_env(found.head, cwd, env)


def _missing_by_env(head: bytes, cwd: str, env: Mapping[str, str]) -> NotStarted | None:
    """``#!/usr/bin/env python3`` is only as good as the PATH that it is looked up in."""
    words = head.partition(b"\n")[0].removeprefix(b"#!").split()
    if not head.startswith(b"#!") or len(words) < 2 or os.path.basename(words[0]) != b"env":
        return None
    program = os.fsdecode(words[1])
    if program.startswith("-") or "=" in program:
        return None
    found = launch.find(program, cwd, env)
    return found if isinstance(found, NotStarted) else None


def _elsewhere(command: str, shell_env: Mapping[str, str]) -> str | None:
    """Where the person's own shell would have found it, and what to write."""
    place = None if "/" in command else shutil.which(command, path=shell_env.get("PATH"))
    if place is None:
        return None
    folder = shlex.quote(os.path.dirname(place))
    return f'your shell finds it: write command = "{place}", or put {folder} into [env] extra.PATH'


# ------------------------------------------------------------------------------ secrets, plugins


def _secrets(manifest: Manifest, world: World) -> Iterator[Problem]:
    for at, name in enumerate(manifest.env.from_secrets):
        if not world.secrets.get(name):
            yield Problem(
                path=child(child("env", "from_secrets"), at),
                message=f"{name} is not in {world.secrets_path}; without it no attempt can start",
                hint=f"add a line {name}=… there",
            )


def _hooks(section: str, hooks: Sequence[Hook], world: World) -> Iterator[Problem]:
    for at, hook in enumerate(hooks):
        yield from _plugin(child(child(section, at), "plugin"), hook.plugin, world)


def _plugin(path: str, name: str, world: World) -> Iterator[Problem]:
    found = plugins.find(name, world.plugin_dirs)
    if isinstance(found, plugins.Missing):
        yield Problem(path=path, message=found.why)
    for refused in found.refused if isinstance(found, plugins.Found) else ():
        message = f"{refused.path} is passed over: it {refused.why}"
        yield Problem(path=path, message=message, fatal=False)


# ------------------------------------------------------------------------------------- notifiers


def check_notifiers(notifiers: Sequence[Notifier], world: World) -> list[Problem]:
    """What the notifiers of a manifest or of config.toml could not send with. A disabled one may
    be unfinished."""
    found: list[Problem] = []
    for at, notifier in enumerate(notifiers):
        if notifier.enabled:
            found += _notifier(notifier, child("notifiers", at), world)
    return found


def _notifier(notifier: Notifier, path: str, world: World) -> Iterator[Problem]:
    unset = [*_unset(notifier.settings, path, world)]
    yield from unset
    name = notifier.settings.get("name")
    if notifier.driver == "plugin" and isinstance(name, str) and not references(name):
        yield from _plugin(child(path, "name"), name, world)
    if not unset and _refers(notifier.settings):
        yield from _settings(notifier, path, world)
    if notifier.ca_file is not None and not os.path.isfile(notifier.ca_file):
        message = f"there is no file {notifier.ca_file}"
        yield Problem(path=child(path, "ca_file"), message=message)


def _unset(value: Any, path: str, world: World) -> Iterator[Problem]:
    """Every ``${NAME}`` without a value, at any depth."""
    if isinstance(value, str):
        for problem in _unresolved(value, world):
            yield Problem(path=path, message=problem.message, hint=problem.hint)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _unset(inner, child(path, str(key)), world)
    elif isinstance(value, list | tuple):
        for at, inner in enumerate(value):
            yield from _unset(inner, child(path, at), world)


def _unresolved(text: str, world: World) -> Iterator[Unresolved]:
    """Each name without a value, and the first reference that is not written right."""
    parts = [(f"${{{name}}}", world.lookup) for name in references(text)]
    for part, lookup in (*parts, (text, lambda name: "any")):
        try:
            resolve(part, lookup)
        except Unresolved as error:
            yield error


def _refers(value: Any) -> bool:
    if isinstance(value, str):
        return bool(references(value))
    inner = value.values() if isinstance(value, Mapping) else value
    return isinstance(value, Mapping | list | tuple) and any(_refers(each) for each in inner)


def _settings(notifier: Notifier, path: str, world: World) -> Iterator[Problem]:
    """The driver's own judgement, now that all values are known; it repeats none of them."""
    try:
        driver = registry.load(notifier.driver)
    except UsageError as error:
        yield Problem(path=child(path, "driver"), message=error.message, hint=error.hint)
        return
    if driver is not None:
        _, problems = structure(_resolved(notifier.settings, world), driver.config, path)
        yield from (problem for problem in problems if problem.fatal)


def _resolved(value: Any, world: World) -> Any:
    if isinstance(value, str):
        return resolve(value, world.lookup)
    if isinstance(value, Mapping):
        return {key: _resolved(inner, world) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_resolved(inner, world) for inner in value]
    return value
