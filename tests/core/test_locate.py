"""Lines of key paths in a TOML text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import tomli
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dotagent.core.locate import index, line_of
from tests.core.toml_writer import Path, Writer, documents

MANIFEST = """\
# a comment
[agent]
name = "a"

[run]
command = '''
  [schedules]
'''

[[schedules]]
id = "one"
hours = [8,
  # not this one
  25]

[[schedules]]
id = "two"
env = {
  a = 1, b.c = 2,
}
[schedules.more]
x = 1
["quoted.key"]
"a\\tb" = 1
[last.of.all]
"""


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every key path below ``value``."""
    entries: Any = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    for step, inner in entries:
        yield (*path, step)
        yield from paths(inner, (*path, step))


def test_manifest() -> None:
    """Tables, arrays, elements, inline tables, dotted and quoted keys have their lines."""
    lines = index(MANIFEST)

    assert {
        "agent": 2,
        "agent.name": 3,
        "run.command": 6,
        "schedules": 10,
        "schedules[0]": 10,
        "schedules[0].hours": 12,
        "schedules[0].hours[0]": 12,
        "schedules[0].hours[1]": 14,
        "schedules[1].id": 17,
        "schedules[1].env.a": 19,
        "schedules[1].env.b.c": 19,
        "schedules[1].more.x": 22,
        '"quoted.key"."a\\tb"': 24,
        "last.of": 25,
    } == {
        path: line_of(lines, path)
        for path in (
            "agent",
            "agent.name",
            "run.command",
            "schedules",
            "schedules[0]",
            "schedules[0].hours",
            "schedules[0].hours[0]",
            "schedules[0].hours[1]",
            "schedules[1].id",
            "schedules[1].env.a",
            "schedules[1].env.b.c",
            "schedules[1].more.x",
            '"quoted.key"."a\\tb"',
            "last.of",
        )
    }


def test_missing_key_has_the_line_of_its_table() -> None:
    """What is not there is looked for where it should be; a missing table has no line."""
    lines = index(MANIFEST)

    assert line_of(lines, "schedules[1].cron") == 16
    assert line_of(lines, "agent.enabled") == 2
    assert line_of(lines, "security.network") is None
    assert line_of(lines, "") is None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_any_document(document: Writer) -> None:
    """In a random document of every style, each path has its line and nothing else has one."""
    table = tomli.loads(document.text)
    lines = dict(index(document.text))

    assert set(paths(table)) == set(lines)
    assert document.lines == lines


@given(st.text(alphabet="ab.=[]{}\"'#,\\ \n\r1"))
def test_any_text(text: str) -> None:
    """A text that is no TOML gives lines that exist, and no exception."""
    assert all(1 <= line <= text.count("\n") + 1 for line in index(text).values())


@pytest.mark.parametrize("rest", ["b [", '"\\q" = 2', "[b", "b = [1,", "b = {c = 1", "b = "])
def test_where_it_stops(rest: str) -> None:
    """What comes before the first thing that is no TOML keeps its line."""
    assert index(f"a = 1\n{rest}")[("a",)] == 1


def test_deep_nesting() -> None:
    """What is nested deeper than we follow has no line; what comes before keeps its own."""
    lines = index("a = 1\nb = " + "[" * 5_000)

    assert lines[("a",)] == 1
