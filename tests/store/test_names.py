"""Names for a shell to complete."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dotagent.store import names
from dotagent.store.reading import Reader, connect_reader
from tests.support.home import Past, daily, route


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Two agents, one of which fails, with one channel each."""
    past = Past(tmp_path / "home", "2021-03-28 08:00")
    past.agent("a", {"daily": daily("08:30")}, routes=[route("slack")], max_attempts=1)
    schedules = {"daily": daily("09:00"), "late": daily("20:00")}
    past.agent("b", schedules, routes=[route("phone", "ntfy")])
    past.fail("08:30", "08:30:04", agent="a")
    found = connect_reader(past.paths.database)
    yield found
    found.close()
    past.close()


def test_agents_with_their_worst_health(reader: Reader) -> None:
    """One failing schedule is what a person looks for."""
    assert ["a", "b"] == [name for name, _ in names.agents(reader)]
    assert "failing" == dict(names.agents(reader))["a"]


def test_schedules_of_one_agent_or_of_all(reader: Reader) -> None:
    """An id that several agents use comes once."""
    assert ["daily", "late"] == [name for name, _ in names.schedules(reader, None)]
    assert ["daily"] == [name for name, _ in names.schedules(reader, "a")]
    assert ["a", "b", "a/daily", "b/daily", "b/late"] == [
        name for name, _ in names.agents_and_schedules(reader)
    ]


def test_notifiers_with_their_driver(reader: Reader) -> None:
    """Both channels, by the names that people gave them."""
    assert [("phone", "ntfy"), ("slack", "slack")] == list(names.notifiers(reader))
