"""The lines of the daemon's log: level, words, one line each, in both forms."""

from __future__ import annotations

import json
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core import chain, journal
from dotagent.core.journal import Line
from dotagent.core.model import Kind

ZONE = timezone(timedelta(hours=1))
AT = 1_764_059_404_123


def recorded(severity: str, kind: str, **fields: Any) -> Line:
    return journal.of_record(chain.line("2025-11-25T09:30:04+0100", severity, kind, fields, "x"))


@pytest.mark.parametrize(
    ("severity", "kind", "fields", "level", "message"),
    [
        (
            "critical",
            "agent_run",
            {
                "agent": "disk",
                "schedule": "daily",
                "exit_code": 3,
                "duration_seconds": 4,
                "timed_out": False,
            },
            "warn",
            "disk/daily: exit 3 after 4 s",
        ),
        (
            "notice",
            "agent_run",
            {
                "agent": "disk",
                "schedule": "daily",
                "exit_code": 0,
                "duration_seconds": 4,
                "timed_out": False,
            },
            "info",
            "disk/daily: exit 0 after 4 s",
        ),
        (
            "critical",
            "agent_run",
            {
                "agent": "a",
                "schedule": "b",
                "exit_code": 124,
                "duration_seconds": 9,
                "timed_out": True,
            },
            "warn",
            "a/b: timed out after 9 s",
        ),
        (
            "notice",
            "plugin_invoked",
            {
                "agent": "a",
                "plugin": "notifier:slack",
                "plugin_kind": "notify",
                "ok": False,
                "delivery": 7,
                "number": 2,
                "outcome": "reject_message",
            },
            "warn",
            "a: message 7 by notifier:slack: reject message at try 2",
        ),
        (
            "info",
            "plugin_invoked",
            {"agent": "a", "plugin": "cmd", "plugin_kind": "preflight", "ok": True},
            "info",
            "a: preflight cmd: ok",
        ),
        (
            "critical",
            "agent_given_up",
            {"agent": "a", "schedule": "b", "attempts": 3, "last_exit": 1, "stderr_tail": ""},
            "error",
            "a/b: given up after 3 attempts, exit 1",
        ),
        ("info", "daemon_started", {"version": "9", "pid": 4}, "info", "process 4"),
        ("notice", "silence_added", {"agent": "a", "reason": "x"}, "info", "a: silence added"),
        ("notice", "clock_stepped", {"milliseconds": -3500}, "info", "stepped by -3.5 s"),
    ],
)
def test_of_record(
    severity: str, kind: str, fields: dict[str, Any], level: str, message: str
) -> None:
    """Each line of the record has its level, its words and all its facts."""
    line = recorded(severity, kind, **fields)

    assert (level, kind) == (line.level, line.event)
    assert message in line.message
    assert fields == line.fields
    assert AT - 123 == line.at


def test_of_event() -> None:
    """What is wrong with the home is an error, and says all of it."""
    facts = {"line": "config.toml is not right", "detail": "1: x\n    did you mean x1?\n2: y"}
    line = journal.of_event(Kind.CONFIG_INVALID, "critical", AT, facts)
    notice = journal.of_event(Kind.CLOCK_CHANGED, "notice", AT, {"line": "later", "detail": ""})

    assert ("error", "config_invalid") == (line.level, line.event)
    assert "config.toml is not right: 1: x; did you mean x1?; 2: y" == line.message
    assert ("warn", "later") == (notice.level, notice.message)


@pytest.mark.parametrize("level", journal.LEVELS)
def test_levels(level: str) -> None:
    """A level lets through what is as grave and graver; off lets nothing through."""
    passed = [
        each
        for each in journal.LEVELS[:-1]
        if journal.lets_through(level, Line(at=AT, level=each, event="e", message="m"))
    ]

    assert list(journal.LEVELS[journal.LEVELS.index(level) : -1]) == passed


def test_forms() -> None:
    """JSON as in 0.1.x with the time in UTC; text with the machine's time."""
    line = Line(at=AT, level="warn", event="agent_run", message="a/b: ä", fields={"agent": "a"})

    assert {
        "timestamp": "2025-11-25T08:30:04.123Z",
        "level": "WARN",
        "fields": {"message": "a/b: ä", "event": "agent_run", "agent": "a"},
        "target": "dotagent",
    } == json.loads(journal.written(line, "json", ZONE))
    assert "2025-11-25T09:30:04.123+0100 WARN  agent_run: a/b: ä\n" == journal.written(
        line, "text", ZONE
    )


@given(st.text(), st.text())
def test_one_line(message: str, reason: str) -> None:
    """Whatever somebody said, a line is one line, and nothing in it steers a terminal."""
    line = Line(at=AT, level="info", event="e", message=message, fields={"reason": reason})
    for form in ("json", "text"):
        text = journal.written(line, form, ZONE)
        assert 1 == text.count("\n")
        assert "\x1b" not in text


def test_a_fault() -> None:
    """A traceback is one field for a machine, and indented below for a person."""
    line = Line(at=AT, level="error", event="fault", message="m", fields={"traceback": "a\nb\n"})

    assert "a\nb\n" == json.loads(journal.written(line, "json", ZONE))["fields"]["traceback"]
    assert journal.written(line, "text", ZONE).endswith("fault: m\n    a\n    b\n")
