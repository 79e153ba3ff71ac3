"""Requests: each is answered once, whatever stands in its row, and none ends the holder."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from dotagent.store.database import append_request
from tests.engine.line import ONCE, Line, line, running, write_agent

NTFY = '\n[[notifiers]]\ndriver = "ntfy"\ntopic = "alerts"\n'


def ask(made: Line, kind: str, args: str) -> int:
    """Write a request as another process does, and ring."""
    request_id = append_request(made.parts.paths.database, kind, args, 1)
    made.engine.poke()
    return request_id


async def answer(made: Line, kind: str, args: Any) -> dict[str, Any]:
    """What the engine answers."""
    asked = ask(made, kind, args if isinstance(args, str) else json.dumps(args))
    done = "SELECT answer FROM requests WHERE id = ? AND state = 'done'"
    await made.until(lambda: made.values(done, asked))
    found: dict[str, Any] = json.loads(made.values(done, asked)[0])
    return found


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("run", {}),
        ("run", {"agent": "good", "kind": "of another version"}),
        ("run", "[]"),
        ("run", "not JSON"),
        ("cancel", {}),
        ("stop", {"request": None, "why": "?"}),
        ("retry", {"ids": [10**30]}),
        ("dance", {}),
    ],
)
async def test_a_request_nobody_understands_is_refused(
    tmp_path: Path, kind: str, args: Any
) -> None:
    """A request of another version, or of nobody's making, is answered with an error; the holder
    goes on, and is not asked again by the next one."""
    write_agent(tmp_path, "good", ONCE)
    async with line(tmp_path) as made, running(made):
        said = await answer(made, kind, args)
        await made.until(lambda: made.values("SELECT 1 FROM events WHERE kind = 'success'"))

    assert 0 < said["exit"]
    assert said["error"]
    assert [] == made.values("SELECT 1 FROM requests WHERE state != 'done'")


async def test_a_run_waits_for_room_on_the_disk(tmp_path: Path) -> None:
    """As long as what is in flight has no reserve to settle with, a person's run waits like any
    other (rules R12); whoever asked is told what for."""
    write_agent(tmp_path, "good", '[[schedules]]\nid = "s"\nevery = "1h"\n')
    async with line(tmp_path) as made:
        made.parts.trouble.has_no_reserve()
        async with running(made):
            asked = ask(made, "run", json.dumps({"agent": "good", "kind": "manual"}))
            noted = "SELECT note FROM requests WHERE id = ? AND note != ''"
            await made.until(lambda: made.values(noted, asked))
            said = made.values(noted, asked)
            await made.until(lambda: made.values("SELECT 1 FROM attempts WHERE ended_at"))

    assert ["it starts as soon as it can be recorded: the disk is full"] == said


async def test_a_visitor_whose_copy_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    """An agent of elsewhere is run from a copy; where none can be kept, that is the answer."""
    manifest = write_agent(tmp_path / "elsewhere", "guest", "") / "agent.toml"
    async with line(tmp_path / "home") as made, running(made):
        os.mkdir(made.parts.paths.good_manifest("guest"))
        args = {
            "agent": "guest",
            "kind": "manual",
            "path": str(manifest),
            "sha256": sha256(manifest.read_bytes()).hexdigest(),
        }
        refused = await answer(made, "run", args)
        gone = await answer(made, "run", {**args, "path": f"{manifest}.no-more"})
        changed = await answer(made, "run", {**args, "sha256": "0" * 64})

    assert 3 == refused["exit"]
    assert "no copy of" in refused["error"]
    assert all("missing or has been changed" in each["error"] for each in (gone, changed))


async def test_a_message_is_sent_again_once(tmp_path: Path) -> None:
    """A request over messages is answered with what it did, or with why it could do nothing."""
    write_agent(tmp_path, "good", ONCE + NTFY)
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.values("SELECT 1 FROM deliveries WHERE state = 'sent'"))
        again = await answer(made, "retry", {"ids": [1]})
        resent = made.values("SELECT min(d.id) FROM deliveries d WHERE resend_of = 1")
        refused = await answer(made, "cancel", {"ids": [1], "why": "late"})
        missing = await answer(made, "retry", {"ids": [99]})

    assert {"deliveries": resent} == again
    assert "is sent" in refused["error"]
    assert (4, "there is no delivery 99") == (missing["exit"], missing["error"])
    assert 2 == len(made.post.parcels)
