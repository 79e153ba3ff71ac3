"""What the record holds of one agent as it is set up."""

from __future__ import annotations

from pathlib import Path

from dotagent.store.inspection import inspection
from dotagent.store.reading import connect_reader
from tests.support.home import Past, daily, route


def test_an_agent_as_it_is_set_up(tmp_path: Path) -> None:
    """Its own channels before the global ones, its schedules, its file; of a stranger nothing."""
    past = Past(tmp_path / "home", "2026-03-29 08:00")
    past.global_routes(route("slack"))
    past.agent("a", {"daily": daily("08:30")}, routes=[route("phone", "ntfy", ["given_up"])])
    past.fail("08:30", "08:31")
    reader = connect_reader(past.paths.database)
    found = inspection(reader, "a")
    nobody = inspection(reader, "b")
    reader.close()
    past.close()

    assert found is not None
    assert nobody is None
    (schedule,) = found.schedules
    assert [("phone", False), ("slack", True)] == [(t.name, t.is_global) for t in found.told]
    assert (("given_up",), ()) == (found.told[0].events, found.told[1].events)
    assert ("daily", "failing", 3, (300_000,)) == (
        schedule.id,
        schedule.health,
        schedule.max_attempts,
        schedule.backoff_ms,
    )
    assert found.sha256 == found.file_sha256
