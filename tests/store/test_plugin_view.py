"""Which attempts plugins are still to be told of."""

from __future__ import annotations

from pathlib import Path

from dotagent.core.model import Retry
from dotagent.store import plugin_view
from tests.support.home import Past, daily, route


def test_an_attempt_is_awaited_until_its_sink_is_done(tmp_path: Path) -> None:
    """While it runs, while a sink is tried again, and until a plugin's message was tried once;
    other channels do not count."""
    past = Past(tmp_path, "2026-03-29 08:00")
    sink = route("on_success:sink:1", driver="plugin", events=["success"])
    page = route("page", driver="plugin", events=["success"])
    past.agent("disk", {"s": daily("08:30")}, routes=[sink, page, route("phone", driver="ntfy")])
    run = past.start("08:30")
    reader = past.store.read()
    seen = [plugin_view.is_awaited(reader, run.attempt_id)]
    past.finish(run)
    no = Retry(why="not now")
    past.send({"on_success:sink:1": no, "page": no, "phone": no})
    seen.append(plugin_view.is_awaited(reader, run.attempt_id))
    waiting = [each.marker for each in plugin_view.awaited(reader)]
    past.send_again("on_success:sink:1")
    seen.append(plugin_view.is_awaited(reader, run.attempt_id))
    told = plugin_view.told(reader, 1)
    reader.close()
    past.close()

    assert [True, True, False] == seen
    assert [run.marker] == waiting
    assert told is not None
    assert ("disk", 1, run.marker) == (told.agent, told.number, told.marker)


def test_a_first_message_is_awaited(tmp_path: Path) -> None:
    """Before it is tried and while it is under way."""
    past = Past(tmp_path, "2026-03-29 08:00")
    past.agent("disk", {"s": daily("08:30")}, routes=[route("page", driver="plugin")])
    run = past.start("08:30")
    past.finish(run)
    reader = past.store.read()
    seen = [plugin_view.is_awaited(reader, run.attempt_id)]
    past.send({"page": Retry(why="not now")})
    seen.append(plugin_view.is_awaited(reader, run.attempt_id))
    reader.close()
    past.close()

    assert [True, False] == seen
