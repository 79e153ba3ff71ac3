"""The command of a preflight: what its exit and its words decide."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dotagent.plugins.client import answer
from dotagent.supervisor.speak import speak
from tests.plugins.test_program import ENV, installed


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"command": "true"}, {"ok": True, "exit_code": 0}),
        (
            {"command": "false"},
            {"ok": False, "error": "preflight command failed", "exit_code": 1},
        ),
        (
            {"command": "sh", "args": ["-c", "exit 3"], "expect_exit": 3},
            {"ok": True, "exit_code": 3},
        ),
        (
            {"command": "sh", "args": ["-c", "kill -9 $$"]},
            {"ok": False, "error": "preflight command failed", "exit_code": -1},
        ),
        (
            {"command": "echo", "args": ["all Good"], "expect_contains": "Good"},
            {"ok": True, "exit_code": 0},
        ),
        (
            {"command": "echo", "args": ["all good"], "expect_contains": "Good"},
            {"ok": False, "error": "preflight command failed", "exit_code": 0},
        ),
        (
            {"command": "sh", "args": ["-c", "echo Good >&2"], "expect_contains": "Good"},
            {"ok": True, "exit_code": 0},
        ),
        ({"command": "cat"}, {"ok": True, "exit_code": 0}),
    ],
)
async def test_what_it_answers(config: dict[str, Any], said: dict[str, Any]) -> None:
    """Its exit status, and a text on either stream; it never waits for our standard input."""
    payload = json.dumps({"kind": "preflight", "config": config}).encode()
    spoken = await speak((installed("preflight-cmd"), "invoke"), payload, ENV, 20_000)

    assert (0, said) == (spoken.exit_code, json.loads(spoken.stdout))


async def test_a_command_that_cannot_be_started() -> None:
    """It fails, and says which and why."""
    payload = json.dumps({"config": {"command": "/no/such"}}).encode()
    spoken = await speak((installed("preflight-cmd"), "invoke"), payload, ENV, 20_000)
    heard = answer(spoken)

    assert 1 == spoken.exit_code
    assert not heard.ok
    assert "preflight command failed: " in (heard.error or "")
    assert -1 == heard.fields["exit_code"]
