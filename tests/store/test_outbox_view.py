"""Deliveries as people ask for them: how long one really waits, what is worth waiting for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dotagent.core.manifest_notifier import QuietHours
from dotagent.core.model import DeliveryState, RejectMessage, Retry
from dotagent.store import outbox_view
from dotagent.store.outbox_view import DEAD, Delivery
from dotagent.store.reading import Reader, connect_reader
from tests.support.home import Past, daily, route

MINUTE_MS = 60_000
ALL = tuple(DeliveryState)


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    """A home with one agent that tells a phone of everything."""
    home = Past(tmp_path / "home", "2026-03-29 08:00")
    home.agent("disk", {"daily": daily("08:30")}, routes=[route("phone")])
    yield home
    home.close()


@pytest.fixture
def reader(past: Past) -> Iterator[Reader]:
    """Looks at the home."""
    connection = connect_reader(past.paths.database)
    yield connection
    connection.close()


def all_of(reader: Reader) -> list[Delivery]:
    """Every delivery, the oldest first."""
    return outbox_view.latest(reader, (), 100)


def test_message_waits_for_those_before_it(past: Past, reader: Reader) -> None:
    """What must go first rests for ten minutes; what comes behind it waits as long (P4)."""
    past.fail("08:30")
    past.send({"phone": Retry(why="HTTP 503", after_ms=10 * MINUTE_MS)})
    past.succeed("08:35")

    waiting = all_of(reader)
    free = {each.free_at for each in waiting}
    assert {DeliveryState.PENDING} == {each.state for each in waiting}
    assert 2 <= len(waiting)
    assert free == {past.now - 5 * MINUTE_MS + 10 * MINUTE_MS}
    assert "HTTP 503" == waiting[0].tried_why


def test_sent_message_waits_for_nothing(past: Past, reader: Reader) -> None:
    """It says how long it took, from the commit to the answer."""
    past.succeed("08:30")
    past.send()

    (sent,) = all_of(reader)
    assert (DeliveryState.SENT, None, 0, 1) == (sent.state, sent.free_at, sent.took_ms, sent.tries)
    assert ["sent"] == [each.outcome for each in outbox_view.sends(reader, sent.id)]
    assert [sent] == outbox_view.of_ids(reader, [sent.id, sent.id + 1])


def test_only_what_goes_soon_is_worth_waiting_for(past: Past, reader: Reader) -> None:
    """A message that may go within the patience is awaited, one that rests longer is not, and none
    once the patience is over."""
    past.succeed("08:30")
    past.send({"phone": Retry(why="later", after_ms=MINUTE_MS)})
    since, now = past.now, past.now

    assert outbox_view.may_go(reader, now, since, MINUTE_MS)
    assert not outbox_view.may_go(reader, now, since, MINUTE_MS - 1)
    assert not outbox_view.may_go(reader, now + 2 * MINUTE_MS, since, MINUTE_MS)


def test_states_select(past: Past, reader: Reader) -> None:
    """The list and the count are of the states that were asked for; of all without a choice."""
    past.succeed("08:30")
    past.send()

    assert 1 == outbox_view.count(reader, ())
    assert 0 == outbox_view.count(reader, outbox_view.DEAD)
    assert [] == outbox_view.latest(reader, outbox_view.WAITING, 10)


def test_held_and_folded(past: Past, reader: Reader) -> None:
    """What quiet hours hold is found by that; what went as one message says so, for each."""
    quiet = QuietHours(from_minute=8 * 60, to_minute=10 * 60)
    past.agent("disk", {"daily": daily("08:30")}, routes=[route("phone", quiet_hours=quiet)])
    past.fail("08:30")
    past.succeed("08:35")
    held = outbox_view.latest(reader, (), 10, held_at=past.now)
    assert {("quiet hours", past.now - 35 * MINUTE_MS + 120 * MINUTE_MS)} == {
        (each.reason, each.hold_until) for each in held
    }
    assert len(held) == outbox_view.count(reader, (), held_at=past.now)
    past.go("10:00")
    past.send()

    assert 0 == outbox_view.count(reader, (), held_at=past.now)
    assert {"in one message with 2 others: quiet hours"} == {each.folded for each in all_of(reader)}


def test_sent_again_is_no_longer_dead(past: Past, reader: Reader) -> None:
    """A dead letter that a person sent again is not counted nor listed among the dead: the later
    message stands for it."""
    past.succeed("08:30")
    past.send({"phone": RejectMessage(why="400")})
    assert (1, 1) == (outbox_view.count(reader, DEAD), len(outbox_view.latest(reader, DEAD, 9)))
    past.send_again("phone")

    assert (0, []) == (outbox_view.count(reader, DEAD), outbox_view.latest(reader, DEAD, 9))
    assert ["rejected", "sent"] == [each.state for each in all_of(reader)]
