"""Which attempts plugins are still to be told of."""

from __future__ import annotations

from pathlib import Path

from dotagent.core.model import Retry
from dotagent.store import plugin_view
from tests.support.home import Past, daily, route


def test_an_attempt_is_awaited_until_its_plugin_is_done(tmp_path: Path) -> None:
    """While it runs and while a plugin's message of it waits; other channels do not count."""
    past = Past(tmp_path, "2026-03-29 08:00")
    sink = route("sink", driver="plugin", events=["success"])
    past.agent("disk", {"s": daily("08:30")}, routes=[sink, route("phone", driver="ntfy")])
    run = past.start("08:30")
    reader = past.store.read()
    seen = [plugin_view.is_awaited(reader, run.attempt_id)]
    past.finish(run)
    past.send({"sink": Retry(why="not now"), "phone": Retry(why="not now")})
    seen.append(plugin_view.is_awaited(reader, run.attempt_id))
    waiting = [each.marker for each in plugin_view.awaited(reader)]
    past.send_again("sink")
    seen.append(plugin_view.is_awaited(reader, run.attempt_id))
    told = plugin_view.told(reader, 1)
    reader.close()
    past.close()

    assert [True, True, False] == seen
    assert [run.marker] == waiting
    assert told is not None
    assert ("disk", 1, run.marker) == (told.agent, told.number, told.marker)
