"""iMessage, through a real program called osascript that is the test's own."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dotagent.core.model import Outcome, RejectDestination, Retry, Sent, Unknown, Unsupported
from dotagent.core.structure import structure
from dotagent.drivers.imessage import SCRIPT, Config
from dotagent.drivers.kit.sender import Kit
from dotagent.supervisor.speak import speak
from tests.drivers.harness import Stage, kit, message, parcel
from tests.support.osascript import Osascript

ANA = {"to": "+5511999999999"}


def on_macos(program: Osascript) -> Kit:
    return kit(speak=speak, attempt_env=program.env, platform="darwin")


@asynccontextmanager
async def stage(**how: Any) -> AsyncIterator[Stage]:
    with tempfile.TemporaryDirectory() as folder:
        async with on_macos(Osascript(Path(folder), **how)) as sender:
            yield Stage(kit=sender, settings=ANA)


@asynccontextmanager
async def gone(secret: str) -> AsyncIterator[Stage]:
    async with kit(speak=speak, platform="darwin", attempt_env={"PATH": "/nowhere"}) as sender:
        yield Stage(kit=sender, settings=ANA)


STAGES = {
    "well": lambda secret: stage(),
    "hangs": lambda secret: stage(hangs=True),
    "refuses": lambda secret: stage(status=1, says="execution error: no (-600)"),
    "gone": gone,
}


async def test_arguments(tmp_path: Path) -> None:
    """Recipient and text are arguments of a script that is always the same: quotes, backslashes and
    AppleScript in the text are text."""
    evil = 'full" & (do shell script "touch /tmp/evil") & "\\'
    program = Osascript(tmp_path)
    async with on_macos(program) as sender:
        outcome = await sender.send(parcel("imessage", ANA, message=message(evil, "-tail\n`x`")))

    assert Sent() == outcome
    assert [(["-e", SCRIPT, "+5511999999999", f"{evil}\n-tail\n`x`"], "")] == program.given()
    assert evil not in SCRIPT


@pytest.mark.parametrize(
    ("says", "kind", "why"),
    [
        ("12:34: execution error: Not authorised (-1743)\n", RejectDestination, "Automation"),
        ("execution error: Can’t get participant (-1728)", RejectDestination, "exited 1: exec"),
        ("execution error: Application isn’t running (-600)", Retry, "osascript exited 1"),
        ("", Retry, "osascript exited 1"),
    ],
)
async def test_refusals(tmp_path: Path, says: str, kind: type[Outcome], why: str) -> None:
    """What macOS refuses for good parks the destination and names the way out; the rest is tried
    again."""
    async with on_macos(Osascript(tmp_path, status=1, says=says)) as sender:
        outcome = await sender.send(parcel("imessage", ANA))

    assert isinstance(outcome, kind)
    assert why in getattr(outcome, "why", "")


async def test_late(tmp_path: Path) -> None:
    """One that hangs is ended; whether the message went out is not known."""
    program = Osascript(tmp_path, hangs=True)
    async with on_macos(program) as sender:
        outcome = await sender.send(parcel("imessage", ANA, timeout_ms=1_500))

    assert isinstance(outcome, Unknown)


async def test_elsewhere() -> None:
    """On another system nothing is started."""
    async with kit(platform="linux") as sender:
        outcome = await sender.send(parcel("imessage", ANA))

    assert isinstance(outcome, Unsupported)
    assert outcome.why.startswith("unsupported platform for driver imessage")


@pytest.mark.parametrize("to", ["", "  ", "-e", "+55\n11"])
def test_bad_recipient(to: str) -> None:
    """What osascript would take for an option, or is no address, is found at once."""
    _, problems = structure({"to": to}, Config)

    assert ["to"] == [problem.path for problem in problems]
