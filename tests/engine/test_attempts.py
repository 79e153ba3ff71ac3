"""Attempts beside the loop: none of them stalls it, and a stop reaches each wherever it is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from dotagent.engine.embedded import SEND_GRACE_MS
from dotagent.steps.perform import Attempt
from dotagent.store import attempts, plan
from dotagent.store.attempts import Run
from tests.engine.line import ONCE, Line, line, running, write_agent

NTFY = '\n[[notifiers]]\ndriver = "ntfy"\ntopic = "alerts"\n'
HOOK = '\n[[preflight]]\nplugin = "gate"\ntimeout_seconds = 50\n'
MESSY = """#!/usr/bin/env python3
import os
folder = os.environ["AGENT_TMPDIR"]
for number in range(40_000):
    os.close(os.open(f"{folder}/{number}", os.O_CREAT))
print(folder)
"""
STALL_S = 0.3
"""Less than it takes to remove so many files; much more than a busy machine needs for a turn."""


async def longest_stall(made: Line, see: Callable[[], object]) -> float:
    """How long at most the loop did not come round until the test saw what it waited for."""
    loop, worst = asyncio.get_running_loop(), 0.0
    async with asyncio.timeout(50):
        while not see():
            before = loop.time()
            await made.parts.clock.sleep_until(made.parts.clock.now() + 20)
            worst = max(worst, loop.time() - before)
    return worst


async def test_a_full_temporary_folder_stalls_nobody(tmp_path: Path) -> None:
    """An agent leaves forty thousand files in its temporary folder: they go, nobody is told
    later for that, and the loop does not stand still."""
    folder = write_agent(tmp_path, "messy", ONCE + NTFY)
    (folder / "run.sh").write_text(MESSY)
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.post.parcels)
        left = made.post.parcels[0].message.tail.strip()
        told_before = is_there(left)
        worst_s = await longest_stall(made, lambda: not is_there(left))

    assert told_before
    assert worst_s < STALL_S


def is_there(path: str) -> bool:
    return os.path.exists(path)


def plugin(tmp_path: Path, text: str) -> None:
    """Install the preflight plugin that does this."""
    path = tmp_path / "plugins" / "dotagent-plugin-gate"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)


async def test_a_stop_ends_a_preflight(tmp_path: Path) -> None:
    """A stop that comes while a plugin still ponders is a stop: the plugin goes, the agent does not
    begin, the attempt is not counted and nobody is told (rules R11)."""
    pondering, began = tmp_path / "pondering", tmp_path / "began"
    plugin(tmp_path, f"touch {pondering}; exec sleep 60")
    write_agent(tmp_path, "careful", ONCE + HOOK + NTFY, script=f"touch {began}")
    async with line(tmp_path) as made:
        async with running(made):
            await made.until(pondering.exists)
        words = made.values("SELECT words FROM attempts")

    assert ["interrupted: the test is over"] == words
    assert [("waiting", 0)] == [
        (row["state"], row["attempts"]) for row in made.rows("SELECT * FROM windows")
    ]
    assert not began.exists()
    assert [] == made.values("SELECT 1 FROM events")


async def claimed(made: Line) -> Run:
    """The one run that is due now."""
    parts = made.parts
    await made.surroundings.renew(made.engine)
    await parts.store.write(lambda tx: plan.plan_due(tx, parts.actor, parts.clock.now()))
    (run,) = await parts.store.write(
        lambda tx: attempts.claim_due(tx, parts.actor, parts.clock.now(), 1)
    )
    return run


async def test_an_agent_that_was_stopped_before_it_began_never_begins(tmp_path: Path) -> None:
    """The stop comes before there is a process: there is nothing to end, and nothing is started."""
    began = tmp_path / "began"
    write_agent(tmp_path, "quick", ONCE, script=f"touch {began}")
    async with line(tmp_path) as made:
        attempt = Attempt(made.parts, await claimed(made))
        attempt.stop("SIGTERM")
        await attempt.perform(made.engine.catalogue, None, room=lambda: 1)
        await made.engine.folders.after(made.parts, attempt.run.attempt_id, attempt.run.marker)

    assert ["interrupted: SIGTERM"] == made.values("SELECT words FROM attempts")
    assert not began.exists()


async def test_a_run_that_ends_within_the_grace_is_told(tmp_path: Path) -> None:
    """A stop lets a run end: what there is to say of it is said before the end, and not cut short
    because the run took longer than a message may."""
    go = tmp_path / "go"
    write_agent(tmp_path, "long", ONCE + NTFY, script=f"until test -e {go}; do sleep 0.05; done")
    async with line(tmp_path, stop_grace_ms=20_000, takes_ms=300) as made:
        async with running(made):
            await made.until(lambda: made.values("SELECT pid FROM attempts WHERE pid"))
            made.engine.stop("SIGTERM")
            await made.parts.clock.sleep_until(made.parts.clock.now() + SEND_GRACE_MS)
            go.touch()
        sends = made.values("SELECT outcome FROM sends")

    assert ["sent"] == sends
