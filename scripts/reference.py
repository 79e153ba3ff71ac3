"""The pages of docs/reference: keys, commands, events and metrics, as the code has them.

Only what each key means is written here; a key without a meaning, or a meaning without a key, is an
error, so that neither can be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import click

from dotagent.cli import main
from dotagent.core import config, manifest_hook, manifest_notifier, manifest_schedule, template
from dotagent.core import manifest_sections as sections
from dotagent.core.duration import text as span
from dotagent.core.model import AGENT_EVENTS, SEVERITY, Kind
from dotagent.core.shapes import Span, Units, Whole
from dotagent.core.values import Rule
from dotagent.engine import exposition
from scripts.meanings import CONFIG, EVENTS, MANIFEST, Meanings

HEAD = "<!-- Written by scripts/reference.py (make docs); do not edit. -->\n\n"
MANIFEST_TABLES: Mapping[str, type] = {
    "[agent]": sections._AgentKeys,
    "[run]": sections._RunKeys,
    "[[schedules]]": manifest_schedule._ScheduleKeys,
    "[defaults]": manifest_schedule._TryKeys,
    "[[notifiers]]": manifest_notifier._CommonKeys,
    "[expect]": sections._ExpectKeys,
    "[env]": sections.Env,
    "[limits]": sections.Limits,
    "[security]": sections.Security,
    "[[preflight]]": manifest_hook._HookKeys,
}
CONFIG_TABLES: Mapping[str, type] = {
    "[daemon]": config._DaemonKeys,
    "[summary]": config._SummaryKeys,
    "[deadman]": config._DeadmanKeys,
    "[retention]": config._RetentionKeys,
    "[metrics]": config._MetricsKeys,
    "[storm]": config._StormKeys,
    "[logging]": config._LoggingKeys,
    "[telemetry]": config._TelemetryKeys,
    "[secrets]": config._SecretsKeys,
}


def pages() -> dict[str, str]:
    """Each page's text by its name."""
    return {
        "reference/manifest.md": HEAD + _tables(MANIFEST_TABLES, MANIFEST) + _fields(),
        "reference/config.md": HEAD + _tables(CONFIG_TABLES, CONFIG),
        "reference/cli.md": HEAD + _commands(),
        "reference/events.md": HEAD + _events(),
        "reference/metrics.md": HEAD + _metrics(),
    }


# ------------------------------------------------------------------------------------------ keys


def _tables(tables: Mapping[str, type], meanings: Meanings) -> str:
    parts = [meanings.intro]
    for name, keys in tables.items():
        parts += [f"## `{name}`\n", *filter(None, [meanings.tables.get(name, "")])]
        rows = list(_rows(name, keys, meanings.keys))
        parts.append("\n".join(["| Key | Value | Default | Meaning |", "|---|---|---|---|", *rows]))
        parts.append("")
    named = {f"{name} {each}" for name, keys in tables.items() for each in _names(keys)}
    unknown = set(meanings.keys) - named
    if unknown:
        raise SystemExit(f"scripts/meanings.py explains what is not there: {sorted(unknown)}")
    return "\n".join(parts)


def _fields() -> str:
    head = "## The fields of a template\n\nWhat an event has not is empty.\n\n"
    rows = [f"| `{name}` | {said} |" for name, said in template.FIELDS.items()]
    return head + "\n".join(["| Field | Is |", "|---|---|", *rows, ""])


def _names(keys: type) -> list[str]:
    return [each.name.removesuffix("_") for each in fields(keys)]


def _rows(table: str, keys: type, meanings: Mapping[str, str]) -> Iterator[str]:
    hints = get_type_hints(keys, include_extras=True)
    for each in fields(keys):
        name = each.name.removesuffix("_")
        if f"{table} {name}" not in meanings:
            raise SystemExit(f"scripts/meanings.py says nothing of: {table} {name}")
        rule = _rule(hints[each.name])
        required = each.default is MISSING and each.default_factory is MISSING
        shown = "**required**" if required else _default(each.default, rule)
        yield f"| `{name}` | {_kind(hints[each.name])} | {shown} | {meanings[f'{table} {name}']} |"


def _rule(hint: Any) -> Rule | None:
    if get_origin(hint) in (Union, UnionType):
        rules = [_rule(each) for each in get_args(hint)]
        return next((each for each in rules if each is not None), None)
    found = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((each for each in found if isinstance(each, Rule)), None)


