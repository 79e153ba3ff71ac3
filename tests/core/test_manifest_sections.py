"""The single tables of agent.toml."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tomli

from dotagent.core.duration import MINUTE_MS
from dotagent.core.manifest_sections import (
    Agent,
    Env,
    Expect,
    ExpectFile,
    Limits,
    Run,
    Security,
    read_agent,
    read_expect,
    read_run,
)
from dotagent.core.model import Problem
from dotagent.core.problems import Findings
from dotagent.core.structure import structure


def run_through(reader: Callable[..., Any], text: str) -> tuple[Any, list[Problem]]:
    findings = Findings()
    return reader(tomli.loads(text), findings), findings.found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("monitor = false", {"enabled": False}),
        ("enabled = false", {"enabled": False}),
        ("monitor = true", {"enabled": True}),
        ("timeout_seconds = 60", {"timeout_ms": MINUTE_MS}),
        ('timeout = "30m"', {"timeout_ms": 30 * MINUTE_MS}),
        ("inherit_notifiers = false", {"inherit_notifiers": False}),
        (
            'description = "d"\nversion = "1"',
            {"description": "d", "version": "1"},
        ),
    ],
)
def test_agent(text: str, expected: dict[str, Any]) -> None:
    """Old and new names of the same setting give the same record."""
    agent, problems = run_through(read_agent, f'name = "a"\n{text}')

    assert problems == []
    assert Agent(name="a", **expected) == agent


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("", "name", "missing; it must be set"),
        ('name = ""', "name", "empty; a name is needed"),
        ('name = "."', "name", '"." is no file name: it must not start with . or contain /'),
        ('name = ".."', "name", '".." is no file name: it must not start with . or contain /'),
        ('name = ".a"', "name", '".a" is no file name: it must not start with . or contain /'),
        (
            'name = "../../x"',
            "name",
            '"../../x" is no file name: it must not start with . or contain /',
        ),
        ('name = "a\\u0000"', "name", '"a\\u0000" holds a control character'),
        ('name = "a\\nb"', "name", '"a\\nb" holds a control character'),
        ('name = "a"\ntimeout_seconds = 0', "timeout_seconds", "0 seconds are too few; at least 1"),
        ('name = "a"\ntimeout = "0s"', "timeout", '"0s" is too short; at least 1s'),
        (
            'name = "a"\nmonitor = true\nenabled = true',
            "enabled",
            "enabled and monitor are two names of one setting; keep one of them",
        ),
        (
            'name = "a"\ntimeout = "5m"\ntimeout_seconds = 300',
            "timeout",
            "timeout and timeout_seconds are two names of one setting; keep one of them",
        ),
    ],
)
def test_wrong_agent(text: str, path: str, message: str) -> None:
    """A name that is no file name, a timeout of nothing, two names of one setting."""
    _, problems = run_through(read_agent, text)

    assert [Problem(path=f"agent.{path}", message=message)] == problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ('args = ["-v", ""]', {"args": ("-v", "")}),
        ('working_dir = "/srv"', {"working_dir": "/srv"}),
        ('working_dir = ""', {"working_dir": None}),
        (
            "success_codes = [0, 1]\nwarn_codes = [3]\nskip_codes = [75]\nno_retry_codes = [12]",
            {
                "success_codes": frozenset({0, 1}),
                "warn_codes": frozenset({3}),
                "skip_codes": frozenset({75}),
                "no_retry_codes": frozenset({12}),
            },
        ),
        (
            "success_codes = []\nwarn_codes = [0]",
            {"success_codes": frozenset(), "warn_codes": frozenset({0})},
        ),
    ],
)
def test_run(text: str, expected: dict[str, Any]) -> None:
    """The command, and what its exit codes mean."""
    run, problems = run_through(read_run, f'command = "./run.sh"\n{text}')

    assert problems == []
    assert Run(command="./run.sh", **expected) == run


@pytest.mark.parametrize(
    ("text", "path", "message", "hint"),
    [
        ("", "command", "missing; it must be set", None),
        ('command = " "', "command", "empty; it must be set", None),
        (
            'command = "a\\u0000"',
            "command",
            "holds a NUL character, which no process can be given",
            None,
        ),
        (
            'command = "a"\nwarn_codes = [256]',
            "warn_codes[0]",
            "256 is not an exit code; allowed: 0–255",
            None,
        ),
        (
            'command = "a"\nwarn_codes = [0]',
            "warn_codes",
            "0 means success unless success_codes says otherwise; one code has one meaning",
            None,
        ),
        (
            'command = "a"\nskip_codes = [75]\nno_retry_codes = [75]',
            "no_retry_codes",
            "75 is also in skip_codes; one code has one meaning",
            None,
        ),
        (
            'command = "a"\nsuccess_codes = []',
            "success_codes",
            "no exit code would be a success, so it could never succeed",
            "leave it out for [0]",
        ),
    ],
)
def test_wrong_run(text: str, path: str, message: str, hint: str | None) -> None:
    """No command, codes that do not exist, and one code with two meanings."""
    _, problems = run_through(read_run, text)

    assert [Problem(path=f"run.{path}", message=message, hint=hint)] == problems


def test_expect() -> None:
    """Everything that can be expected of an attempt."""
    expect, problems = run_through(
        read_expect,
        'output = "nonempty"\noutput_match = "\\\\d+ rows"\noutput_not_match = "ERROR"\n'
        'file = { path = "report.md", newer = false, min_bytes = 10 }\nmin_duration = "5s"',
    )

    assert problems == []
    assert expect == Expect(
        output="nonempty",
        output_match=r"\d+ rows",
        output_not_match="ERROR",
        file=ExpectFile(path="report.md", newer=False, min_bytes=10),
        min_duration_ms=5_000,
    )


def test_expected_file_is_new() -> None:
    """A file from yesterday proves nothing, unless the manifest says so."""
    expect, _ = run_through(read_expect, 'file = { path = "report.md" }')

    assert expect.file == ExpectFile(path="report.md", newer=True, min_bytes=None)


def test_wrong_expect() -> None:
    """All that is wrong with it at once."""
    _, problems = run_through(
        read_expect,
        'output = "full"\noutput_match = "("\nfile = { newer = 1, min_bytes = -1 }\n'
        "min_duration = 5",
    )

    assert [
        "expect.output",
        "expect.output_match",
        "expect.file.path",
        "expect.file.newer",
        "expect.file.min_bytes",
        "expect.min_duration",
    ] == [problem.path for problem in problems]


def test_env() -> None:
    """What an agent sees besides the daemon's environment."""
    env, problems = structure(
        {"inherit": False, "extra": {"A": "b", "x.y": ""}, "from_secrets": ["API_KEY"]}, Env
    )

    assert problems == []
    assert env == Env(inherit=False, extra={"A": "b", "x.y": ""}, from_secrets=("API_KEY",))
    assert "'b'" not in repr(env)


