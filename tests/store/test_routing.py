"""The last good routing: who there is, where they point, and that what waits follows them."""

from __future__ import annotations

from dotagent.core.model import Kind, Retry
from dotagent.ports import Pace
from tests.core.walls import DAY_MS
from tests.store.builder import Home, agent, route


async def test_global_routes(home: Home) -> None:
    """The notifiers of config.toml are routed in their order, and replaced as a whole."""
    await home.notify(route("two", "f2"), route("one", "f1", [Kind.GIVEN_UP], remind=[5]))
    assert [
        ("two", "f2", "[]", "[]"),
        ("one", "f1", '["given_up"]', "[5]"),
    ] == [
        (row["notifier"], row["fingerprint"], row["events"], row["remind"])
        for row in home.rows("SELECT * FROM routing WHERE scope = '' ORDER BY position")
    ]

    await home.notify(route("three", "f3"))
    assert ["three"] == [row["notifier"] for row in home.rows("SELECT * FROM routing")]


async def test_own_first(home: Home) -> None:
    """An agent's own notifiers come before the global ones."""
    await home.notify(route("ops", "f9"))
    await home.adopt(agent(routes=[route("b", "f1"), route("a", "f2")]))
    await home.tell(Kind.GIVEN_UP)

    assert ["b", "a", "ops"] == [row[0] for row in home.deliveries()]


async def test_pace_follows_the_driver(home: Home) -> None:
    """A destination's pace is its driver's as it is now; its past stays."""
    await home.adopt(agent())
    await home.tell(Kind.ATTEMPT_FAILED)
    (claim,) = await home.claim()
    await home.answer(claim, Retry(why="503"))
    await home.adopt(agent(routes=[route(pace=Pace(burst=3, every_ms=5, parallel=2))]))
    row = home.row("SELECT * FROM destinations")

    assert (3, 5, 2, 1) == (row["burst"], row["every_ms"], row["parallel"], row["failures"])


async def test_waiting_messages_follow(home: Home) -> None:
    """What waits for a notifier whose address has changed follows it; what is on its way, and what
    waits for others, stays (rules R16)."""
    await home.adopt(agent(routes=[route("n", "f1"), route("m", "f1")]))
    await home.tell(Kind.ATTEMPT_FAILED)
    await home.tell(Kind.GIVEN_UP)
    await home.claim()
    await home.adopt(agent(routes=[route("n", "f2"), route("m", "f1")]))

    assert [
        ("n", "sending", "f1"),
        ("m", "sending", "f1"),
        ("n", "pending", "f2"),
        ("m", "pending", "f1"),
    ] == [
        (row["notifier"], row["state"], row["fingerprint"])
        for row in home.rows("SELECT * FROM deliveries ORDER BY id")
    ]


async def test_two_with_one_address(home: Home) -> None:
    """Two notifiers with one address share its rest and its pace."""
    await home.adopt(agent("a"), agent("b"))
    await home.tell(Kind.GIVEN_UP, "a")
    (claim,) = await home.claim()
    await home.answer(claim, Retry(why="429", after_ms=DAY_MS))
    await home.tell(Kind.GIVEN_UP, "b")

    assert [] == await home.claim()
