"""``dotagent plugin``: which plugins there are, what one answers, whether it keeps the protocol.

With ``--json``, ``list`` prints ``plugins``, one object each: ``name``, ``path``, ``version``,
``kinds``, ``platforms``, ``used_by`` (agents), ``problem``; ``invoke`` prints what it made of the
answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import click

from dotagent.cli import doctor_files as files
from dotagent.cli.layout import plain
from dotagent.cli.looking import page, show, show_json
from dotagent.cli.progress import doing
from dotagent.cli.usage import Group
from dotagent.core.errors import NotFound, UsageError
from dotagent.core.manifest import Security
from dotagent.core.secret import Redactor, named_as_secret
from dotagent.core.shell import word
from dotagent.core.span import count
from dotagent.plugins import client, examine, find
from dotagent.plugins.client import DEADLINE_MS, PluginKind
from dotagent.plugins.conformance import Conformance, Finding
from dotagent.plugins.examine import Info
from dotagent.steps.uses import uses_of, uses_of_notifiers
from dotagent.supervisor.speak import speak
from dotagent.system import discovery, environment, secrets
from dotagent.system.paths import Paths, home


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """Where plugins lie and what they inherit, as the daemon would have it."""

    paths: Paths
    env: Mapping[str, str]
    dirs: tuple[str, ...]
    secret: tuple[str, ...] = field(repr=False)
    withheld: str

    def redactor(self, more: Sequence[str] = ()) -> Redactor:
        """Masks what is secret here, and ``more``."""
        return Redactor((*self.secret, *more), self.withheld)


def _here() -> Here:
    shell = dict(os.environ)
    paths = Paths(home(shell))
    captured = environment.read(paths.environment)
    env = shell if captured is None else captured
    reading = files.read_config(paths)
    loaded = secrets.load(paths, reading.config.secrets_file or "", env)
    secret = (*loaded.masked, *named_as_secret(env))
    dirs = find.search_dirs(env, env.get("HOME", ""), paths.home)
    return Here(paths=paths, env=env, dirs=dirs, secret=secret, withheld=loaded.withheld)


@click.group(cls=Group)
def command() -> None:
    """Look at the plugins: programs called dotagent-plugin-NAME.

    \b
    Example:
      dotagent plugin list
    """


# -------------------------------------------------------------------------------------------- list


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One plugin. ``problem``: why it cannot be used."""

    name: str
    path: str | None = None
    info: Info | None = None
    used_by: tuple[str, ...] = ()
    problem: str | None = None


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def list_(as_json: bool) -> int:
    """Show every plugin that is installed or that a manifest names: name, version, kinds, path.

    \b
    Example:
      dotagent plugin list --json
    """
    here = _here()
    used = _used(here)
    names = sorted({*used, *_installed(here.dirs)})
    found = [_row(here, name, used.get(name, ())) for name in names]
    with doing(f"asking {count(len(found), 'plugin')} what they are"):
        rows = asyncio.run(_asked(here, found))
    if as_json:
        return show_json({"plugins": [_data(row) for row in rows]})
    following = ["", f"Next: {_following(rows)}"]
    if not rows:
        return show(["There is no plugin, and no manifest names one.", *following])
    # Scripts made for 0.1.x read these lines (contract §17): a word for people would be one more.
    return show([*(_line(row) for row in rows), *(following if sys.stdout.isatty() else [])])


def _following(rows: Sequence[Row]) -> str:
    """What is missing the doctor explains; what cannot say who it is has not kept the protocol."""
    if any(row.path is None for row in rows):
        return "dotagent doctor"
    bad = [row.path for row in rows if row.problem is not None]
    path = next(iter([*bad, *(row.path for row in rows)]), None)
    return "dotagent status" if path is None else f"dotagent plugin check {word(plain(path))}"


