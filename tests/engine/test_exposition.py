"""The metrics as Prometheus reads them: its own checker accepts them, and they say what is so."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dotagent.core.model import Retry
from dotagent.engine import exposition
from dotagent.store import measures as measuring
from dotagent.store.reading import connect_reader
from tests.support import system
from tests.support.home import Past, daily, route

Found = dict[tuple[str, ...], float]


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    """``disk`` failed and then succeeded; what the phone would not take yet waits."""
    made = Past(tmp_path, "2026-11-25 08:00")
    routes = [route("slack"), route("ntfy"), route("discord", events=["missed"])]
    made.agent("disk", {"daily": daily("08:30")}, routes=routes)
    made.agent("new", {"daily": daily("23:30")})
    made.fail("08:30", "08:30:04", agent="disk")
    made.send({"ntfy": Retry(why="busy")})
    made.succeed("08:35:04", "08:35:05", agent="disk")
    made.send({"ntfy": Retry(why="busy")})
    yield made
    made.close()


def page(past: Past) -> bytes:
    reader = connect_reader(past.paths.database)
    try:
        return exposition.text(measuring.measures(reader), version="9.9", in_trouble=False)
    finally:
        reader.close()


def samples(text: bytes) -> Found:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_the_checker_accepts_them(past: Past) -> None:
    """``promtool check metrics`` finds nothing to say: names, types, units and help."""
    system.require("promtool")
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=page(past), capture_output=True
    )

    assert (0, b"", b"") == (checked.returncode, checked.stdout, checked.stderr)


def test_they_say_what_is_so(past: Past) -> None:
    """Counts, spans, instants and what waits, as the story went."""
    found = samples(page(past))
    expected = {
        ("dotagent_attempts_total", "disk", "daily", "failed"): 1,
        ("dotagent_attempts_total", "disk", "daily", "succeeded"): 1,
        ("dotagent_attempt_duration_seconds_count", "disk", "daily"): 2,
        ("dotagent_attempt_duration_seconds_sum", "disk", "daily"): 5,
        ("dotagent_last_success_timestamp_seconds", "disk", "daily"): past.now / 1_000,
        ("dotagent_schedule_failing", "disk", "daily"): 0,
        ("dotagent_schedule_failing", "new", "daily"): 0,
        ("dotagent_agents",): 2,
        ("dotagent_attempts_running",): 0,
        ("dotagent_store_in_trouble",): 0,
        ("dotagent_build_info", "9.9"): 1,
    }

    assert expected == {key: found[key] for key in expected}
    assert 2 <= found["dotagent_deliveries_total", "slack", "sent"]
    assert 1 <= found["dotagent_sends_total", "ntfy", "retry"]
    assert 2 <= found["dotagent_outbox_pending", "ntfy"]
    assert ("dotagent_last_success_timestamp_seconds", "new", "daily") not in found


def test_every_metric_is_named(past: Past) -> None:
    """What is shown is what the tables say, so that the reference can be written from them."""
    told = (exposition.COUNTERS, exposition.SUMMARIES, exposition.OF_SCHEDULES, exposition.GAUGES)
    names = {f"dotagent_{name}" for table in (*told, exposition.OTHERS) for name in table}
    shown = {family.name for family in text_string_to_metric_families(page(past).decode())}

    assert names == shown


def test_labels_are_bounded(tmp_path: Path) -> None:
    """Agents that are gone are shown no more; of very many schedules the rest is counted."""
    made = Past(tmp_path, "2026-11-25 08:00")
    made.agent("a", {f"s{number:04}": daily("08:30") for number in range(3)})
    made.fail("08:30", agent="a")
    made.agents.clear()
    made.agent("b", {f"s{number:05}": daily("09:30") for number in range(measuring.MOST + 2)})
    found = samples(page(made))
    made.close()

    assert not [key for key in found if "a" in key[1:2]]
    assert 2 == found["dotagent_schedules_unlisted",]
    assert measuring.MOST == len([key for key in found if key[0] == "dotagent_schedule_stale"])
