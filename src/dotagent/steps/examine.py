"""What plugins say of the configurations they are used with, asked once a manifest was adopted or
config.toml is in force.

A refusal is told (``manifest_invalid``, ``config_invalid``), but stops no agent: the plugin may be
wrong, or right only tomorrow, and an agent that runs with one message too few is better than one
that does not run. Invariants: nothing waits for this; the same plugin is asked the same only once,
over restarts too; what nobody answered is asked again by the next holder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dotagent.core.config import read_config
from dotagent.core.errors import DotagentError
from dotagent.core.manifest import Manifest, Security
from dotagent.core.model import Problem
from dotagent.core.problems import explain
from dotagent.core.restrict import refused_plugin
from dotagent.core.secret import Unresolved
from dotagent.core.targets import fingerprint
from dotagent.plugins import examine, find
from dotagent.plugins.examine import Verdict
from dotagent.plugins.find import Found, Missing
from dotagent.steps import plugin_call
from dotagent.steps.catalogue import Drivers, accepted, parse
from dotagent.steps.parts import PLUGIN_PACE, Parts
from dotagent.steps.secrecy import for_plugin, resolved
from dotagent.steps.uses import Use, uses_of, uses_of_notifiers
from dotagent.steps.vault import names_in
from dotagent.store import look, plugin_uses
from dotagent.store.plugin_uses import Finding, Kept
from dotagent.system.paths import Paths

AT_A_TIME = 50
"""Agents whose plugins are asked, settled and told of together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a plugin is, and which file that is; empty where there is none."""

    found: Found | Missing
    program: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One use that is to be settled."""

    agent: str
    sha256: str
    path: str
    manifest: Manifest | None = field(repr=False)
    """None for config.toml."""
    use: Use
    kept: Kept
    place: _Place

    def settled(self, *, question: str = "", fault: str = "", news: bool = False) -> list[Finding]:
        """What is to be kept; nothing where it is known already."""
        now = Kept(due=False, program=self.place.program, question=question, fault=fault)
        if now == self.kept:
            return []
        problem = Problem(path=self.use.path, message=fault)
        is_other = (question, fault) != (self.kept.question, self.kept.fault)
        return [
            Finding(
                agent=self.agent,
                sha256=self.sha256,
                place=self.use.path,
                program=now.program,
                question=question,
                fault=fault,
                news=explain(problem, self.path) if news and is_other else "",
            )
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What a plugin is to be asked for a case, and the secrets in it."""

    case: _Case
    key: str
    program: str
    config: Any = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


class Examination:
    """Remembers for this holder what found no answer, so that what hangs is not asked at every
    look."""

    def __init__(self) -> None:
        self._unheard: set[str] = set()

    async def run(self, parts: Parts, drivers: Drivers) -> None:
        """Ask what is to be asked, a few agents at a time. Raises ``StoreBusy``."""
        places = await _places(parts)
        agents = plugin_uses.open_agents(parts.reader)
        for at in range(0, len(agents), AT_A_TIME):
            findings: list[Finding] = []
            questions: list[_Question] = []
            for agent, sha256 in agents[at : at + AT_A_TIME]:
                for case in await _cases(parts, drivers, agent, sha256, places):
                    known = await self._known(parts, case)
                    if isinstance(known, _Question):
                        questions.append(known)
                    else:
                        findings += known
            findings += await self._ask(parts, questions)
            if findings:
                await _settle(parts, findings)

    async def _known(self, parts: Parts, case: _Case) -> Sequence[Finding] | _Question:
        """What can be kept without asking, else what is to be asked."""
        place, use = case.place.found, case.use
        if refused_plugin(use.security, use.name) is not None:
            return case.settled()  # it is never started, and doctor says so
        if isinstance(place, Missing):
            return case.settled(fault="" if use.stands_in else place.why)
        question = await _question(parts, case, place)
        if question is None or question.key in self._unheard:
            return []
        known = plugin_uses.answered(parts.reader, question.key)
        if known is None:
            return question
        return case.settled(question=question.key, fault=known, news=known != "")

    async def _ask(self, parts: Parts, questions: Sequence[_Question]) -> list[Finding]:
        """The same question once, whoever has it."""
        slots = asyncio.Semaphore(PLUGIN_PACE.parallel)
        alike = {each.key: each for each in questions}

        async def one(question: _Question) -> Verdict:
            async with slots:
                return await _verdict(parts, question)

        said = await asyncio.gather(*(one(each) for each in alike.values()))
        verdicts = dict(zip(alike, said, strict=True))
        self._unheard |= {key for key, found in verdicts.items() if not found.is_heard}
        return [found for each in questions for found in _finding(each, verdicts[each.key])]


def _finding(question: _Question, verdict: Verdict) -> list[Finding]:
    fault = verdict.why or ""
    if not verdict.is_heard:
        return question.case.settled(fault=fault)
    return question.case.settled(question=question.key, fault=fault, news=fault != "")


async def _settle(parts: Parts, findings: Sequence[Finding]) -> None:
    now = parts.clock.now()
    await parts.store.write(lambda tx: plugin_uses.settle(tx, parts.actor, now, findings))


async def _places(parts: Parts) -> dict[str, _Place]:
    """Where each plugin in use is now. What was asked of another program is to be asked again."""
    places: dict[str, _Place] = {}
    changed: dict[str, str] = {}
    for plugin, asked in plugin_uses.programs(parts.reader).items():
        found = await plugin_call.locate(parts, plugin)
        # As with the search itself: a stat may wait for a network share that has gone away.
        program = await asyncio.to_thread(find.identity, found)
        places[plugin] = _Place(found=found, program=program)
        if asked - {program}:
            changed[plugin] = program
    if changed:
        await parts.store.write(lambda tx: plugin_uses.outdate(tx, changed))
    return places


async def _cases(
    parts: Parts, drivers: Drivers, agent: str, sha256: str, places: Mapping[str, _Place]
) -> list[_Case]:
    """The uses of an agent, or of config.toml. What was adopted after the look at the store has its
    own look later."""
    # Thousands of new manifests must not hold up what runs, nor push it out of the catalogue.
    file = await asyncio.to_thread(_read, parts.paths, agent, sha256, drivers)
    row = look.agent(parts.reader, agent)
    if file is None or (agent and row is None):
        return []
    known = plugin_uses.kept(parts.reader, agent)
    return [
        _Case(
            agent=agent,
            sha256=sha256,
            path=parts.paths.config if row is None else row["path"],
            manifest=file.manifest,
            use=use,
            kept=known[use.path],
            place=places[use.name],
        )
        for use in file.uses
        if use.path in known and use.name in places
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A manifest and its uses of plugins, or those of config.toml."""

    manifest: Manifest | None
    uses: tuple[Use, ...]


def _read(paths: Paths, agent: str, sha256: str, drivers: Drivers) -> _File | None:
    """None without its good copy: nothing of it runs then, and that is told elsewhere."""
    if not agent:
        return _read_config(paths.good_config, sha256, drivers)
    path = paths.good_manifest(agent)
    try:
        manifest = parse(path, accepted(path, sha256), drivers())
    except DotagentError:
        return None
    return _File(manifest=manifest, uses=tuple(uses_of(manifest)))


def _read_config(path: str, sha256: str, drivers: Drivers) -> _File | None:
    try:
        data = accepted(path, sha256)
    except DotagentError:
        return None
    config, _ = read_config(data, drivers())
    uses = uses_of_notifiers(config.notifiers if config is not None else (), Security())
    return _File(manifest=None, uses=tuple(uses))


async def _question(parts: Parts, case: _Case, found: Found) -> _Question | None:
    """None while a ``${NAME}`` has no value, for there is no configuration yet to ask about, or its
    answer could not be shown. The key says nothing of a secret to whoever reads the database."""
    if parts.withheld:
        return None
    config, security = case.use.config, case.use.security
    await parts.vault.arrived(names_in(config))
    try:
        settings, used = resolved(parts, {"config": config})
    except Unresolved:
        return None
    asked = {
        "program": case.place.program,
        "kind": case.use.kind,
        "config": settings["config"],
        "env": security.env_passthrough,
    }
    return _Question(
        case=case,
        key=fingerprint(parts.home_key, "validate", asked),
        program=found.path,
        config=settings["config"],
        secrets=used,
    )


async def _verdict(parts: Parts, question: _Question) -> Verdict:
    manifest = question.case.manifest
    return await examine.verdict(
        parts.speak,
        question.program,
        question.case.use.kind,
        question.config,
        plugin_call.environment(parts, manifest),
        for_plugin(parts, manifest, question.secrets),
    )
