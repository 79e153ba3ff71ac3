"""Which messages may go: in turn, in pace, as many as a channel takes, one while it is down."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dotagent.core.model import Exited, Kind, Outcome, Retry, Sent, Skipped, Unknown
from dotagent.ports import Pace
from tests.core.walls import HOUR_MS, MINUTE_MS
from tests.store.builder import EIGHT, Home, agent, route, schedule

FAILED, GIVEN_UP, SUCCESS = Kind.ATTEMPT_FAILED, Kind.GIVEN_UP, Kind.SUCCESS


async def ids(home: Home) -> list[int]:
    return [claim.delivery_id for claim in await home.claim()]


# -------------------------------------------------------------------------------------- the turn


async def test_in_event_order(home: Home) -> None:
    """Of one notifier and schedule the next message goes when the one before it has ended (P4)."""
    await home.adopt(agent())
    for kind in (FAILED, GIVEN_UP, SUCCESS):
        await home.tell(kind)
    order = []
    while claims := await home.claim():
        (claim,) = claims
        order.append(claim.event_seq)
        await home.answer(claim)

    assert [1, 2, 3] == order


async def test_other_keys_flow(home: Home) -> None:
    """Other schedules and other notifiers wait for nobody."""
    await home.adopt(agent(routes=[route("n", "f1"), route("m", "f1")]), agent("b"))
    for name in ("a", "b"):
        await home.tell(FAILED, name)
        await home.tell(GIVEN_UP, name)

    assert [1, 2, 5] == await ids(home)


async def test_a_retry_keeps_its_place(home: Home) -> None:
    """Nothing overtakes a message that must be tried again."""
    await home.adopt(agent())
    await home.tell(FAILED)
    await home.tell(GIVEN_UP)
    (claim,) = await home.claim()
    await home.answer(claim, Retry(why="503", after_ms=5_000))
    assert [] == await home.claim()
    home.now += 5_000
    (again,) = await home.claim()

    assert (claim.delivery_id, 2) == (again.delivery_id, again.number)


async def test_quiet_rows_take_no_turn(home: Home) -> None:
    """A message that is recorded as quiet holds up nobody."""
    await home.adopt(agent(schedules=[schedule(tries=1)], routes=[route(remind=[HOUR_MS])]))
    await home.plan()
    await home.run(EIGHT)
    await home.run(EIGHT + HOUR_MS)
    await home.run(EIGHT + 2 * HOUR_MS, Exited(code=0))
    await home.send_all()

    assert [
        "attempt_failed",
        "given_up",
        "attempt_failed",
        "success",
        "recovered",
    ] == [kind for _, kind in home.sent()]


async def test_one_turn_each(home: Home) -> None:
    """At any moment at most one unsettled message of a key has its turn, and it is the earliest."""
    await home.adopt(agent())
    for _ in range(3):
        await home.tell(FAILED)
    turns = "SELECT id FROM deliveries WHERE turn = 1 AND state IN ('pending', 'sending')"
    seen = []
    while rows := home.rows(turns):
        seen.append([row["id"] for row in rows])
        (claim,) = await home.claim()
        assert seen[-1] == [row["id"] for row in home.rows(turns)]
        await home.answer(claim)

    assert [[1], [2], [3]] == seen


async def test_settle_claims_the_next(home: Home) -> None:
    """The settle of one message takes the next with it: no other look is needed."""
    await home.adopt(agent())
    await home.tell(FAILED)
    await home.tell(GIVEN_UP)
    (claim,) = await home.claim()
    following = await home.answer(claim, room=8)

    assert [2] == [each.delivery_id for each in following]


# ------------------------------------------------------------------------------- the destination


@pytest.mark.parametrize("parallel", [1, 3])
async def test_parallel(home: Home, parallel: int) -> None:
    """A destination is sent no more at once than it takes."""
    pace = Pace(burst=9, every_ms=0, parallel=parallel)
    await home.adopt(*(agent(name, routes=[route(pace=pace)]) for name in "abcde"))
    for name in "abcde":
        await home.tell(FAILED, name)

    claims = await home.claim()
    assert parallel == len(claims)
    assert (await home.wakes())["outbox"] is None
    await home.answer(claims[0])
    assert 1 == len(await home.claim())


async def test_room(home: Home) -> None:
    """Nor does the whole outbox send more than there is room for."""
    await home.adopt(*(agent(name, routes=[route(to=f"f{name}")]) for name in "abcde"))
    for name in "abcde":
        await home.tell(FAILED, name)

    assert [2, 2, 1, 0] == [len(await home.claim(2)) for _ in range(4)]
    assert [] == await home.claim(0)


async def test_only(home: Home) -> None:
    """A claim for one destination takes from no other."""
    await home.adopt(*(agent(name, routes=[route(to=f"f{name}")]) for name in "abc"))
    for name in "abc":
        await home.tell(FAILED, name)

    claims = await home.claim(8, ["fc", "fa", "f-unknown"])
    assert ["fa", "fc"] == [claim.fingerprint for claim in claims]


async def test_pace(home: Home) -> None:
    """A burst at once, then one each interval, and the engine wakes exactly then."""
    pace = Pace(burst=3, every_ms=1_000, parallel=9)
    await home.adopt(*(agent(name, routes=[route(pace=pace)]) for name in "abcdef"))
    for name in "abcdef":
        await home.tell(FAILED, name)
    sent = []
    start = home.now
    while (wake := (await home.wakes())["outbox"]) is not None:
        home.now = max(wake, home.now)
        claims = await home.claim()
        sent += [home.now - start for _ in claims]
        for claim in claims:
            await home.answer(claim)

    assert [0, 0, 0, 1_000, 2_000, 3_000] == sent


async def test_pace_is_regained(home: Home) -> None:
    """After a rest the whole burst is there again."""
    pace = Pace(burst=2, every_ms=1_000, parallel=9)
    names = "abcdef"
    await home.adopt(*(agent(name, routes=[route(pace=pace)]) for name in names))
    for name in names:
        await home.tell(FAILED, name)
    counts = []
    for rest in (0, 1_500, 500, 60_000):
        home.now += rest
        claims = await home.claim()
        counts.append(len(claims))
        for claim in claims:
            await home.answer(claim)

    assert [2, 1, 1, 2] == counts


async def test_pace_of_a_wrong_clock(home: Home) -> None:
    """A stamp of the future counts as none (rules R3)."""
    pace = Pace(burst=1, every_ms=1_000, parallel=9)
    await home.adopt(*(agent(name, routes=[route(pace=pace)]) for name in "ab"))
    await home.tell(FAILED, "a")
    await home.tell(FAILED, "b")
    home.now += HOUR_MS
    assert 1 == len(await home.claim())
    home.now -= HOUR_MS

    assert 1 == len(await home.claim())


async def test_down(home: Home) -> None:
    """A destination that failed is left alone, then asked by one message at a time, until it
    answers (rules R20)."""
    await home.adopt(*(agent(name) for name in "abcd"))
    for name in "abcd":
        await home.tell(FAILED, name)
    claims = await home.claim()
    assert 4 == len(claims)
    for claim in claims:
        await home.answer(claim, Retry(why="503"), u=0.999)
    assert [] == await home.claim()
    assert home.now + 1_998 == (await home.wakes())["outbox"]

    home.now += 2_000
    (probe,) = await home.claim()
    assert [] == await home.claim()
    following = await home.answer(probe, Sent(), room=8)
    assert 3 == len(following)


async def test_failures_together_are_one(home: Home) -> None:
    """Several sends that fail together are one failure: one step of the backoff, not four."""
    await home.adopt(*(agent(name) for name in "abcd"))
    for name in "abcd":
        await home.tell(FAILED, name)
    for claim in await home.claim():
        await home.answer(claim, Unknown(why="no answer"))

    assert 1 == home.value("SELECT failures FROM destinations")


async def test_backoff_grows_with_each_probe(home: Home) -> None:
    """Each failed probe doubles the rest, up to a quarter of an hour."""
    await home.adopt(agent())
    await home.tell(GIVEN_UP)
    rests = []
    for _ in range(12):
        wake = (await home.wakes())["outbox"]
        assert wake is not None
        rests.append(round(max(wake - home.now, 0), -3) // 1_000)
        home.now = max(wake, home.now)
        (claim,) = await home.claim()
        await home.answer(claim, Retry(why="503"), u=0.999_9)

    assert [0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] == rests


async def test_hold_until(home: Home) -> None:
    """A message that is held is not touched before its time, and others pass it by."""
    await home.adopt(agent(), agent("b"))
    await home.tell(FAILED)
    await home.tell(FAILED, "b")
    await home.write(
        lambda tx: tx.run("UPDATE deliveries SET hold_until = ? WHERE id = 1", home.now + HOUR_MS)
    )

    assert [2] == await ids(home)
    assert home.now + HOUR_MS == (await home.wakes())["outbox"]
    home.now += HOUR_MS
    assert [1] == await ids(home)


async def test_nothing_to_wake_for(home: Home) -> None:
    """With an empty outbox nobody looks at it."""
    await home.adopt(agent())

    assert (await home.wakes())["outbox"] is None
    await home.tell(FAILED)
    (claim,) = await home.claim()
    await home.answer(claim)
    assert (await home.wakes())["outbox"] is None


async def test_wake_is_never_too_early(home: Home) -> None:
    """At its wake something can be done: an engine that wakes for nothing would spin."""
    pace = Pace(burst=2, every_ms=700, parallel=2)
    names = "abcdefgh"
    await home.adopt(*(agent(name, routes=[route(pace=pace)]) for name in names))
    for name in names:
        await home.tell(FAILED, name)
        await home.tell(GIVEN_UP, name)
    outcomes: Iterator[Outcome] = iter(
        [Retry(why="503"), Sent(), Retry(why="429", after_ms=9_000)] * 99
    )
    looks = 0
    while (wake := (await home.wakes())["outbox"]) is not None:
        home.now = max(wake, home.now)
        claims = await home.claim()
        looks += 1
        assert claims
        for claim in claims:
            await home.answer(claim, next(outcomes))

    assert 16 == len(home.sent())
    assert looks < 60


# ------------------------------------------------------------------------------------- the ledger


async def test_ledger_at_claim(home: Home) -> None:
    """The try stands in the ledger before anything is sent (rules R17)."""
    await home.adopt(agent())
    await home.tell(FAILED)
    (claim,) = await home.claim()
    row = home.row("SELECT * FROM sends")

    assert (claim.delivery_id, 1, home.actor.epoch, "f1", home.now, None, 0) == (
        row["delivery_id"],
        row["number"],
        row["epoch"],
        row["fingerprint"],
        row["started_at"],
        row["outcome"],
        row["may_repeat"],
    )


# -------------------------------------------------------------------------------- R14, recoveries


async def fail_and_recover(home: Home) -> None:
    await home.plan()
    await home.run(EIGHT)
    await home.run(EIGHT + 5 * MINUTE_MS, Exited(code=0))


async def test_recovered_to_who_heard(home: Home) -> None:
    """Who heard the bad news hears the good."""
    await home.adopt(agent())
    await fail_and_recover(home)
    await home.send_all()

    assert [("n", "attempt_failed"), ("n", "success"), ("n", "recovered")] == home.sent()


async def test_recovered_to_who_hears_nothing_else(home: Home) -> None:
    """So does who asked for good news only: no failure of it was ever kept back."""
    await home.adopt(agent(routes=[route(events=[Kind.RECOVERED])]))
    await fail_and_recover(home)
    await home.send_all()

    assert [("n", "recovered")] == home.sent()


async def test_recovered_where_all_was_quiet(home: Home) -> None:
    """A notifier all of whose failure messages stayed quiet is spared the good news (rules R14)."""
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT)
    (claim,) = await home.claim()
    await home.answer(claim, Skipped(why="too soon after the last one"))
    await home.run(EIGHT + 5 * MINUTE_MS, Exited(code=0))
    await home.send_all()

    assert [("n", "success")] == home.sent()
    assert (
        "n",
        "recovered",
        "suppressed",
        "every failure message of this outage stayed quiet",
    ) == home.deliveries()[-1]


async def test_recovered_where_some_was_quiet(home: Home) -> None:
    """One failure message that went out, or died, is enough for the good news."""
    await home.adopt(agent(schedules=[schedule(tries=1)]))
    await home.plan()
    await home.run(EIGHT)
    outcomes: Iterator[Outcome] = iter([Skipped(why="too soon"), Sent(), Sent(), Sent()])
    while claims := await home.claim():
        await home.answer(claims[0], next(outcomes))
    await home.run(EIGHT + HOUR_MS, Exited(code=0))
    await home.send_all()

    assert ["given_up", "success", "recovered"] == [kind for _, kind in home.sent()]


async def test_recovered_waits_for_the_bad_news(home: Home) -> None:
    """What cannot be known before the failure messages have ended is not decided before."""
    await home.adopt(agent())
    await fail_and_recover(home)
    (claim,) = await home.claim()
    await home.answer(claim, Retry(why="503", after_ms=60_000))
    assert [] == await home.claim()

    assert ["pending"] * 3 == [state for _, _, state, _ in home.deliveries()]


async def test_another_notifier_knows_nothing_of_it(home: Home) -> None:
    """Whether one notifier stayed quiet says nothing about another."""
    await home.adopt(agent(routes=[route("n", "f1"), route("m", "f2")]))
    await fail_and_recover(home)
    for claim in await home.claim():
        await home.answer(claim, Skipped(why="x") if claim.notifier == "n" else Sent())
    await home.send_all()

    assert ["m"] == [notifier for notifier, kind in home.sent() if kind == "recovered"]


async def test_claim_and_suppression_are_one(home: Home) -> None:
    """A recovery that turns out quiet makes room for what comes after it in the same look."""
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT)
    (claim,) = await home.claim()
    await home.answer(claim, Skipped(why="x"))
    await home.run(EIGHT + 5 * MINUTE_MS, Exited(code=0))
    (claim,) = await home.claim()
    await home.tell(FAILED)
    following = await home.answer(claim, room=8)

    assert ["attempt_failed"] == [
        home.value("SELECT kind FROM events WHERE seq = ?", each.event_seq) for each in following
    ]
