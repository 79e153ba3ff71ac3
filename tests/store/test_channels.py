"""Dead channels: parked, announced once and elsewhere, stood in for, and found alive again."""

from __future__ import annotations

import json

from dotagent.core.model import (
    Kind,
    Outcome,
    RejectDestination,
    RejectMessage,
    Retry,
    Sent,
    Skipped,
    Unsupported,
)
from dotagent.store import resend
from dotagent.store.database import Tx
from tests.core.walls import DAY_MS, HOUR_MS
from tests.store.builder import EIGHT, Home, agent, route, schedule

FAILED, GIVEN_UP, SUCCESS = Kind.ATTEMPT_FAILED, Kind.GIVEN_UP, Kind.SUCCESS
GONE = RejectDestination(why="404 no_team")
ANNOUNCEMENTS = [Kind.DESTINATION_PARKED, Kind.DELIVERY_EXPIRED]


async def refuse_first(home: Home, outcome: Outcome = GONE) -> None:
    """An agent whose one channel answers its first message like this."""
    await home.adopt(agent())
    await home.tell(GIVEN_UP)
    (claim,) = await home.claim(only=["f1"])
    await home.answer(claim, outcome)


def parked(home: Home) -> list[str]:
    rows = home.rows("SELECT * FROM destinations WHERE parked_at IS NOT NULL ORDER BY fingerprint")
    return [row["fingerprint"] for row in rows]


def announced(home: Home) -> list[tuple[str, str]]:
    """Every announcement: what, about whom."""
    return [
        (row["kind"], row["about"])
        for row in home.rows("SELECT * FROM events ORDER BY seq")
        if row["kind"] in ANNOUNCEMENTS
    ]


# ---------------------------------------------------------------------------------------- resting


async def test_told_to_wait(home: Home) -> None:
    """A service that says how long gets exactly that, also where another message, which was on
    its way before, is taken meanwhile; nobody else waits."""
    await home.adopt(agent(), agent("b"), agent("c", routes=[route("n", "f2")]))
    for name in "abc":
        await home.tell(FAILED, name)
    first, second, other = await home.claim()
    await home.answer(first, Retry(why="429", after_ms=7_300))
    home.now += 100
    await home.answer(second)
    await home.answer(other)
    await home.tell(FAILED, "c")

    assert ["f2"] == [claim.fingerprint for claim in await home.claim()]
    assert home.now + 7_200 == (await home.wakes())["outbox"]
    home.now += 7_199
    assert [] == await home.claim()
    home.now += 1
    assert [first.delivery_id] == [claim.delivery_id for claim in await home.claim()]


async def test_guessed_wait(home: Home) -> None:
    """A wait that was only our own guess ends with the first message that is taken."""
    await home.adopt(agent(), agent("b"))
    await home.tell(FAILED)
    await home.tell(FAILED, "b")
    first, second = await home.claim()
    await home.answer(first, Retry(why="503", least_ms=5_000))
    await home.answer(second)

    assert [first.delivery_id] == [claim.delivery_id for claim in await home.claim()]


async def test_rest_after_a_success(home: Home) -> None:
    """A service that has taken its last message for now rests, and has not failed; what fails
    after that is its first failure."""
    await home.adopt(agent(), agent("b"), agent("c"))
    for name in "abc":
        await home.tell(FAILED, name)
    first, second, third = await home.claim()
    await home.answer(first, Sent(rest_ms=900))
    await home.answer(second, Sent())
    await home.tell(SUCCESS)

    row = home.row("SELECT * FROM destinations")
    assert (0, home.now + 900, None) == (row["failures"], row["down_until"], row["parked_at"])
    assert [] == await home.claim()
    assert home.now + 900 == (await home.wakes())["outbox"]
    await home.answer(third, Retry(why="503"))
    assert 1 == home.value("SELECT failures FROM destinations")


async def test_a_person_need_not_wait(home: Home) -> None:
    """Who asks for a try now gets one, whatever the service said before."""
    await refuse_first(home, Retry(why="429", after_ms=HOUR_MS))
    await home.write(lambda tx: resend.free(tx, "f1"))
    (claim,) = await home.claim()
    await home.answer(claim)

    assert 0 == home.value("SELECT down_until FROM destinations")


