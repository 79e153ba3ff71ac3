"""A person's say over messages: send a dead one again, cancel one that waits."""

from __future__ import annotations

import pytest

from dotagent.core.errors import NotFound, UsageError
from dotagent.core.model import Exited, Kind, RejectDestination, RejectMessage, Retry, Skipped
from dotagent.store import resend
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS
from tests.store.builder import EIGHT, Home, agent, route

FAILED, GIVEN_UP = Kind.ATTEMPT_FAILED, Kind.GIVEN_UP


async def die(home: Home, kind: Kind = FAILED) -> None:
    """A message that is refused for good."""
    await home.adopt(agent())
    await home.tell(kind)
    (claim,) = await home.claim()
    (plain,) = await home.answer(claim, RejectMessage(why="400"), room=8)
    await home.answer(plain, RejectMessage(why="400"))


async def again(home: Home, *ids: int) -> list[int]:
    return await home.write(lambda tx: resend.again(tx, home.now, ids))


async def test_again(home: Home) -> None:
    """A dead message goes out again as a new one that names the old; the old one stays dead."""
    await die(home)
    (made,) = await again(home, 1)
    (claim,) = await home.claim()
    assert (made, False, 1) == (claim.delivery_id, claim.plain, claim.event_seq)
    await home.answer(claim)

    assert [("rejected", None), ("sent", 1)] == [
        (row["state"], row["resend_of"]) for row in home.rows("SELECT * FROM deliveries")
    ]


async def test_again_for_those_who_lack_it(home: Home) -> None:
    """Who has it by the first delivery is not sent it again by the second."""
    await home.adopt(agent())
    await home.tell(FAILED)
    (claim,) = await home.claim()
    (plain,) = await home.answer(claim, RejectMessage(why="550", arrived=("f1",)), room=8)
    await home.answer(plain, RejectMessage(why="550"))
    await again(home, 1)
    (second,) = await home.claim()

    assert {"f1"} == second.arrived


async def test_again_in_order(home: Home) -> None:
    """It waits for its turn among those that wait already."""
    await die(home)
    await home.tell(GIVEN_UP)
    await home.claim()
    await again(home, 1)

    assert [] == await home.claim()


async def test_again_what_was_sent(home: Home) -> None:
    """What was sent, or stayed quiet, can be sent again too."""
    await home.adopt(agent())
    await home.tell(FAILED)
    (claim,) = await home.claim()
    await home.answer(claim, Skipped(why="x"))
    await again(home, 1)
    await home.send_all()

    assert [("n", "attempt_failed")] == home.sent()


async def test_again_what_waits(home: Home) -> None:
    """One that waits for its channel is let go at once, as itself."""
    await home.adopt(agent())
    await home.tell(FAILED)
    (claim,) = await home.claim()
    await home.answer(claim, Retry(why="429", after_ms=HOUR_MS))
    assert [1] == await again(home, 1)

    assert [(1, 2)] == [(each.delivery_id, each.number) for each in await home.claim()]


async def test_again_to_a_new_address(home: Home) -> None:
    """It goes to where its notifier points now, not into the queue of a dead address."""
    await die(home)
    await home.adopt(agent(routes=[route(to="f2")]))
    await again(home, 1)

    assert ["f2"] == [claim.fingerprint for claim in await home.claim()]


async def test_again_of_what_is_about_that_channel(home: Home) -> None:
    """Not even a person sends a channel the news of its own death (rules R21)."""
    await home.notify(route("ops", "f9"))
    await home.adopt(agent())
    await home.tell(FAILED)
    (claim,) = await home.claim(only=["f1"])
    await home.answer(claim, RejectDestination(why="404"))
    await home.send_all()
    await home.notify(route("ops", "f1"))
    await again(home, home.value("SELECT max(id) FROM deliveries"))
    home.now += DAY_MS

    assert ["n"] == [claim.notifier for claim in await home.claim()]
    assert ("suppressed", "it is about this very channel") == home.deliveries()[-1][2:]


async def test_again_of_a_recovery(home: Home) -> None:
    """Good news that a person asks for goes out, whatever stayed quiet before (rules R14)."""
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT)
    (claim,) = await home.claim()
    await home.answer(claim, Skipped(why="x"))
    await home.run(EIGHT + 5 * MINUTE_MS, Exited(code=0))
    await home.send_all()
    quiet = home.value("SELECT max(id) FROM deliveries WHERE state = 'suppressed'")
    await again(home, quiet)
    await home.send_all()

    assert [("n", "success"), ("n", "recovered")] == home.sent()


async def test_budget_begins_anew(home: Home) -> None:
    """It is given its whole time again."""
    await die(home)
    home.now += 9 * DAY_MS
    await again(home, 1)

    assert home.now + HOUR_MS == home.value("SELECT max(expires_at) FROM deliveries")


async def test_dead(home: Home) -> None:
    """The dead letters are those that were not sent again; a copy that died is one."""
    await die(home)
    assert [1] == await home.write(resend.dead)
    (copy,) = await again(home, 1)
    assert [] == await home.write(resend.dead)
    (claim,) = await home.claim()
    (plain,) = await home.answer(claim, RejectMessage(why="400"), room=8)
    await home.answer(plain, RejectMessage(why="400"))

    assert [copy] == await home.write(resend.dead)


async def test_waiting_for_parked(home: Home) -> None:
    """What waits for parked channels can be named as a whole."""
    await home.adopt(agent(), agent("b", routes=[route(to="f2")]))
    for name in "ab":
        await home.tell(GIVEN_UP, name)
    for claim in await home.claim():
        outcome = RejectDestination(why="404") if claim.scope == "a" else Retry(why="503")
        await home.answer(claim, outcome)

    assert [1] == await home.write(resend.waiting_for_parked)


async def test_again_while_parked(home: Home) -> None:
    """A parked channel is tried at once when a person says so, and unparked by its answer."""
    await home.adopt(agent())
    await home.tell(GIVEN_UP)
    (claim,) = await home.claim()
    await home.answer(claim, RejectDestination(why="404"))
    await again(home, 1)
    await home.send_all()

    assert [("n", "given_up")] == home.sent()
    assert home.value("SELECT parked_at FROM destinations") is None


async def test_cancel(home: Home) -> None:
    """One that waits is ended, with who said so, and the next takes its turn."""
    await home.adopt(agent())
    await home.tell(FAILED)
    await home.tell(GIVEN_UP)
    await home.write(lambda tx: resend.cancel(tx, home.actor, home.now, [1], "cancelled by hand"))

    assert ("n", "attempt_failed", "cancelled", "cancelled by hand") == home.deliveries()[0]
    assert [2] == [claim.delivery_id for claim in await home.claim()]


async def test_cancel_what_is_on_its_way(home: Home) -> None:
    """What is being sent cannot be called back, and none of the others is cancelled either."""
    await home.adopt(agent(), agent("b"))
    await home.tell(FAILED)
    await home.claim()
    await home.tell(FAILED, "b")

    with pytest.raises(UsageError, match="delivery 1 is sending: it can't be cancelled"):
        await home.write(lambda tx: resend.cancel(tx, home.actor, home.now, [2, 1], "x"))
    assert ["sending", "pending"] == [state for _, _, state, _ in home.deliveries()]


async def test_unknown_delivery(home: Home) -> None:
    """A number that names none is said."""
    with pytest.raises(NotFound, match="there is no delivery 7"):
        await again(home, 7)
    with pytest.raises(NotFound, match="there is no delivery 7"):
        await home.write(lambda tx: resend.cancel(tx, home.actor, home.now, [7], "x"))
