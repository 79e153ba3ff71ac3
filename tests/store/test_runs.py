"""The runs of all agents, in the order of their ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dotagent.core.why import sentence
from dotagent.store.reading import connect_reader
from dotagent.store.runs import Wanted, runs
from tests.support.home import Past, daily


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    """Two days of two agents: one gives up and recovers, one is fine; one is run by hand."""
    made = Past(tmp_path / "home", "2021-03-28 08:00")
    made.agent("bad", {"daily": daily("08:30")}, max_attempts=1)
    made.agent("good", {"daily": daily("09:00")})
    made.fail("08:30", "08:30:04", agent="bad")
    made.succeed("09:00", "09:00:02", agent="good")
    made.go("2021-03-29 07:00")
    made.succeed("08:30", "08:30:03", agent="bad")
    made.succeed("09:00", "09:00:02", agent="good")
    yield made
    made.close()


def found(past: Past, wanted: Wanted | None = None) -> list[str]:
    """Which runs, shortly."""
    reader = connect_reader(past.paths.database)
    try:
        cases = runs(reader, wanted or Wanted(), past.now, None)
    finally:
        reader.close()
    return [
        f"{case.standing.agent} {case.window.state.value if case.window else 'by hand'}"
        for case in cases
    ]


def test_the_newest_is_last(past: Past) -> None:
    """All agents' runs are one story; a limit cuts its beginning."""
    whole = ["bad given_up", "good succeeded", "bad succeeded", "good succeeded"]

    assert whole == found(past)
    assert whole[-2:] == found(past, Wanted(limit=2))
    assert [each for each in whole if each.startswith("bad")] == found(past, Wanted(agent="bad"))


def test_failures_alone(past: Past) -> None:
    """What succeeded at once is no failure; what lies before the span is not wanted."""
    assert ["bad given_up"] == found(past, Wanted(failed=True))
    assert [] == found(past, Wanted(failed=True, since_at=past.now))


def test_each_run_has_its_sentence(past: Past) -> None:
    """The very sentence that ``why`` says."""
    reader = connect_reader(past.paths.database)
    try:
        first = runs(reader, Wanted(), past.now, None)[0]
    finally:
        reader.close()

    assert "bad/daily gave up the" in sentence(first, past.now, past.zone)
