"""``dotagent doctor``: everything that is wrong, now, with the place and what to do about it.

With ``--json``, one object: ``ok``, ``agents``, ``errors``, ``warnings``, ``notes``, and
``problems``: ``file``, ``line``, ``key``, ``error`` (false for a warning), ``message``, ``hint``.
What is not known is null. Invariant: we write nothing, anywhere.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from dotagent.cli import doctor_files as files
from dotagent.cli.doctor_home import Home, examine
from dotagent.cli.doctor_plugins import World, ask
from dotagent.cli.doctor_service import check_service, unheard
from dotagent.cli.layout import plain
from dotagent.cli.looking import page, show, show_json
from dotagent.cli.progress import doing
from dotagent.core.model import Problem
from dotagent.core.problems import explain
from dotagent.plugins.find import search_dirs
from dotagent.system import discovery, secrets, service
from dotagent.system.paths import Paths, home
from dotagent.system.waiting import now
from dotagent.system.zone import machine_zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All there is to say. ``agents``: how many could run."""

    problems: tuple[Problem, ...]
    agents: int
    notes: tuple[str, ...]

    @property
    def errors(self) -> int:
        return sum(problem.fatal for problem in self.problems)

    @property
    def warnings(self) -> int:
        return len(self.problems) - self.errors


@click.command()
@click.option("--strict", is_flag=True, help="Exit 1 for warnings too.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(strict: bool, as_json: bool) -> int:
    """Check every manifest, config.toml, the secrets and the home; exit 1 if something is wrong.

    The files are read as they are now, also those that no daemon has seen yet; ./agents is looked
    into too. Plugins are asked about their settings, and 1Password for its secrets; no agent is
    run, nothing is sent or written.

    \b
    Example:
      dotagent doctor
      dotagent doctor --strict --json
    """
    with doing("reading everything, and asking the plugins"):
        report = _examine(dict(os.environ))
    bad = report.errors > 0 or (strict and report.warnings > 0)
    printed = show_json(_data(report, bad)) if as_json else show(_text(report))
    return 1 if bad else printed


def _examine(env: Mapping[str, str]) -> Report:
    paths = Paths(home(env))
    found = examine(paths, env, now(), machine_zone(env))
    if found.unusable:
        return Report(problems=found.problems, agents=0, notes=found.notes)
    reading = files.read_config(paths)
    manager = service.manager(env, sys.platform)
    loaded = secrets.load(paths, reading.config.secrets_file or "", found.daemon_env)
    fetched, unfetched = files.fetch(loaded, found.agents_env)
    world = World(
        agents_env=found.agents_env,
        shell_env=env,
        secrets={**loaded.values, **fetched},
        secrets_path=loaded.path,
        masked=loaded.masked,
        withheld=loaded.withheld,
        plugin_dirs=search_dirs(found.agents_env, found.agents_env.get("HOME", ""), paths.home),
    )
    scheduled = _scheduled(paths, found)
    here = _here()
    roots = tuple(dict.fromkeys([*scheduled, *discovery.roots(env, paths.agents, here)]))
    manifests, refused = files.read_all(roots, scheduled)
    world = replace(world, faults=ask(files.uses(manifests, reading), world))
    problems = [
        *files.judge_config(reading, paths, world),
        *files.judge_secrets(loaded),
        *unfetched,
        *refused,
        *files.lost(roots, found.known, paths, here),
        *files.judge(manifests, paths, found.known, world, scheduled),
        *found.problems,
        *check_service(manager, paths, found.captured, reading.config),
    ]
    good = {file.manifest.agent.name for file in manifests if file.manifest is not None}
    agents = good | set(found.known.agents)
    notes = [*_by_hand(manifests, scheduled), *found.notes, *unheard(manager, reading.config)]
    if not agents and not problems:
        notes.append("There is no agent yet. Make one: dotagent init")
    return Report(problems=tuple(problems), agents=len(agents), notes=tuple(notes))


def _scheduled(paths: Paths, found: Home) -> tuple[str, ...]:
    """The roots whose agents run on schedule, chosen as ``app`` chooses them for the daemon."""
    captured = "DOTAGENT_ROOT" in found.agents_env
    return discovery.roots(found.agents_env if captured else found.daemon_env, paths.agents)


def _here() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _by_hand(manifests: Sequence[files.File], scheduled: Sequence[str]) -> Iterable[str]:
    """Which roots hold agents that nobody runs but a person."""
    roots = dict.fromkeys(file.root for file in manifests if file.root not in scheduled)
    for root in roots:
        yield f"What lies in {root} never runs on schedule: the daemon does not look there."


# ------------------------------------------------------------------------------------------- output


def _text(report: Report) -> list[str]:
    paper = page()
    lines: list[str] = []
    for problems in _by_file(report.problems):
        for problem in problems:
            head, *rest = explain(problem).splitlines()
            style = "bad" if problem.fatal else "doubtful"
            lines += [
                paper.paint(plain(head), style),
                *(f"    {plain(line.strip())}" for line in rest),
            ]
        lines.append("")
    for note in report.notes:
        lines += paper.paragraph(note)
    style = "bad" if report.errors else "doubtful" if report.warnings else "good"
    return [*lines, paper.paint(_summary(report), style)]


def _by_file(problems: Iterable[Problem]) -> Iterable[list[Problem]]:
    """Grouped, in the order in which the files first come up; within one, from top to bottom."""
    groups: dict[str, list[Problem]] = {}
    for problem in problems:
        groups.setdefault(problem.file, []).append(problem)
    return [sorted(group, key=lambda problem: problem.line or 0) for group in groups.values()]


def _summary(report: Report) -> str:
    parts = (
        (report.agents, "agent"),
        (report.errors, "error"),
        (report.warnings, "warning"),
    )
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in parts)


def _data(report: Report, bad: bool) -> Mapping[str, Any]:
    return {
        "ok": not bad,
        "agents": report.agents,
        "errors": report.errors,
        "warnings": report.warnings,
        "notes": list(report.notes),
        "problems": [
            {
                "file": problem.file,
                "line": problem.line,
                "key": problem.path or None,
                "error": problem.fatal,
                "message": problem.message,
                "hint": problem.hint,
            }
            for problem in report.problems
        ],
    }