def _used(here: Here) -> Mapping[str, tuple[str, ...]]:
    """The plugins that manifests and config.toml name, and which agents do."""
    roots = discovery.roots(here.env, here.paths.agents, os.getcwd())
    manifests, _ = files.read_all(roots, roots)
    found: dict[str, dict[str, None]] = {}
    for file in manifests:
        if file.manifest is not None:
            for use in uses_of(file.manifest):
                found.setdefault(use.name, {})[file.manifest.agent.name] = None
    for use in uses_of_notifiers(files.read_config(here.paths).config.notifiers, Security()):
        found.setdefault(use.name, {})["config.toml"] = None
    return {name: tuple(agents) for name, agents in found.items()}


def _installed(dirs: Sequence[str]) -> set[str]:
    names = set()
    for folder in dirs:
        try:
            entries = os.listdir(folder)
        except OSError:
            continue
        names |= {
            name.removeprefix(find.PREFIX) for name in entries if name.startswith(find.PREFIX)
        }
    return names - {""}


def _row(here: Here, name: str, used_by: tuple[str, ...]) -> Row:
    found = find.find(name, here.dirs)
    if isinstance(found, find.Missing):
        return Row(name=name, used_by=used_by, problem=found.why)
    return Row(name=name, path=found.path, used_by=used_by)


async def _asked(here: Here, rows: Sequence[Row]) -> list[Row]:
    return list(await asyncio.gather(*(_with_info(here, row) for row in rows)))


async def _with_info(here: Here, row: Row) -> Row:
    if row.path is None:
        return row
    said = await examine.info(speak, row.path, here.env, here.redactor())
    return replace(row, problem=said) if isinstance(said, str) else replace(row, info=said)


def _line(row: Row) -> str:
    """Tabs between, as dotagent 0.1.x prints it (contract §17)."""
    if row.path is None:
        cells = [row.name, f"(not found: {row.problem})"]
    elif row.info is None:
        cells = [row.name, f"(info failed: {row.problem})", row.path]
    else:
        kinds = ",".join(json.dumps(kind) for kind in row.info.kinds)
        cells = [row.name, row.info.version, kinds, row.path]
    return "\t".join(plain(cell) for cell in cells)


def _data(row: Row) -> Mapping[str, Any]:
    info = row.info or Info(name=row.name)
    return {
        "name": row.name,
        "path": row.path,
        "version": info.version or None,
        "kinds": list(info.kinds),
        "platforms": list(info.platforms),
        "used_by": list(row.used_by),
        "problem": row.problem,
    }


# ------------------------------------------------------------------------------------------ invoke


@command.command()
@click.argument("name")
@click.argument("payload")
@click.option("--timeout", "seconds", type=click.IntRange(1, 3600), help="Seconds it may take.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def invoke(name: str, payload: str, seconds: int | None, as_json: bool) -> int:
    """Invoke the plugin NAME for real, with PAYLOAD: a JSON object, @FILE, or - for standard input.

    Keys that it lacks are filled in: kind notify, agent and schedule "manual". Exit 0 only if the
    plugin says that it did what it was asked.

    \b
    Example:
      dotagent plugin invoke sink-file '{"kind": "sink", "message": "a try"}'
    """
    here = _here()
    found = find.find(name, here.dirs)
    if isinstance(found, find.Missing):
        raise NotFound(found.why, "See: dotagent plugin list")
    said = _payload(payload)
    kind = PluginKind(said["kind"])
    default = DEADLINE_MS["on_success" if kind is PluginKind.SINK else "preflight"]
    deadline = default if seconds is None else seconds * 1_000
    redactor = here.redactor([*named_as_secret({"config": said["config"]})])
    answer = asyncio.run(
        client.invoke(
            speak,
            found.path,
            client.payload(**said),
            here.env,
            deadline,
            redactor=redactor,
        )
    )
    if answer.stderr and answer.invoked:
        click.echo(plain(answer.stderr), err=True)
    if as_json:
        return show_json(_answer(answer, redactor)) or int(not answer.ok)
    lines = ["ok" if answer.ok else f"{answer.end.replace('_', ' ')}: {answer.error}"]
    lines += [f"it suggests: {answer.suggest}"] if answer.suggest else []
    if answer.fields and not redactor.withheld:
        lines.append(_fields(answer, redactor))
    return show([plain(line) for line in lines]) or int(not answer.ok)


def _payload(text: str) -> dict[str, Any]:
    """What ``client.payload`` takes. Raises ``UsageError``."""
    try:
        said = json.loads(_read(text))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"PAYLOAD is no JSON: {error}") from None
    if not isinstance(said, dict):
        raise UsageError("PAYLOAD is no JSON object")
    kinds = ", ".join(PluginKind)
    if said.setdefault("kind", "notify") not in list(PluginKind):
        raise UsageError(f"kind must be one of {kinds}")
    event = {"preflight": "preflight", "sink": "success"}.get(said["kind"], "attempt_failed")
    filled = {"agent": "manual", "schedule": "manual", "event": event, "message": None}
    six = {**filled, "config": None, **said}
    extra = {key: six.pop(key) for key in [*six] if key not in (*filled, "kind", "config")}
    return {**six, "kind": PluginKind(six["kind"]), "extra": extra}