# --------------------------------------------------------------------------------------- parking


async def test_parked(home: Home) -> None:
    """A dead channel is announced elsewhere and left alone for a day; its message waits."""
    await home.notify(route("ops", "f9"))
    await refuse_first(home)

    assert ["f1"] == parked(home)
    assert [("destination_parked", "f1")] == announced(home)
    facts = json.loads(home.value("SELECT facts FROM events WHERE kind = 'destination_parked'"))
    assert "the channel “n” of a does not accept messages: 404 no_team" == facts["line"]
    assert ("n", "given_up", "pending", "404 no_team") == home.deliveries()[0]
    await home.send_all()
    assert home.now + DAY_MS == (await home.wakes())["outbox"]


async def test_why_it_is_still_parked(home: Home) -> None:
    """The reason is that of the last try: what was mended since is not said any more."""
    await refuse_first(home)
    home.now += DAY_MS
    (claim,) = await home.claim(only=["f1"])
    await home.answer(claim, Retry(why="no connection"))

    assert ["f1"] == parked(home)
    assert "no connection" == home.value("SELECT parked_why FROM destinations")


async def test_never_to_itself(home: Home) -> None:
    """A global channel that is dead is not told of its own death; the record says why."""
    await home.notify(route("ops", "f1"), route("two", "f2"))
    await home.tell(Kind.STORE_ERROR, "", "")
    claims = await home.claim(only=["f1"])
    await home.answer(claims[0], GONE)

    assert [
        ("ops", "suppressed", "it is about this very channel"),
        ("two", "pending", ""),
    ] == [
        (notifier, state, reason)
        for notifier, kind, state, reason in home.deliveries()
        if kind == "destination_parked"
    ]


async def test_once_an_episode(home: Home) -> None:
    """A channel that stays dead is announced once, however often it is tried and whatever dies of
    it; its dead letters are counted (rules R21)."""
    await home.notify(route("ops", "f9"))
    await refuse_first(home)
    for _ in range(4):
        home.now += DAY_MS
        await home.tell(GIVEN_UP)
        for claim in await home.claim():
            await home.answer(claim, GONE if claim.fingerprint == "f1" else Sent())

    assert [("destination_parked", "f1")] == announced(home)
    assert 4 == home.value("SELECT dead FROM destinations WHERE fingerprint = 'f1'")
    assert ["expired"] * 4 + ["pending"] == [
        state for notifier, _, state, _ in home.deliveries() if notifier == "n"
    ]


async def test_alive_again(home: Home) -> None:
    """What its daily probe finds alive is unparked, and all that waited goes; its next death is
    news again."""
    await home.notify(route("ops", "f9"))
    await refuse_first(home)
    await home.tell(FAILED)
    await home.send_all()
    home.now += DAY_MS
    await home.send_all()
    assert [] == parked(home)
    assert [("n", "given_up"), ("n", "attempt_failed")] == [
        row for row in home.sent() if row[0] == "n"
    ]

    await home.tell(GIVEN_UP)
    for claim in await home.claim():
        await home.answer(claim, GONE if claim.fingerprint == "f1" else Sent())
    assert [("destination_parked", "f1")] * 2 == announced(home)


async def test_retry_after_more_than_a_day(home: Home) -> None:
    """A service that asks for more than a day is parked at once (product §6)."""
    await refuse_first(home, Retry(why="429", after_ms=DAY_MS + 1))

    assert ["f1"] == parked(home)
    assert home.now + DAY_MS == (await home.wakes())["outbox"]


async def test_retry_after_is_obeyed(home: Home) -> None:
    """Up to a day it waits as long as it is asked to, and nobody is told."""
    await refuse_first(home, Retry(why="429", after_ms=DAY_MS))

    assert [] == parked(home)
    assert home.now + DAY_MS == (await home.wakes())["outbox"]
    assert [] == announced(home)


async def test_new_address_is_not_parked(home: Home) -> None:
    """A new address is tried at once, with what waited for the old one."""
    await refuse_first(home)
    await home.adopt(agent(routes=[route(to="f2")]))
    (claim,) = await home.claim()

    assert ("f2", GIVEN_UP) == (
        claim.fingerprint,
        home.value("SELECT kind FROM events WHERE seq = ?", claim.event_seq),
    )


