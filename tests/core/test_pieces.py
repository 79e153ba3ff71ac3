"""The names of a log's pieces order them, and decide what is compressed and what goes."""

from __future__ import annotations

import random
from zoneinfo import ZoneInfo

import pytest

from dotagent.core import pieces
from dotagent.core.pieces import Piece
from dotagent.core.span import DAY_MS
from tests.core.walls import at

BERLIN = ZoneInfo("Europe/Berlin")
NAMES = ["a.log.2026-03-01.2", "a.log.2026-03-01.10.gz", "a.log.2026-03-02.1"]


def piece(name: str, *, size: int = 0, written_at: int = 0) -> Piece:
    found = pieces.parse("a.log", name, size=size, written_at=written_at)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "name",
    ["a.log", "a.log.gz", "a.log.1", "b.log.2026-03-01.1", "a.log.2026-03-01.x", "a.log.notes"],
)
def test_what_is_not_named_so_is_no_piece(name: str) -> None:
    """The log itself, another agent's, a person's own file beside it."""
    assert pieces.parse("a.log", name) is None


def test_pieces_are_ordered_as_they_were_written() -> None:
    """By day, then by number, not by letter."""
    mixed = random.Random(1).sample(NAMES, len(NAMES))

    assert NAMES == [each.name for each in pieces.in_order(map(piece, mixed))]


def test_what_an_older_dotagent_left_is_a_piece() -> None:
    """dotagent 0.1.x gave its pieces no number: each is the first of its day."""
    old = ["a.log.2026-02-28", "a.log.2026-03-01"]

    assert [*old, *NAMES] == [each.name for each in pieces.in_order(map(piece, [*NAMES, *old]))]


def test_a_piece_that_is_there_both_ways_counts_once() -> None:
    """A crash between packing and removing leaves both; the plain one is surely whole."""
    both = [piece("a.log.2026-03-01.1.gz"), piece("a.log.2026-03-01.1")]

    assert ["a.log.2026-03-01.1"] == [each.name for each in pieces.in_order(both)]


def test_the_next_piece_of_a_day_follows_the_last() -> None:
    """Also after one that is packed; another day begins anew."""
    known = [piece(name) for name in NAMES]

    assert "a.log.2026-03-01.11" == pieces.next_name("a.log", "2026-03-01", known)
    assert "a.log.2026-03-03.1" == pieces.next_name("a.log", "2026-03-03", known)


@pytest.mark.parametrize(
    ("now", "day", "ends"),
    [
        ("2026-03-28T22:59:59Z", "2026-03-28", "2026-03-28T23:00:00Z"),
        ("2026-03-28T23:00:00Z", "2026-03-29", "2026-03-29T22:00:00Z"),
        ("2026-10-25T12:00:00Z", "2026-10-25", "2026-10-25T23:00:00Z"),
    ],
)
def test_a_day_is_the_machines_own(now: str, day: str, ends: str) -> None:
    """Also the short and the long one of the change of clocks."""
    assert (day, at(ends)) == (
        pieces.day_of(at(now), BERLIN),
        pieces.day_ends_at(at(now), BERLIN),
    )


def test_the_oldest_go_first_and_no_more_than_must() -> None:
    """What is kept together fits."""
    known = [piece(name, size=40) for name in reversed(NAMES)]

    assert [] == pieces.beyond(known, 120)
    assert NAMES[:1] == [each.name for each in pieces.beyond(known, 119)]
    assert NAMES == [each.name for each in pieces.beyond(known, 0)]


def test_age_is_that_of_the_last_line() -> None:
    """Compressed a day after it, gone when the days that are kept are over."""
    now = at("2026-03-20T12:00:00Z")
    young, old = (
        piece(NAMES[2], written_at=now - DAY_MS + 1),
        piece(NAMES[0], written_at=now - DAY_MS),
    )
    packed = piece(NAMES[1], written_at=now - 14 * DAY_MS - 1)

    assert [old] == pieces.to_pack([young, old, packed], now, DAY_MS)
    assert [packed] == pieces.expired([young, old, packed], now, 14 * DAY_MS)
