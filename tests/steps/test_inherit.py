"""What dotagent 0.1.x left, on its way into the store."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path

from tests.engine.line import Line, line, running, write_agent
from tests.support.old_home import OldHome

CRON = """
[[schedules]]
id = "s"
cron = "0 0 1 1 *"
stale_after = "400d"
"""


async def looked(made: Line) -> None:
    """All that is there has been adopted and planned."""
    await made.until(lambda: made.values("SELECT 1 FROM schedules WHERE planned_through > 0"))
    made.surroundings.files_changed()
    made.engine.poke()
    await made.until(lambda: made.surroundings.look_at is None)


async def test_a_file_that_is_none_is_told_once(tmp_path: Path) -> None:
    """It stops nothing: the agent is adopted with what could be read, and people hear of the
    rest."""
    old = OldHome(tmp_path, UTC)
    write_agent(tmp_path, "a", CRON)
    at = 1_700_000_000_000
    old.heartbeat("a", started_at=at, success_at=at)
    bad = old.window("a", "s", at)
    bad.write_text("{")
    async with line(tmp_path) as made, running(made):
        await looked(made)
        told = made.rows("SELECT kind, facts FROM events WHERE agent = ''")
        success = made.values("SELECT last_success_at FROM schedules")

    assert [at] == success
    assert ["store_error"] == [event["kind"] for event in told]
    facts = json.loads(told[0]["facts"])
    assert "state of dotagent 0.1.x could not be read, and is begun anew" == facts["line"]
    assert f"{bad} is malformed (not JSON); now {bad}.malformed" in facts["detail"]


async def test_an_agent_that_0_1_x_did_not_know_is_a_phantom(tmp_path: Path) -> None:
    """Among those that it knew, somebody has put it there since."""
    old = OldHome(tmp_path, UTC)
    known = write_agent(tmp_path, "known", CRON) / "agent.toml"
    write_agent(tmp_path, "new", CRON)
    old.known(known, at=1_700_000_000_000)
    async with line(tmp_path) as made, running(made):
        await looked(made)
        told = made.rows("SELECT kind, facts FROM events WHERE agent = ''")
        seen = made.values("SELECT first_seen_at FROM agents WHERE name = 'known'")

    assert ["phantom_agent_detected"] == [event["kind"] for event in told]
    assert "1 new manifest: new (" in told[0]["facts"]
    assert [1_700_000_000_000] == seen


async def test_a_home_of_our_own_inherits_nothing(tmp_path: Path) -> None:
    """A heartbeat that a trial wrote is no history: the schedule begins when it is first seen."""
    OldHome(tmp_path, UTC).heartbeat("a", started_at=1_000, success_at=1_000)
    write_agent(tmp_path, "a", CRON)
    async with line(tmp_path) as made, running(made):
        await looked(made)
        (schedule,) = made.rows("SELECT health, last_success_at FROM schedules")

    assert {"health": "new", "last_success_at": None} == schedule