async def test_one_message_at_a_time_while_parked(home: Home) -> None:
    """A person who has mended it lets it be tried: one message first, then the rest."""
    await home.adopt(*(agent(name) for name in "abc"))
    for name in "abc":
        await home.tell(GIVEN_UP, name)
    for claim in await home.claim():
        await home.answer(claim, GONE)
    await home.write(lambda tx: resend.again(tx, home.now, resend.waiting_for_parked(tx)))

    (probe,) = await home.claim()
    assert 2 == len(await home.answer(probe, Sent(), room=8))


# ------------------------------------------------------------------------------------ unsupported


async def test_unsupported(home: Home) -> None:
    """A driver that cannot work here ends all that waits for it, said once."""
    await home.notify(route("ops", "f9"))
    await home.adopt(agent(), agent("b"))
    await home.tell(GIVEN_UP)
    await home.tell(SUCCESS)
    await home.tell(FAILED, "b")
    claims = await home.claim(1, ["f1"])
    await home.answer(claims[0], Unsupported(why="no session bus"))

    assert [("rejected", "no session bus")] * 3 == [
        (state, reason) for notifier, _, state, reason in home.deliveries() if notifier == "n"
    ]
    assert [("destination_parked", "f1")] == announced(home)
    assert 3 == home.value("SELECT dead FROM destinations WHERE fingerprint = 'f1'")


async def test_unsupported_is_probed_at_start(home: Home) -> None:
    """At the next start it is tried again; what is merely dead is not."""
    await home.adopt(agent(), agent("b", routes=[route(to="f2")]))
    for name, outcome in (("a", Unsupported(why="no bus")), ("b", GONE)):
        await home.tell(GIVEN_UP, name)
        (claim,) = await home.claim()
        await home.answer(claim, outcome)
    await home.tell(FAILED)
    assert [] == await home.claim()
    await home.end()
    await home.crash()

    assert ["f1"] == [claim.fingerprint for claim in await home.claim()]


# --------------------------------------------------------------------------------------- stand-in


async def test_stand_in(home: Home) -> None:
    """While its channel is dead an agent's critical news also goes to a living global one."""
    await home.notify(route("ops", "f9", [Kind.DESTINATION_PARKED]))
    await refuse_first(home)
    await home.tell(FAILED)
    await home.tell(GIVEN_UP)

    assert [
        ("n", "attempt_failed", ""),
        ("n", "given_up", ""),
        ("ops", "given_up", "standing in for a parked channel"),
    ] == [(notifier, kind, reason) for notifier, kind, _, reason in home.deliveries()[2:]]


async def test_stand_in_that_has_its_own_answer(home: Home) -> None:
    """A global notifier for which the event is “same outage” stays quiet, once: the settle of the
    attempt must not fail over it."""
    await home.notify(route("ops", "f9", remind=[HOUR_MS]))
    await home.adopt(agent(schedules=[schedule(tries=1)]))
    await home.plan()
    await home.run(EIGHT)
    for claim in await home.claim():
        await home.answer(claim, GONE if claim.fingerprint == "f1" else Sent())
    await home.run(EIGHT + HOUR_MS)

    assert [("n", "pending", ""), ("ops", "suppressed", "same outage")] == [
        (notifier, state, reason)
        for notifier, kind, state, reason in home.deliveries()
        if kind == "given_up"
    ][2:]


# ----------------------------------------------------------- R21: no announcements of announcements


async def test_two_dead_channels_come_to_rest(home: Home) -> None:
    """Two global channels that are both dead tell of each other once, and then all is still, the
    dead letters in the inbox (rules I8, I9)."""
    await home.notify(route("one", "f1"), route("two", "f2"))
    await home.tell(Kind.STORE_ERROR, "", "")
    looks = 0
    while (wake := (await home.wakes())["outbox"]) is not None:
        home.now = max(wake, home.now)
        for claim in await home.claim():
            await home.answer(claim, GONE)
            looks += 1

    assert [("destination_parked", "f1"), ("destination_parked", "f2")] == announced(home)
    assert {"expired", "suppressed"} == {state for _, _, state, _ in home.deliveries()}
    assert looks < 20