def test_wrong_env() -> None:
    """Values are texts, names are names; a value is never repeated."""
    _, problems = structure(
        {"extra": {"A": 5, "": "x", "B=": "x", "C": "a\0"}, "from_secrets": ["a b"]}, Env, "env"
    )

    assert [
        ("env.extra.A", "a whole number, where text is needed"),
        ('env.extra.""', '"" is not the name of an environment variable'),
        ('env.extra."B="', '"B=" is not the name of an environment variable'),
        ("env.extra.C", "holds a NUL character, which no process can be given"),
        ("env.from_secrets[0]", '"a b" is not the name of an environment variable'),
    ] == [(problem.path, problem.message) for problem in problems]


@pytest.mark.parametrize(
    ("table", "explicit"),
    [
        ({}, False),
        ({"network": "allow"}, False),
        ({"network": "deny"}, True),
        ({"network": ["example.org"]}, True),
        ({"env_passthrough": ["HOME"]}, True),
        ({"allowed_commands": ["/bin/sh"]}, True),
        ({"enforce": "require"}, False),
    ],
)
def test_security_is_explicit(table: dict[str, Any], explicit: bool) -> None:
    """Only what restricts something counts as a say on security."""
    security, problems = structure(table, Security)

    assert problems == []
    assert security is not None
    assert explicit is security.explicit


def test_wrong_security() -> None:
    """A network that is neither allowed, denied nor a list."""
    _, problems = structure({"network": "dney", "enforce": "must"}, Security, "security")

    assert [
        ("security.network", "deny"),
        ("security.enforce", None),
    ] == [(problem.path, problem.hint) for problem in problems]


def test_limits() -> None:
    """50 MB of log and 500 lines of tail, unless the manifest says otherwise."""
    assert (Limits(log_max_mb=50, output_tail_lines=500), []) == structure({}, Limits)
    assert (Limits(log_max_mb=1, output_tail_lines=10), []) == structure(
        {"log_max_mb": 1, "output_tail_lines": 10}, Limits
    )
    assert structure({"log_max_mb": 0}, Limits)[0] is None
