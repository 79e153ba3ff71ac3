"""Key paths, nearest names, and problems as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.model import Problem
from dotagent.core.problems import Findings, child, explain, nearest, one_of, parts, quoted


@pytest.mark.parametrize(
    ("steps", "path"),
    [
        (("schedules", 0, "hours", 2), "schedules[0].hours[2]"),
        (("env", "extra", "a.b"), 'env.extra."a.b"'),
        (("",), '""'),
        (("é",), '"é"'),
        (('a"b\n',), '"a\\"b\\n"'),
        (("a\u202eb",), '"a\\u202eb"'),
        (("\U000e0001",), '"\\udb40\\udc01"'),
        ((), ""),
    ],
)
def test_path(steps: tuple[str | int, ...], path: str) -> None:
    """A path is written as TOML would write it, without control characters, and read back."""
    made = ""
    for step in steps:
        made = child(made, step)

    assert path == made
    assert steps == parts(made)


@given(st.lists(st.text(max_size=50) | st.integers(min_value=0, max_value=99), min_size=1))
def test_path_round_trip(steps: list[str | int]) -> None:
    """Any path that starts with a key is read back as it was."""
    path = ""
    for step in ["first", *steps]:
        path = child(path, step)

    assert ("first", *steps) == parts(path)


def test_long_key_is_cut() -> None:
    """A key of a thousand letters does not fill the screen."""
    assert len(child("", "x" * 1_000)) < 70


@given(st.text())
def test_parts_never_raises(path: str) -> None:
    """Any text is read as far as it is a path."""
    assert isinstance(parts(path), tuple)


@pytest.mark.parametrize(
    ("name", "choices", "expected"),
    [
        ("give_up", ["given_up", "missed"], "given_up"),
        ("webhok-url", ["webhook_url", "channel"], "webhook_url"),
        ("Slack", ["slack", "ntfy"], "slack"),
        ("zzz", ["slack", "ntfy"], None),
        ("x" * 100, ["slack"], None),
    ],
)
def test_nearest(name: str, choices: list[str], expected: str | None) -> None:
    """A mistyped name finds the one that was meant, and nothing else finds one."""
    assert expected == nearest(name, choices)


def test_one_of() -> None:
    """Choices are listed as in a sentence."""
    assert '"a", "b" or "c"' == one_of(["a", "b", "c"])
    assert '"a"' == one_of(["a"])


def test_quoted_is_short_and_harmless() -> None:
    """A found text is cut, and what would act on a terminal is written out."""
    assert '"\\u001b[31mred\\u009b"' == quoted("\x1b[31mred\x9b")
    assert len(quoted("x" * 1_000)) < 70


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (
            Problem(path="schedules[0].hours[1]", message="25 is not an hour", line=12),
            "agents/x/agent.toml:12: schedules[0].hours[1]: 25 is not an hour",
        ),
        (
            Problem(path="agent.nam", message="unknown key", line=2, hint="name", fatal=False),
            'agents/x/agent.toml:2: warning: agent.nam: unknown key\n    did you mean "name"?',
        ),
        (
            Problem(path="", message="the file is empty", hint="write one"),
            "agents/x/agent.toml: the file is empty\n    write one",
        ),
    ],
)
def test_explain(problem: Problem, text: str) -> None:
    """A problem reads as file, line, key, what is wrong, and what to do."""
    assert text == explain(problem, "agents/x/agent.toml")


def test_explain_knows_the_problems_own_file() -> None:
    """Without a file given, the problem's own is named."""
    assert "a.toml: bad" == explain(Problem(path="", message="bad", file="a.toml"))


def test_findings() -> None:
    """Warnings alone are not fatal; one error is."""
    findings = Findings()
    findings.warn("a", "odd")
    fatal = [findings.fatal]
    findings.wrong("b", "bad", "mend it")

    assert [False, True] == [*fatal, findings.fatal]
    assert [
        Problem(path="a", message="odd", fatal=False),
        Problem(path="b", message="bad", hint="mend it"),
    ] == findings.found