def _read(text: str) -> str:
    try:
        if text == "-":
            return sys.stdin.read()
        if text.startswith("@"):
            with open(text[1:], encoding="utf-8") as file:
                return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{text} cannot be read: {error}") from None
    return text


def _fields(answer: client.Answer, redactor: Redactor) -> str:
    shown = {} if redactor.withheld else dict(answer.fields)
    return redactor.text(json.dumps(shown, ensure_ascii=False))


def _answer(answer: client.Answer, redactor: Redactor) -> Mapping[str, Any]:
    return {
        "ok": answer.ok,
        "end": str(answer.end),
        "error": answer.error,
        "suggest": answer.suggest,
        "fields": json.loads(_fields(answer, redactor)),
    }


# ------------------------------------------------------------------------------------------- check


@command.command()
@click.argument("path", type=click.Path())
@click.option("--config", metavar="JSON", help="A configuration that it must accept and work with.")
@click.option("--timeout", "seconds", type=click.IntRange(1, 3600), default=10, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def check(path: str, config: str | None, seconds: int, as_json: bool) -> int:
    """Check whether the plugin at PATH keeps to the protocol.

    It is really invoked, as each kind that it says it is, without a configuration unless --config
    gives one.

    Exit 1 if dotagent could not work with it.

    \b
    Example:
      dotagent plugin check ./dotagent-plugin-mine
    """
    if not os.path.isfile(path):
        raise NotFound(f"{path} is no file", "Give the path of the plugin's program.")
    if not os.access(path, os.X_OK):
        raise NotFound(f"{path} is no program that can be run", "chmod +x makes it one")
    try:
        given = None if config is None else json.loads(config)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--config is no JSON: {error}") from None
    here = _here()
    redactor = here.redactor([*named_as_secret({"config": given})])
    program, deadline = os.path.abspath(path), seconds * 1_000
    run = Conformance(speak, program, here.env, given, deadline, redactor)
    with doing(f"checking {plain(os.path.basename(path))}"):
        findings = asyncio.run(_all(run))
    bad = any(finding.why is not None and finding.grave for finding in findings)
    if as_json:
        data = [{"check": f.what, "problem": f.why, "grave": f.grave} for f in findings]
        return show_json({"ok": not bad, "checks": data}) or int(bad)
    return show([_shown(finding) for finding in findings]) or int(bad)


async def _all(run: Conformance) -> list[Finding]:
    return [finding async for finding in run.run()]


def _shown(finding: Finding) -> str:
    paper = page()
    if finding.why is None:
        return f"{paper.paint('✓', 'good')} {finding.what}"
    mark, style = ("✗", "bad") if finding.grave else ("!", "doubtful")
    return f"{paper.paint(mark, style)} {finding.what}: {plain(finding.why)}"
