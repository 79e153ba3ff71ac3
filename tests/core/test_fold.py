"""Which messages become one: a table for each predicate, and who leads."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.fold import (
    FOLDED_MOST,
    PROBE_MOST,
    Channel,
    Waiting,
    Why,
    backlog,
    collapse,
    fold,
    leading,
    overtaken,
    quiet,
    storm,
)
from dotagent.core.model import SEVERITY, Kind

NOW = 10_000_000
LONG, SHORT = NOW - 3_600_000, NOW - 30_000
OPEN = Channel(storm=20)
DOWN = Channel(storm=20, failing=True)
FAILED, GIVEN_UP = Kind.ATTEMPT_FAILED, Kind.GIVEN_UP
RECOVERED, SUCCESS = Kind.RECOVERED, Kind.SUCCESS


def row(id: int, kind: Kind = FAILED, key: str = "k", **more: object) -> Waiting:
    return Waiting(**{"id": id, "key": key, "kind": kind, "created_at": SHORT, **more})  # type: ignore[arg-type]


def bad(id: int, outage: int = 1, kind: Kind = FAILED) -> Waiting:
    return row(id, kind, outage_id=outage)


def good(id: int, outage: int = 1) -> Waiting:
    return row(id, RECOVERED, outage_id=outage)


def fine(id: int) -> Waiting:
    return row(id, SUCCESS)


@pytest.mark.parametrize(
    ("lengths", "taken"),
    [([20], [0]), ([21], [21]), ([10, 10], [0, 0]), ([1, 20], [1, 20]), ([11, 5, 5], [11, 5, 5])],
)
def test_storm(lengths: list[int], taken: list[int]) -> None:
    """More than twenty for one destination, of whatever keys."""
    queues = [[row(n) for n in range(length)] for length in lengths]

    assert taken == storm(queues, OPEN)


@pytest.mark.parametrize(
    ("channel", "created", "taken"),
    [
        (OPEN, [LONG, LONG], 0),
        (DOWN, [LONG, LONG], 2),
        (DOWN, [LONG, SHORT], 1),
        (DOWN, [SHORT, LONG], 0),
        (Channel(storm=20, back_at=NOW - 1_000), [LONG, LONG, SHORT], 2),
        (Channel(storm=20, back_at=LONG + 59_999), [LONG], 0),
        (Channel(storm=20, back_at=LONG + 60_000), [LONG], 1),
    ],
)
def test_backlog(channel: Channel, created: list[int], taken: int) -> None:
    """What waited for a minute at least while the channel was down, before it came back."""
    queue = [row(n, created_at=at) for n, at in enumerate(created)]

    assert [taken] == backlog([queue], channel, NOW)


@pytest.mark.parametrize(
    ("created", "taken"),
    [
        ([LONG, LONG, SHORT], [1, 2, 3]),
        ([LONG, SHORT, SHORT], [1, 2, 3]),
        ([SHORT, SHORT, SHORT], [1, 2, 3]),
    ],
)
def test_no_bad_news_without_its_end(created: list[int], taken: list[int]) -> None:
    """Whatever folds, a recovery that waits goes with what it answers: the same message, sent again
    after a lost answer, never knows less than before."""
    kinds = [bad(1), bad(2), good(3)]
    queue = [replace(each, created_at=at) for each, at in zip(kinds, created, strict=True)]
    found = fold([queue], DOWN, NOW)

    assert found is not None
    assert taken == [each.id for each in found.rows]


def test_quiet() -> None:
    """Whole queues that quiet hours held, with what released them; not those of others."""
    held, released, other = row(1, held=True), row(2, GIVEN_UP), row(3, key="o")

    assert [2, 0] == quiet([[held, released], [other]])
    assert [0, 1] == quiet([[other], [held]])


@pytest.mark.parametrize(
    ("queue", "taken"),
    [
        ([bad(1), good(2)], 2),
        ([bad(1), bad(2), bad(3, kind=GIVEN_UP), fine(4), good(5)], 5),
        ([bad(1), good(2), fine(3)], 2),
        ([bad(1), good(2), bad(3, 2), good(4, 2)], 4),
        ([bad(1), good(2), bad(3, 2)], 2),
        ([bad(1), bad(2)], 0),
        ([fine(1), good(2)], 0),
        ([bad(1), good(2, outage=9)], 0),
        ([good(1), bad(2)], 0),
    ],
)
def test_overtaken(queue: list[Waiting], taken: int) -> None:
    """Up to the last recovery that answers a failure which waits before it."""
    assert [taken, 0] == overtaken([queue, [bad(8), good(9)]])


@pytest.mark.parametrize(
    ("queue", "taken"),
    [
        ([(5, True), (5, True)], 2),
        ([(5, True), (6, True)], 1),
        ([(5, True), (5, False)], 1),
        ([(5, False), (5, False)], 0),
        ([(None, True), (None, True)], 0),
    ],
)
def test_collapse(queue: list[tuple[int | None, bool]], taken: int) -> None:
    """All of one attempt, where the notifier says so."""
    rows = [row(n, attempt_id=attempt, collapse=yes) for n, (attempt, yes) in enumerate(queue)]

    assert [taken] == collapse([rows])


@pytest.mark.parametrize(
    ("queue", "channel", "why"),
    [
        ([row(1)], OPEN, None),
        ([row(1), row(2)], OPEN, None),
        ([row(n) for n in range(21)], OPEN, Why.STORM),
        ([row(1, created_at=LONG), row(2, created_at=LONG)], DOWN, Why.BACKLOG),
        ([row(1, held=True), row(2)], OPEN, Why.QUIET),
        ([bad(1), good(2)], OPEN, Why.OVERTAKEN),
        ([row(1, attempt_id=1, collapse=True), row(2, attempt_id=1, collapse=True)], OPEN,
         Why.COLLAPSE),
    ],
)  # fmt: skip
def test_why(queue: list[Waiting], channel: Channel, why: Why | None) -> None:
    """Each predicate by its name; two that merely wait are two messages."""
    found = fold([queue], channel, NOW)

    assert why == (None if found is None else found.why)


@pytest.mark.parametrize(
    ("rows", "why", "lead"),
    [
        # The gravest; of one key the latest, of several the first.
        ([bad(1), bad(2, kind=GIVEN_UP), bad(3)], Why.STORM, 2),
        ([bad(1, kind=GIVEN_UP), bad(2, kind=GIVEN_UP)], Why.STORM, 2),
        ([row(1, GIVEN_UP, "a"), row(2, GIVEN_UP, "b")], Why.STORM, 1),
        # What is past leads nothing.
        ([bad(1, kind=GIVEN_UP), fine(2), good(3)], Why.OVERTAKEN, 3),
        ([bad(1, kind=GIVEN_UP), good(2), row(3, FAILED, "b")], Why.BACKLOG, 3),
        # Who did not have to wait leads those that had to.
        ([row(1, GIVEN_UP, held=True), row(2, SUCCESS)], Why.QUIET, 2),
        ([row(1, FAILED, held=True), row(2, GIVEN_UP, held=True)], Why.QUIET, 2),
    ],
)
def test_leading(rows: list[Waiting], why: Why, lead: int) -> None:
    """Who speaks for all."""
    assert lead == leading(rows, why).id


def test_a_probe_is_small() -> None:
    """While a channel is down, each try is written down for each row: not for ten thousand."""
    rows = [row(n, created_at=LONG) for n in range(5_000)]
    probe, whole = fold([rows], DOWN, NOW), fold([rows], OPEN, NOW)

    assert probe is not None
    assert whole is not None
    assert (PROBE_MOST, FOLDED_MOST) == (len(probe.rows), len(whole.rows))


_ROWS = st.builds(
    Waiting,
    id=st.just(0),
    key=st.just(""),
    kind=st.sampled_from(list(SEVERITY)),
    created_at=st.sampled_from([LONG, SHORT]),
    held=st.booleans(),
    collapse=st.booleans(),
    outage_id=st.sampled_from([None, 1, 2]),
    attempt_id=st.sampled_from([None, 1, 2]),
)


@given(
    st.lists(st.lists(_ROWS, min_size=1, max_size=6), min_size=1, max_size=5),
    st.builds(
        Channel, storm=st.integers(1, 9), failing=st.booleans(), back_at=st.none() | st.just(SHORT)
    ),
)
def test_always_prefixes(drawn: list[list[Waiting]], channel: Channel) -> None:
    """Whatever waits, a fold is made of the beginnings of queues, of the first one too."""
    numbered: list[list[Waiting]] = []
    n = 0
    for at, queue in enumerate(drawn):
        numbered.append([])
        for each in queue:
            n += 1
            numbered[-1].append(
                Waiting(
                    id=n,
                    key=str(at),
                    kind=each.kind,
                    created_at=each.created_at,
                    held=each.held,
                    collapse=each.collapse,
                    outage_id=each.outage_id,
                    attempt_id=each.attempt_id,
                )
            )
    found = fold(numbered, channel, NOW)
    if found is not None:
        ids = {each.id for each in found.rows}
        assert numbered[0][0].id in ids
        assert 1 < len(ids)
        assert found.lead.id in ids
        for queue in numbered:
            taken = [each.id in ids for each in queue]
            assert taken == sorted(taken, reverse=True)
