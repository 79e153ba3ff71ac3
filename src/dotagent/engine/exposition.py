"""The metrics: their names, what each means, and the text that Prometheus reads.

Names follow Prometheus' convention (https://prometheus.io/docs/practices/naming/): base units, a
counter ends in ``_total``. Labels are names of agents and schedules that are there, drivers and
words of the model; never a text that somebody prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from dotagent.store.measures import Measures

if TYPE_CHECKING:
    from prometheus_client.core import Metric

COUNTERS = {
    "attempts": ("Attempts that ended, by how they ended.", ("agent", "schedule", "verdict")),
    "deliveries": ("Messages that are settled, by how.", ("driver", "state")),
    "sends": ("Tries to send a message, by what the service said.", ("driver", "outcome")),
}
SUMMARIES = {
    "attempt_duration_seconds": ("How long attempts ran.", ("agent", "schedule")),
    "send_duration_seconds": ("How long tries to send a message took.", ("driver",)),
}
OF_SCHEDULES = {
    "last_run_timestamp_seconds": "When the last attempt of a schedule ended.",
    "last_success_timestamp_seconds": "When a schedule last succeeded.",
    "next_run_timestamp_seconds": "When a schedule is looked at next.",
    "schedule_failing": "1 where the last run of a schedule failed, or it was missed.",
    "schedule_stale": "1 where a schedule is overdue although nothing failed.",
}
GAUGES = {
    "agents": ("Agents that are there.", "agents"),
    "attempts_running": ("Attempts that run now.", "running"),
    "windows_waiting": ("Runs that are due, or wait for another try.", "windows"),
    "outages_open": ("Schedules that fail now.", "outages"),
    "channels_parked": ("Channels that accept no messages.", "parked"),
    "manifests_invalid": ("Manifest files that are not right.", "manifests"),
    "troubles": ("What is wrong with config.toml, secrets, record or dead-man ping.", "troubles"),
}
OTHERS = {
    "outbox_pending": ("Messages that wait or are on their way.", ("driver",)),
    "outbox_oldest_timestamp_seconds": ("Since when the oldest of them waits.", ("driver",)),
    "schedules_unlisted": ("Schedules beyond those that are shown one by one.", ()),
    "store_in_trouble": ("1 while the database takes nothing.", ()),
    "start_time_seconds": ("Since when the daemon runs.", ()),
    "build_info": ("The version that runs; always 1.", ("version",)),
}


def text(found: Measures, *, version: str, in_trouble: bool) -> bytes:
    """The metrics in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest  # only where asked for
    from prometheus_client.registry import Collector

    class Found(Collector):
        def collect(self) -> Iterator[Metric]:
            yield from _counted(found)
            yield from _scheduled(found)
            yield from _standing(found, version, in_trouble)

    registry = CollectorRegistry()
    registry.register(Found())
    return generate_latest(registry)


def _counted(found: Measures) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, SummaryMetricFamily

    counts: dict[str, dict[tuple[str, ...], int]] = {
        "attempts": {labels: count for labels, (count, _) in found.attempts.items()},
        "deliveries": dict(found.messages),
        "sends": {labels: count for labels, (count, _) in found.sends.items()},
    }
    for name, (about, labels) in COUNTERS.items():
        counter = CounterMetricFamily(f"dotagent_{name}", about, labels=labels)
        for values, count in counts[name].items():
            counter.add_metric(values, count)
        yield counter
    spans: dict[str, dict[tuple[str, ...], tuple[int, int]]] = {
        "attempt_duration_seconds": _summed(found.attempts, 2),
        "send_duration_seconds": _summed(found.sends, 1),
    }
    for name, (about, labels) in SUMMARIES.items():
        summary = SummaryMetricFamily(f"dotagent_{name}", about, labels=labels)
        for values, (count, span_ms) in spans[name].items():
            summary.add_metric(values, count_value=count, sum_value=span_ms / 1_000)
        yield summary


def _summed(
    tallies: Mapping[tuple[str, ...], tuple[int, int]], parts: int
) -> dict[tuple[str, ...], tuple[int, int]]:
    """Counts and spans, added up over all but the first labels."""
    summed: dict[tuple[str, ...], tuple[int, int]] = {}
    for labels, (count, span_ms) in tallies.items():
        before = summed.get(labels[:parts], (0, 0))
        summed[labels[:parts]] = before[0] + count, before[1] + span_ms
    return summed


def _scheduled(found: Measures) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    gauges = {
        name: GaugeMetricFamily(f"dotagent_{name}", about, labels=("agent", "schedule"))
        for name, about in OF_SCHEDULES.items()
    }
    for each in found.schedules:
        values: dict[str, float | None] = {
            "last_run_timestamp_seconds": _seconds(each.last_ended_at),
            "last_success_timestamp_seconds": _seconds(each.last_success_at),
            "next_run_timestamp_seconds": _seconds(each.next_due_at),
            "schedule_failing": each.health == "failing",
            "schedule_stale": each.health == "stale",
        }
        for name, value in values.items():
            if value is not None:
                gauges[name].add_metric((each.agent, each.schedule), float(value))
    yield from gauges.values()


def _standing(found: Measures, version: str, in_trouble: bool) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    for name, (about, key) in GAUGES.items():
        yield GaugeMetricFamily(f"dotagent_{name}", about, value=found.counts[key])
    values: dict[str, dict[tuple[str, ...], float]] = {
        "outbox_pending": {(driver,): count for driver, (count, _) in found.waiting.items()},
        "outbox_oldest_timestamp_seconds": {
            (driver,): since_at / 1_000 for driver, (_, since_at) in found.waiting.items()
        },
        "schedules_unlisted": {(): found.unlisted},
        "store_in_trouble": {(): in_trouble},
        "start_time_seconds": {(): found.began_at / 1_000},
        "build_info": {(version,): 1},
    }
    for name, (about, labels) in OTHERS.items():
        gauge = GaugeMetricFamily(f"dotagent_{name}", about, labels=labels)
        for labelled, value in values[name].items():
            gauge.add_metric(labelled, float(value))
        yield gauge


def _seconds(at: int | None) -> float | None:
    return None if at is None else at / 1_000
