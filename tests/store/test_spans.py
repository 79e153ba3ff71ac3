"""When nothing could be started, as the store keeps it."""

from __future__ import annotations

from contextlib import closing

from dotagent.core.passage import ASLEEP, Passage, Span
from dotagent.store import span_view, spans
from dotagent.store.holders import DAEMON
from tests.core.walls import HOUR_MS, MINUTE_MS
from tests.store.builder import EIGHT, SEEN, Home

NIGHT = Span(from_at=EIGHT, to_at=EIGHT + 8 * HOUR_MS, why=ASLEEP)
NOON = Span(from_at=EIGHT + 10 * HOUR_MS, to_at=EIGHT + 11 * HOUR_MS, why=ASLEEP)
NOW = EIGHT + 12 * HOUR_MS


def away(home: Home) -> list[tuple[int, int, str]]:
    with closing(home.store.read()) as reader:
        found = span_view.away(reader, EIGHT - MINUTE_MS, NOW, DAEMON)
    return [(each.from_at, each.to_at, each.why) for each in found]


async def test_two_sleeps_of_one_daemon_are_two(home: Home) -> None:
    """The daemon was awake between them: they are not one absence."""
    await home.write(
        lambda tx: spans.note(tx, home.actor, NOW, Passage(stepped_ms=0, spans=(NIGHT, NOON)))
    )

    assert [(each.from_at, each.to_at, each.why) for each in (NIGHT, NOON)] == away(home)


async def test_a_step_is_attested(home: Home) -> None:
    """By how much the clock was set stands in the record; a mere sleep does not."""
    asleep = Passage(stepped_ms=0, spans=(NIGHT,))
    await home.write(lambda tx: spans.note(tx, home.actor, NOW, asleep))
    back = Passage(stepped_ms=-2 * HOUR_MS, spans=())
    await home.write(lambda tx: spans.note(tx, home.actor, NOW, back))
    lines = [line["event"] for line in home.audit()]

    assert [("clock_stepped", -2 * HOUR_MS)] == [
        (each["event_type"], each["milliseconds"]) for each in lines
    ]


async def test_a_crash_after_a_sleep(home: Home) -> None:
    """The next holder knows that the dead one lived until after its last sleep: the two times do
    not overlap."""
    await home.write(lambda tx: spans.add(tx, [NIGHT]))
    home.now = NOW
    await home.begin()

    assert NIGHT.to_at == home.value("SELECT from_at FROM spans ORDER BY id DESC LIMIT 1")
    assert SEEN == home.value("SELECT min(began_at) FROM holders")
