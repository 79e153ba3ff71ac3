"""WARP's own words, and what they decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dotagent.supervisor.speak import speak
from tests.plugins.test_program import ENV, installed


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Status update: Connected'", {"ok": True, "status": "Status update: Connected"}),
        (
            "echo Disconnected",
            {
                "ok": False,
                "error": "WARP not connected",
                "suggest": "warp-cli connect",
                "status": "Disconnected",
            },
        ),
        (
            "echo Connected; exit 1",
            {"ok": False, "error": "could not run {binary}", "suggest": "warp-cli connect"},
        ),
        (None, {"ok": False, "error": "could not run {binary}", "suggest": "warp-cli connect"}),
    ],
)
async def test_what_it_answers(tmp_path: Path, script: str | None, said: dict[str, Any]) -> None:
    """Whatever is wrong is an answer with its advice, and exit 0."""
    binary = tmp_path / "warp"
    if script is not None:
        binary.write_text(f'#!/bin/sh\ntest "$*" = status || exit 9\n{script}\n')
        binary.chmod(0o700)
    config = {"binary": str(binary), "connect_command": "warp-cli connect"}
    payload = json.dumps({"config": config}).encode()
    spoken = await speak((installed("preflight-warp"), "invoke"), payload, ENV, 20_000)

    expected = {
        key: value.format(binary=binary) if isinstance(value, str) else value
        for key, value in said.items()
    }
    assert (0, expected) == (spoken.exit_code, json.loads(spoken.stdout))
