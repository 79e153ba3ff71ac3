"""What a good manifest refers to and what is not there: commands, folders, secrets, settings.

Looks and never runs anything; plugins are ``doctor_plugins``' matter. Every finding is a
``Problem`` with its key path; lines and file are the caller's. Invariant: no value of a secret
appears in a finding.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from dotagent.cli.doctor_plugins import World, judge, resolved
from dotagent.core.errors import UsageError
from dotagent.core.manifest import Hook, Manifest, Notifier, Security
from dotagent.core.model import NotStarted, Problem
from dotagent.core.problems import child
from dotagent.core.restrict import refused_command, unheld
from dotagent.core.secret import Unresolved, references, resolve
from dotagent.core.structure import structure
from dotagent.drivers.kit import registry
from dotagent.drivers.kit.proxy import is_loopback
from dotagent.steps.uses import uses_of, uses_of_notifiers
from dotagent.supervisor import launch


def check_agent(manifest: Manifest, folder: str, world: World) -> list[Problem]:
    """Everything that the manifest in ``folder`` refers to and that is not there."""
    found = [*check_command(manifest, folder, world), *_secrets(manifest, world)]
    for section in ("preflight", "on_success", "on_failure"):
        found += _hooks(section, getattr(manifest, section), world)
    found += judge(uses_of(manifest), world)
    found += _settings_of(manifest.notifiers, world)
    found += _security(manifest, folder)
    return found


def _security(manifest: Manifest, folder: str) -> Iterator[Problem]:
    """What ``[security]`` would keep from starting, and what nobody here holds back."""
    security, run = manifest.security, manifest.run
    refusal = refused_command(security, run.command, os.path.join(folder, run.working_dir or ""))
    if refusal is not None:
        yield Problem(path="run.command", message=f"it never starts: {refusal}")
    for key in unheld(security):
        required = security.enforce == "require"
        message = "this version cannot hold that back"
        hint = None
        if required:
            message = f'{message}, and enforce = "require" asks for it: no attempt starts'
            hint = 'take the restriction out, or write enforce = "warn"'
        yield Problem(path=child("security", key), message=message, hint=hint, fatal=required)


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
        yield from _unset(hook.config, child(child(section, at), "config"), world)


# ------------------------------------------------------------------------------------- notifiers


def check_notifiers(notifiers: Sequence[Notifier], world: World) -> list[Problem]:
    """What the notifiers of config.toml could not send with."""
    uses = uses_of_notifiers(notifiers, Security())
    return [*judge(uses, world), *_settings_of(notifiers, world)]


def _settings_of(notifiers: Sequence[Notifier], world: World) -> Iterator[Problem]:
    """What is wrong with the settings. A disabled notifier may be unfinished."""
    for at, notifier in enumerate(notifiers):
        if notifier.enabled:
            yield from _notifier(notifier, child("notifiers", at), world)


def _notifier(notifier: Notifier, path: str, world: World) -> Iterator[Problem]:
    unset = [*_unset(notifier.settings, path, world)]
    yield from unset
    if not unset and _refers(notifier.settings):
        yield from _settings(notifier, path, world)
    yield from _in_the_clear(notifier, path, world)
    if notifier.ca_file is not None and not os.path.isfile(notifier.ca_file):
        message = f"there is no file {notifier.ca_file}"
        yield Problem(path=child(path, "ca_file"), message=message)


def _in_the_clear(notifier: Notifier, path: str, world: World) -> Iterator[Problem]:
    """Certificates are always checked; an address without TLS is the one way around that."""
    for key, value in notifier.settings.items():
        if not isinstance(value, str):
            continue
        try:
            address = urlsplit(resolve(value, world.lookup))
            host = address.hostname or ""
        except (Unresolved, ValueError):
            continue  # told by others
        if address.scheme.lower() == "http" and not is_loopback(host):
            message = "is plain http: whoever is on the way can read the messages, and change them"
            hint = "write https://, with ca_file if the certificate is your own"
            yield Problem(path=child(path, key), message=message, hint=hint, fatal=False)


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
        _, problems = structure(resolved(notifier.settings, world), driver.config, path)
        yield from (problem for problem in problems if problem.fatal)
