"""Rows of a past that dotagent 0.1.x had: taken over once, told never."""

from __future__ import annotations

from typing import Any

from dotagent.core.legacy import Beat, Left, Window
from dotagent.store import inherit, plan
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS
from tests.store.builder import SEEN, Home, agent, route, schedule

TABLES = ("schedules", "windows", "attempts", "outages", "said", "audit", "events", "deliveries")


def left(expected_at: int, **fields: int) -> Left:
    tried: dict[str, Any] = {
        "attempts": 1,
        "last_exit": 3,
        "last_attempt_at": expected_at,
        **fields,
    }
    window = Window(agent="a", schedule="s", expected_at=expected_at, **tried)
    beat = Beat(started_at=expected_at, finished_at=expected_at + 1_000, exit_code=3)
    return Left(beats={("a", "s"): beat}, windows={("a", "s"): window}, sent={"f1": expected_at})


async def taken(home: Home, what: Left) -> None:
    heir = agent("a", routes=[route("phone", "f1")], schedules=[schedule()])
    await home.adopt(heir)
    await home.write(lambda tx: inherit.inherit(tx, home.actor, home.now, what, heir))


async def test_twice_is_once(home: Home) -> None:
    """Whoever died in between, or looks again, changes nothing."""
    what = left(SEEN - MINUTE_MS)
    await taken(home, what)
    await home.plan()
    before = {table: home.rows(f"SELECT * FROM {table}") for table in TABLES}
    await taken(home, what)

    assert before == {table: home.rows(f"SELECT * FROM {table}") for table in TABLES}


async def test_the_second_attempt_is_the_second(home: Home) -> None:
    """Retries go on from where they were; the failures before count for the outage."""
    await taken(home, left(SEEN - MINUTE_MS))
    home.now += 5 * HOUR_MS

    assert [("waiting", 1)] == [
        (row["state"], row["attempts"]) for row in home.rows("SELECT state, attempts FROM windows")
    ]
    assert [(1, 0)] == [
        (row["failures"], row["told"]) for row in home.rows("SELECT failures, told FROM outages")
    ]
    assert [] == home.events()


async def test_a_used_up_window_is_given_up_now(home: Home) -> None:
    """0.1.x had not said so yet: with a manifest that allows no more, we do, once."""
    heir = agent("a", routes=[route("phone", "f1")], schedules=[schedule(tries=1)])
    await home.adopt(heir, left=left(SEEN - MINUTE_MS))

    assert ["given_up"] == home.events()
    assert [1] == [row["told"] for row in home.rows("SELECT told FROM outages")]


async def test_a_given_up_window_is_not_told_again(home: Home) -> None:
    """But its end will be: the outage is open, and known to be told."""
    await taken(home, left(SEEN - MINUTE_MS, attempts=3, given_up_at=SEEN))
    await home.write(lambda tx: plan.plan_due(tx, home.actor, home.now))

    assert [] == home.events()
    assert [(1, None)] == [
        (row["told"], row["closed_at"]) for row in home.rows("SELECT told, closed_at FROM outages")
    ]


async def test_the_rate_limit_takes_the_old_stamp(home: Home) -> None:
    """0.1.x did not note of what it was: it counts as a failure of each schedule."""
    await taken(home, left(SEEN - DAY_MS))

    assert [("f1", "a", "s", 2, SEEN - DAY_MS)] == [
        tuple(row.values()) for row in home.rows("SELECT * FROM said")
    ]
