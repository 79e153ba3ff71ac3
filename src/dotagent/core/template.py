"""Templates: a person's own words for a notifier's messages, in Jinja (product §6).

A template says how a message reads, and can do nothing else. What could run long or grow without
end is refused when the manifest is read: no calls, no assignments, no macros, no loop in a loop,
few filters, and ``*`` for numbers only. So its work and its text are bounded by its own length and
that of the fields. Invariant: no message is lost to its template; one that fails is told in the
built-in words, which say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dotagent.core.duration import human
from dotagent.core.fit import clean, one_line, visible
from dotagent.core.model import Message
from dotagent.core.moment import clock, stamp
from dotagent.core.problems import nearest, quoted
from dotagent.core.render import REPEAT

if TYPE_CHECKING:
    from jinja2.environment import Template
    from jinja2.nodes import Node
    from jinja2.sandbox import SandboxedEnvironment

FIELDS: Mapping[str, str] = {
    "kind": "the event: given_up, success, …",
    "severity": "critical, warning, notice or info",
    "agent": "the agent's name; empty for events about dotagent itself",
    "schedule": "the schedule's id",
    "host": "the machine's name",
    "at": "when it happened, ISO 8601 in the machine's zone",
    "time": "the same as 14:35",
    "title": "the built-in title",
    "line": "the built-in line",
    "output": "the end of the output",
    "link": "a link that the script reported",
    "summary": "what the script reported of itself",
    "result": "everything that the script reported, by name",
    "attempt": "the attempt's number",
    "max_attempts": "how many attempts there may be",
    "manual": "whether a person asked for the run",
    "words": "how the attempt ended: exit 1, timed out after 30 min, …",
    "code": "its exit code",
    "duration": "how long it ran, as 4.2 s",
    "duration_ms": "the same in milliseconds",
    "expected": "when the run was due, as 08:30",
    "next_try": "when it is tried again, as 14:35",
    "why": "why a run was given up or missed",
    "since": "since when it fails, as 08:30",
    "lasted": "how long it has failed, as 2 h 30 min",
    "failures": "failed attempts of the outage",
    "lost_runs": "runs given up or missed in the outage",
    "count": "how many runs were missed",
    "plugin": "the preflight that blocked the run",
    "suggest": "what it suggests",
}
"""What a template may use. All are always there; what an event does not have is empty."""

TEXT_MOST = 4_000
"""Characters of a template, and of each text that it is given."""
RENDERED_MOST = 16_000
"""Characters of what it makes; services take far less."""

_FILTERS = (
    "abs",
    "capitalize",
    "d",
    "default",
    "first",
    "float",
    "int",
    "items",
    "last",
    "length",
    "lower",
    "round",
    "string",
    "title",
    "trim",
    "truncate",
    "upper",
)
_NODES = (
    "Template",
    "Output",
    "TemplateData",
    "Name",
    "Const",
    "Getattr",
    "Getitem",
    "Slice",
    "Filter",
    "Test",
    "If",
    "CondExpr",
    "For",
    "Compare",
    "Operand",
    "And",
    "Or",
    "Not",
    "Neg",
    "Pos",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "FloorDiv",
    "Concat",
    "Tuple",
    "List",
    "Dict",
    "Pair",
    "Keyword",
)
_TESTS = ("defined", "undefined", "none", "number", "string", "in", "even", "odd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """What is wrong with a template, and on which of its lines."""

    message: str
    line: int
    hint: str | None = None


def check(text: str) -> list[Flaw]:
    """All that is wrong with a template, before anybody depends on it."""
    from jinja2 import TemplateSyntaxError

    if len(text) > TEXT_MOST:
        return [Flaw(message=f"longer than {TEXT_MOST} characters", line=1)]
    try:
        tree = _environment().parse(text)
    except TemplateSyntaxError as error:
        return [Flaw(message=error.message or "not a template", line=error.lineno)]
    return list(_flaws(tree, frozenset(), in_loop=False))


def _flaws(node: Node, local: frozenset[str], *, in_loop: bool) -> Iterator[Flaw]:
    from jinja2 import nodes

    name = type(node).__name__
    if name not in _NODES:
        yield Flaw(
            message=f"a template cannot hold this ({_PLAIN.get(name, name)})", line=_at(node)
        )
        return
    if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
        yield _unknown("filter", node.name, _FILTERS, node)
    if isinstance(node, nodes.Test) and node.name not in _TESTS:
        yield _unknown("test", node.name, _TESTS, node)
    if isinstance(node, nodes.Name) and node.ctx == "load" and node.name not in {*FIELDS, *local}:
        yield _unknown("field", node.name, tuple(FIELDS), node)
    if isinstance(node, nodes.For):
        if in_loop or node.recursive:
            yield Flaw(message="a loop in a loop may never end; use one", line=_at(node))
        bound = {each.name for each in node.target.find_all(nodes.Name)} | {"loop"}
        if isinstance(node.target, nodes.Name):
            bound.add(node.target.name)
        local, in_loop = local | bound, True
    for child in node.iter_child_nodes():
        yield from _flaws(child, local, in_loop=in_loop)


_PLAIN = {
    "Call": "a call",
    "Assign": "set",
    "AssignBlock": "set",
    "Macro": "macro",
    "Include": "include",
    "Import": "import",
    "FromImport": "import",
    "Extends": "extends",
    "Block": "block",
    "Pow": "**",
    "Mod": "%",
    "FilterBlock": "filter",
}


def _unknown(what: str, name: str, known: tuple[str, ...], node: Node) -> Flaw:
    return Flaw(
        message=f"{quoted(name)} is not a {what} of templates",
        line=_at(node),
        hint=nearest(name, known) or f"there are: {', '.join(known)}",
    )


def _at(node: Node) -> int:
    return int(node.lineno or 1)


# --------------------------------------------------------------------------------------- rendering


def apply(message: Message, template: str | None, zone: tzinfo) -> tuple[Message, str]:
    """The message in the template's words, and a remark: empty, or why its own words stayed. The
    first line that is not empty becomes the message's line, the others follow it."""
    if template is None:
        return message, ""
    try:
        text = _rendered(template, fields(message, zone))
    except Exception as error:  # whatever a template does, the message goes out
        return _built_in(message, one_line(f"{type(error).__name__}: {error}"))
    head, _, rest = clean(text).strip().partition("\n")
    if not visible(head):
        return _built_in(message, "it is empty for this event")
    head, rest = one_line(head), rest.rstrip()
    if message.line.endswith(REPEAT) and REPEAT not in head:
        head += REPEAT
    body = f"{head}\n{rest}" if rest else head
    return replace(message, line=head, tail=rest, legacy=body), ""


