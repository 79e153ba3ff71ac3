"""Every file that a person writes, read now: manifests of all roots, config.toml, the secrets.

Decides nothing that discovery decides otherwise: the same scan, the same reader, the same order
between equal names. Writes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dotagent import app
from dotagent.cli.doctor_agent import check_agent, check_notifiers
from dotagent.cli.doctor_plugins import World
from dotagent.core import toml
from dotagent.core.config import Config
from dotagent.core.errors import HomeError
from dotagent.core.manifest import Manifest, Security, read_manifest
from dotagent.core.model import Problem
from dotagent.core.problems import child, quoted
from dotagent.core.targets import PLUGIN
from dotagent.steps import configure, vault
from dotagent.steps.uses import Use, uses_of, uses_of_notifiers
from dotagent.store.checkup import Known
from dotagent.supervisor.speak import speak
from dotagent.system import discovery, goodcopy
from dotagent.system.discovery import Candidate
from dotagent.system.paths import Paths
from dotagent.system.secrets import Secrets

FOR_PROGRAMS = ("inbox", "webhook", PLUGIN)
"""Drivers whose reader may well want everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A manifest as it lies there now. ``manifest`` is None where a problem is fatal."""

    path: str
    root: str
    data: bytes = b""
    manifest: Manifest | None = None
    problems: tuple[Problem, ...] = ()


# --------------------------------------------------------------------------------------- manifests


def read_all(roots: Sequence[str], scheduled: Sequence[str]) -> tuple[list[File], list[Problem]]:
    """Every manifest of the roots, in the order that decides between equal names, and what kept
    others from being read. A file that is reached twice, by way of a link, is no second one where
    only people look (outside the ``scheduled`` roots)."""
    scan = discovery.scan(roots)
    files = []
    seen: set[str] = set()
    for candidate in scan.found:
        real = os.path.realpath(candidate.path)
        if candidate.root in scheduled or real not in seen:
            files.append(_read(candidate))
        seen.add(real)
    return files, [_short(problem) for problem in scan.problems]


def _read(candidate: Candidate) -> File:
    reading = discovery.read(candidate)
    if isinstance(reading, Problem):
        return File(path=candidate.path, root=candidate.root, problems=(_short(reading),))
    manifest, problems = read_manifest(reading.data, app.drivers())
    return File(
        path=candidate.path,
        root=candidate.root,
        data=reading.data,
        manifest=manifest,
        problems=tuple(replace(problem, file=candidate.path) for problem in problems),
    )


def _short(problem: Problem) -> Problem:
    """Without the path in the message: it stands before it already."""
    return replace(problem, message=problem.message.removeprefix(f"{problem.file} "))


def judge(
    files: Sequence[File], paths: Paths, known: Known, world: World, scheduled: Iterable[str]
) -> Iterator[Problem]:
    """What is wrong with each file, with all that it refers to. ``scheduled``: the roots that the
    daemon looks into; what lies elsewhere is only run by hand."""
    first: dict[str, File] = {}
    ours = set(scheduled)
    for file in files:
        yield from file.problems
        name = file.manifest.agent.name if file.manifest is not None else known.files.get(file.path)
        if file.manifest is None:
            yield from _last_good(file, paths, known)
        else:
            extra = check_agent(file.manifest, os.path.dirname(file.path), world)
            enabled = file.manifest.agent.enabled
            yield from _placed(file.path, file.data, extra, fatal=enabled)
        if name is None:
            continue
        other = first.setdefault(name, file)
        if other is not file:
            again = _named_twice(name, other.path, scheduled=file.root in ours)
            yield from _placed(file.path, file.data, again)


def _named_twice(name: str, other: str, *, scheduled: bool) -> Iterator[Problem]:
    yield Problem(
        path="agent.name",
        message=f"{quoted(name)} is also the name of {other}, and that one runs",
        hint="give one of them another name",
        fatal=scheduled,
    )


def _last_good(file: File, paths: Paths, known: Known) -> Iterator[Problem]:
    """A bad file whose agent runs all the same."""
    name = known.files.get(file.path)
    agent = known.agents.get(name) if name is not None else None
    if name is None or agent is None:
        return
    intact = _is_intact(paths.good_manifest(name), agent.sha256)
    message = f"{name} keeps running on its last good copy"
    if not intact:
        message = f"the last good copy of {name} is missing or was changed: it cannot run"
    yield Problem(path="", file=file.path, message=message, fatal=not intact)


def _is_intact(path: str, sha256: str) -> bool:
    try:
        return any(hashlib.sha256(data).hexdigest() == sha256 for data in goodcopy.both(path))
    except HomeError:
        return False


def _placed(
    path: str, data: bytes, problems: Iterable[Problem], *, fatal: bool = True
) -> Iterator[Problem]:
    """The problems with file and line; of what is switched off none is more than a warning."""
    found = list(problems)
    document = toml.read(data) if found else None
    if isinstance(document, toml.Document):
        found = list(replace(document, notes=()).settle(found))
    for problem in found:
        yield replace(problem, file=path, fatal=problem.fatal and fatal)


def lost(roots: Sequence[str], known: Known, paths: Paths, here: str | None) -> Iterator[Problem]:
    """Roots that are not there: their agents are held now, or DOTAGENT_ROOT names them for
    nothing. ``here``: the folder whose ``agents`` need not be there."""
    may_lack = {paths.agents, os.path.join(here or "", "agents")}
    for root in roots:
        if os.path.isdir(root):
            continue
        held = sorted(name for name, agent in known.agents.items() if agent.root == root)
        if held:
            message = f"the folder is not there; held until it is back: {', '.join(held)}"
            yield Problem(path="", file=root, message=message)
        elif root not in may_lack:
            message = "DOTAGENT_ROOT names this folder, but it is not there"
            yield Problem(path="", file=root, message=message, fatal=False)


# ---------------------------------------------------------------------------- config.toml, secrets


def read_config(paths: Paths) -> configure.Reading:
    """config.toml as it is now."""
    try:
        return configure.read(paths.config, paths.good_config, app.drivers)
    except HomeError as error:  # its last good copy, which is wanted because the file is bad
        problem = Problem(path="", message=error.message, hint=error.hint)
        return configure.Reading(config=Config(), problems=(problem,), good=False)


def judge_config(reading: configure.Reading, paths: Paths, world: World) -> Iterator[Problem]:
    """What is wrong with config.toml, and what its notifiers lack."""
    for problem in reading.problems:
        yield replace(problem, file=paths.config)
    if reading.good:
        extra = [*check_notifiers(reading.config.notifiers, world), *_all_ears(reading.config)]
        yield from _placed(paths.config, reading.data or b"", extra)
        if reading.config.telemetry.endpoint is not None:
            message = "traces are not sent; there are metrics, [metrics], and the daemon's log"
            path = "telemetry.otlp_endpoint"
            yield Problem(path=path, file=paths.config, message=message, fatal=False)
    else:
        what = "the last good configuration stays" if reading.config != Config() else "defaults are"
        yield Problem(path="", file=paths.config, message=f"{what} in force", fatal=False)


def _all_ears(config: Config) -> Iterator[Problem]:
    """A channel for people that names no events hears of every success of every agent."""
    for at, notifier in enumerate(config.notifiers):
        if notifier.enabled and not notifier.events and notifier.driver not in FOR_PROGRAMS:
            yield Problem(
                path=child("notifiers", at),
                message="names no events, and so gets a message for every run that succeeds",
                hint='write events = ["given_up", "missed", "recovered"], or what you want of it',
                fatal=False,
            )


def judge_secrets(secrets: Secrets) -> Iterator[Problem]:
    """Why the secrets file is refused, or what a person should know of it."""
    if secrets.problem is not None:
        problem = Problem(path="", file=secrets.path, message=secrets.problem, hint=secrets.hint)
        yield _short(problem)
    for warning in secrets.warnings:
        yield _short(Problem(path="", file=secrets.path, message=warning, fatal=False))


def fetch(secrets: Secrets, env: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """The secrets that 1Password keeps, and those that it does not give."""
    if not secrets.references:
        return {}, []
    found = asyncio.run(_fetch(secrets.references, env))
    problems = [
        Problem(path=name, file=secrets.path, message=str(value), fatal=False)
        for name, value in found.items()
        if not isinstance(value, str)
    ]
    return {name: value for name, value in found.items() if isinstance(value, str)}, problems


async def _fetch(
    references: Mapping[str, str], env: Mapping[str, str]
) -> dict[str, str | Exception]:
    slots = asyncio.Semaphore(vault.AT_ONCE)

    async def one(reference: str) -> str | Exception:
        async with slots:
            return await vault.fetch(speak, env, reference)

    found = await asyncio.gather(*(one(reference) for reference in references.values()))
    return dict(zip(references, found, strict=True))


def uses(files: Iterable[File], reading: configure.Reading) -> Iterator[Use]:
    """Every use of a plugin, in every good manifest of an enabled agent and in config.toml."""
    for file in files:
        if file.manifest is not None and file.manifest.agent.enabled:
            yield from uses_of(file.manifest)
    yield from uses_of_notifiers(reading.config.notifiers, Security())
