"""Deliveries through plugins: what becomes of each answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dotagent.core.model import (
    Kind,
    Message,
    Outcome,
    RejectMessage,
    Retry,
    Sent,
    Severity,
    Unknown,
)
from dotagent.plugins.sender import PluginSender
from dotagent.ports import Parcel
from dotagent.supervisor.speak import speak
from tests.plugins.scripts import bash

MESSAGE = Message(
    key="home-7",
    kind=Kind.GIVEN_UP,
    severity=Severity.CRITICAL,
    at=0,
    title="disk-alert",
    line="disk-alert/daily: gave up",
    legacy="🚨 disk-alert/daily gave up after 3 attempts (exit 1)\n",
    agent="disk-alert",
    schedule_id="daily",
)


async def send(folder: Path, body: str | None, **settings: Any) -> Outcome:
    """What comes of sending ``MESSAGE`` through a plugin with this text."""
    if body is not None:
        bash(folder, body)
    sender = PluginSender(speak, [str(folder)], {"PATH": "/usr/bin:/bin", "OUT": str(folder)})
    given = {"name": "demo", "config": {"room": 5}, "purpose": "notify", **settings}
    parcel = Parcel(
        driver="plugin",
        settings=given,
        message=MESSAGE,
        timeout_ms=2_000,
        secrets=("canary-value",),
    )
    return await sender.send(parcel)


async def test_the_plugin_gets_the_old_payload_and_ours_beside_it(tmp_path: Path) -> None:
    """The six keys of 0.1.x come first and in their order, with its message to the letter."""
    outcome = await send(tmp_path, 'cat > "$OUT/got"; echo \'{"ok": true}\'')

    got = json.loads((tmp_path / "got").read_text())
    assert outcome == Sent()
    assert list(got)[:6] == ["kind", "agent", "schedule", "event", "message", "config"]
    assert list(got.values())[:6] == [
        "notify",
        "disk-alert",
        "daily",
        "given_up",
        MESSAGE.legacy,
        {"room": 5},
    ]
    assert {"delivery": "home-7", "severity": "critical"}.items() <= got.items()


@pytest.mark.parametrize(
    ("purpose", "body", "kind"),
    [
        ("notify", 'echo \'{"ok": false, "error": "no"}\'', Retry),
        ("notify", "exit 3", Retry),
        ("notify", "echo what", Unknown),
        ("notify", None, Retry),
        ("sink", 'echo \'{"ok": false, "error": "no"}\'', Retry),
        ("sink", "echo what", RejectMessage),
        ("sink", None, Retry),
    ],
)
async def test_what_is_tried_again(
    tmp_path: Path, purpose: str, body: str | None, kind: type[Outcome]
) -> None:
    """A clean refusal and a failure to start are tried again; a sink that may have stored its
    output is not asked twice."""
    outcome = await send(tmp_path, body, purpose=purpose)

    assert isinstance(outcome, kind)


async def test_a_secret_in_the_answer_is_masked(tmp_path: Path) -> None:
    """A plugin that repeats its configuration does not put a token into the ledger."""
    outcome = await send(tmp_path, 'echo \'{"ok": false, "error": "bad canary-value"}\'')

    assert isinstance(outcome, Retry)
    assert "canary-value" not in outcome.why