def _kind(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _ruled(inner[1], inner[0])
    if origin in (Union, UnionType):
        return " or ".join(_kind(each) for each in inner if each is not type(None))
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in inner)
    if origin is tuple:
        return f"list of {_kind(inner[0])}"
    if origin is not None:
        return "table"
    plain = {str: "text", int: "whole number", bool: "true or false", float: "number"}
    return plain.get(hint, "table")


def _ruled(rule: Any, hint: Any) -> str:
    if isinstance(rule, Whole):
        return f"{rule.low} or more" if rule.high is None else f"{rule.low}–{rule.high:,}"
    if isinstance(rule, Units):
        return f"number of {rule.unit}"
    name = type(rule).__name__.lstrip("_")
    words = {"Span": "duration", "Timeout": "number of seconds", "Second": "duration", "Url": "URL"}
    words |= {"Address": "`HOST:PORT`", "File": "absolute path", "Level": "level", "Clock": "HH:MM"}
    return words.get(name, "text" if hint in (str, Any) else _kind(hint))


def _default(value: Any, rule: Rule | None) -> str:
    if value is MISSING or value in (None, (), ""):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(rule, Units):
        size = {"seconds": 1_000, "minutes": 60_000, "days": 86_400_000}[rule.unit]
        return f"`{value // size}`"
    if isinstance(rule, Span) and value:
        return f"`{span(value)}`"
    if rule is not None and type(rule).__name__ == "TimeOfDay":
        return f"`{value // 60:02}:{value % 60:02}`"
    return f"`{value}`"


# --------------------------------------------------------------------------- commands and events


def _commands() -> str:
    parts = ["# Commands\n", "Every command says this itself: `dotagent COMMAND --help`.\n"]
    context = click.Context(main.root, info_name="dotagent")
    for name in main.COMMANDS:
        command = main.root.get_command(context, name)
        assert command is not None
        parts += [f"## {name}\n", *_help(command, context, name)]
    parts += ["## Exit codes\n", EXITS]
    return "\n".join(parts)


def _help(command: click.Command, parent: click.Context, name: str) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=88)
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield f"```text\n{text}\n```\n"
    if isinstance(command, click.Group):
        for each in sorted(command.commands):
            yield f"### {name} {each}\n"
            yield from _help(command.commands[each], context, each)


EXITS = """\
| Code | Meaning |
|---|---|
| 0 | all is well |
| 1 | failed |
| 2 | usage, or a configuration that is not right |
| 3 | the home or its database cannot be used |
| 4 | not found |
| 5 | another process holds the home |

`run` and `run-now` exit with the agent's own code: 124 after a timeout, 128 + n after a signal,
75 where it was blocked or
skipped.
"""


def _events() -> str:
    missing = {*Kind} ^ {*EVENTS}
    if missing:
        raise SystemExit(f"scripts/meanings.py and the events differ: {sorted(missing)}")
    parts = ["# Events\n", "What `events` of a notifier may name.\n"]
    for title, kinds in (
        ("About agents", AGENT_EVENTS),
        ("About dotagent itself", [each for each in Kind if each not in AGENT_EVENTS]),
    ):
        rows = [f"| `{kind}` | {SEVERITY[kind]} | {EVENTS[kind]} |" for kind in kinds]
        parts += [f"## {title}\n", "| Event | Severity | When |", "|---|---|---|", *rows, ""]
    return "\n".join(parts)


def _metrics() -> str:
    parts = ["# Metrics\n", "For Prometheus; [how to have them](../how-to/watch-dotagent.md).\n"]
    rows = ["| Metric | Type | Labels | Meaning |", "|---|---|---|---|"]
    tables: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
        ("counter", "_total", exposition.COUNTERS),
        ("summary", "", exposition.SUMMARIES),
        ("gauge", "", {k: (v, ("agent", "schedule")) for k, v in exposition.OF_SCHEDULES.items()}),
        ("gauge", "", {k: (v[0], ()) for k, v in exposition.GAUGES.items()}),
        ("gauge", "", exposition.OTHERS),
    )
    for kind, end, metrics in tables:
        for name, (about, labels) in metrics.items():
            shown = ", ".join(f"`{each}`" for each in labels) or "none"
            rows.append(f"| `dotagent_{name}{end}` | {kind} | {shown} | {about} |")
    return "\n".join([*parts, *rows, ""])