def _built_in(message: Message, why: str) -> tuple[Message, str]:
    remark = f"its template failed ({why[:200]}); the built-in text was used"
    return replace(message, line=f"{message.line} (the notifier's template failed)"), remark


def _rendered(template: str, values: Mapping[str, Any]) -> str:
    text = ""
    for part in _compiled(template).generate(values):
        text += part
        if len(text) > RENDERED_MOST:
            raise ValueError(f"it makes more than {RENDERED_MOST} characters")
    return text


@lru_cache(maxsize=64)
def _compiled(template: str) -> Template:
    flaws = check(template)
    if flaws:  # of another version's good copy, say
        raise ValueError(flaws[0].message)
    return _environment().from_string(template)


def fields(message: Message, zone: tzinfo) -> dict[str, Any]:
    """What a template is given of a message: plain texts and numbers, no secret among them."""
    facts = message.facts
    result = {
        str(name): _short(value)
        for name, value in (facts.get("result") or {}).items()
        if isinstance(value, str | int | float)
    }

    def wall(name: str) -> str:
        at = facts.get(name)
        return clock(at, message.at, zone) if isinstance(at, int) else ""

    lasted = facts.get("lasted_ms")
    if lasted is None and isinstance(facts.get("since"), int):
        lasted = message.at - facts["since"]
    values: dict[str, Any] = {
        "kind": message.kind.value,
        "severity": message.severity.value,
        "agent": message.agent,
        "schedule": message.schedule_id,
        "at": stamp(message.at, zone),
        "time": clock(message.at, message.at, zone),
        "title": message.title,
        "line": message.line,
        "output": message.tail[-TEXT_MOST:],
        "link": message.link,
        "summary": result.get("summary"),
        "result": result,
        "attempt": facts.get("number"),
        "max_attempts": facts.get("max"),
        "duration": human(facts["duration_ms"]) if facts.get("duration_ms") is not None else "",
        "expected": wall("expected_at"),
        "next_try": wall("next_at"),
        "since": wall("since"),
        "lasted": human(lasted) if lasted is not None else "",
        "lost_runs": facts.get("windows"),
    }
    plain = {name: _short(facts.get(name)) for name in FIELDS if name not in values}
    return {name: _short(value) for name, value in values.items()} | plain


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value[:TEXT_MOST]
    return "" if value is None else value


@lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    """Jinja is loaded only where a template is written: it costs memory that most homes spare."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Environment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset("*")

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if not (isinstance(left, int | float) and isinstance(right, int | float)):
                raise TypeError("only numbers can be multiplied")
            return left * right

    environment = Environment(trim_blocks=True, lstrip_blocks=True, cache_size=0)
    environment.globals.clear()
    environment.policies["truncate.leeway"] = 0
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    return environment