async def test_two_silent_channels_come_to_rest(home: Home) -> None:
    """So do two that never answer."""
    await home.notify(route("one", "f1"), route("two", "f2"))
    await home.tell(Kind.STORE_ERROR, "", "")
    while (wake := (await home.wakes())["outbox"]) is not None:
        home.now = max(wake, home.now)
        for claim in await home.claim():
            await home.answer(claim, Retry(why="no answer"))

    assert [("delivery_expired", "f1"), ("delivery_expired", "f2")] == announced(home)


async def test_dead_announcement_hides_nothing(home: Home) -> None:
    """An announcement that dies says nothing, but the next real message that dies there does: its
    death is announced on a channel that lives."""
    await home.notify(route("dead", "f1"), route("alive", "f2"))
    await home.tell(Kind.DELIVERY_EXPIRED, "", "", about="f3")
    (claim,) = await home.claim(only=["f1"])
    (plain,) = await home.answer(claim, RejectMessage(why="400"), room=8)
    await home.answer(plain, RejectMessage(why="400"))
    assert 1 == len(announced(home))

    await home.tell(Kind.STORE_ERROR, "", "")
    (claim,) = await home.claim(only=["f1"])
    (plain,) = await home.answer(claim, RejectMessage(why="400"), room=8)
    await home.answer(plain, RejectMessage(why="400"))
    assert [("delivery_expired", "f3"), ("delivery_expired", "f1")] == announced(home)


async def test_announcement_takes_others_down_with_it(home: Home) -> None:
    """Where the try that failed was an announcement's, the real messages that its failure ends are
    announced all the same."""
    await home.notify(route("dead", "f1"), route("alive", "f2"))
    await home.adopt(agent(routes=[]))
    await home.tell(Kind.DELIVERY_EXPIRED, "", "", about="f3")
    await home.tell(SUCCESS)
    home.now += DAY_MS
    (claim,) = await home.claim(1, ["f1"])
    await home.answer(claim, Retry(why="503"))

    assert [("delivery_expired", "f3"), ("delivery_expired", "f1")] == announced(home)
    facts = json.loads(
        home.value("SELECT facts FROM events WHERE kind = 'delivery_expired' AND about = 'f1'")
    )
    assert "a message to the channel “dead” could not be delivered: 503" == facts["line"]


async def test_a_channel_found_dead_by_an_announcement(home: Home) -> None:
    """A channel that an announcement finds dead is news itself, for the channels that live."""
    await home.notify(route("one", "f1"), route("two", "f2"), route("three", "f3"))
    await home.tell(Kind.DESTINATION_PARKED, "", "", about="f1")
    (claim,) = await home.claim(only=["f2"])
    await home.answer(claim, GONE)

    assert [("destination_parked", "f1"), ("destination_parked", "f2")] == announced(home)


# ---------------------------------------------------------------------------------- the last things


async def test_skipped_says_nothing_of_the_channel(home: Home) -> None:
    """A message that was deliberately not sent proves nothing: a channel that is down stays so."""
    await home.adopt(agent())
    await home.tell(FAILED)
    (claim,) = await home.claim()
    await home.answer(claim, Retry(why="503", after_ms=5_000))
    home.now += 5_000
    (probe,) = await home.claim()
    before = home.row("SELECT * FROM destinations")
    await home.answer(probe, Skipped(why="too soon"))

    assert before == home.row("SELECT * FROM destinations")


async def test_unknown_destination_is_made_like_its_own(home: Home) -> None:
    """An address never seen before is paced like the notifier's old one."""
    await home.adopt(agent())
    await home.tell(FAILED)
    (claim,) = await home.claim()
    await home.answer(claim, Retry(why="503"), to="fresh")

    def pace(tx: Tx, fingerprint: str) -> tuple[object, ...]:
        row = tx.one("SELECT * FROM destinations WHERE fingerprint = ?", fingerprint)
        assert row is not None
        return row["driver"], row["name"], row["burst"], row["every_ms"], row["parallel"]

    assert await home.write(lambda tx: pace(tx, "f1")) == await home.write(
        lambda tx: pace(tx, "fresh")
    )
