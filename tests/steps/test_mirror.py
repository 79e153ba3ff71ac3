"""The rate file of iMessage, after a message that the whole line sent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from dotagent.drivers.kit.sender import Kit
from dotagent.supervisor.speak import speak
from tests.engine.line import ONCE, line, running, write_agent
from tests.support.osascript import Osascript

NOTIFIER = '[[notifiers]]\ndriver = "imessage"\nto = "${ONCALL}"\nevents = ["success"]\n'


async def told(tmp_path: Path, *, status: int) -> tuple[list[str], Path]:
    """The states of the deliveries of one run, and where the file would be."""
    program = Osascript(tmp_path, status=status)
    home = tmp_path / "home"
    write_agent(home, "disk", ONCE + NOTIFIER)
    async with (
        line(home, env={"ONCALL": "+55 11"}) as made,
        Kit(
            clock=made.parts.clock,
            speak=speak,
            env={},
            attempt_env=program.env,
            platform="darwin",
        ) as kit,
    ):
        made.engine.parts = replace(made.engine.parts, sender=kit)
        async with running(made):
            await made.until(lambda: made.values("SELECT outcome FROM sends WHERE outcome != ''"))
            file = home / "state" / "notify" / "imessage" / "_55_11.json"
            if status == 0:
                await made.until(file.exists)
        return made.values("SELECT state FROM deliveries"), file


async def test_says_when(tmp_path: Path) -> None:
    """After a message the recipient's file says when, for the user alone."""
    states, file = await told(tmp_path, status=0)
    content = json.loads(file.read_text())

    assert ["sent"] == states
    assert ["last_send_at", "last_send_iso", "to"] == list(content)
    assert "+55 11" == content["to"]
    assert (0o600, 0o700) == (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777)


async def test_only_after_a_success(tmp_path: Path) -> None:
    """A message that was not taken leaves no trace there."""
    states, file = await told(tmp_path, status=1)

    assert ["pending"] == states
    assert not file.exists()
