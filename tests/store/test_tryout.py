"""A test for chosen channels: alone, first, once, whatever rests or waits."""

from __future__ import annotations

import pytest

from dotagent.core.errors import NotFound, UsageError
from dotagent.core.model import Kind, RejectDestination, RejectMessage, Retry
from dotagent.store import tryout
from dotagent.store.tryout import Wish
from tests.core.walls import HOUR_MS
from tests.store.builder import Home, agent, route

FAILED = Kind.ATTEMPT_FAILED


async def attempt(home: Home, **wish: object) -> list[int]:
    """Ask for it; the deliveries made."""
    keys = [(row["scope"], row["notifier"]) for row in home.rows("SELECT * FROM routing")]
    asked = Wish(keys=keys, **wish)  # type: ignore[arg-type]
    answer = await home.write(lambda tx: tryout.tryout(tx, home.actor, home.now, asked))
    made: list[int] = answer["deliveries"]
    return made


async def test_ahead_of_what_waits(home: Home) -> None:
    """A channel that rests by our own backoff is tried now, by the test and not by what waits; the
    test that arrives lets that go."""
    await home.adopt(agent())
    await home.tell(FAILED)
    (claim,) = await home.claim()
    await home.answer(claim, Retry(why="HTTP 500"))
    assert [] == await home.claim()
    (made,) = await attempt(home, agent="a")
    (trial,) = await home.claim()
    following = await home.answer(trial, room=8)

    assert made == trial.delivery_id
    assert () == trial.others
    assert [claim.delivery_id] == [each.delivery_id for each in following]


async def test_what_the_service_asked_for(home: Home) -> None:
    """It is kept: the test ends at once, and says so."""
    await home.adopt(agent())
    await home.tell(FAILED)
    (claim,) = await home.claim()
    await home.answer(claim, Retry(why="HTTP 429", after_ms=HOUR_MS))
    (made,) = await attempt(home, agent="a")
    (row,) = home.rows("SELECT * FROM deliveries WHERE id = ?", made)

    assert "suppressed" == row["state"]
    assert row["reason"].startswith("the service wants to hear nothing until")


@pytest.mark.parametrize("outcome", [Retry(why="HTTP 500"), RejectDestination(why="404")])
async def test_once(home: Home, outcome: Retry | RejectDestination) -> None:
    """One try, and its end is no dead letter: nothing is counted, nobody is told of it."""
    await home.adopt(agent())
    (made,) = await attempt(home, agent="a")
    (trial,) = await home.claim()
    await home.answer(trial, outcome)
    (row,) = home.rows("SELECT * FROM deliveries WHERE id = ?", made)

    assert "expired" == row["state"]
    assert [0] == [each["dead"] for each in home.rows("SELECT dead FROM destinations")]
    assert [] == home.rows("SELECT * FROM events WHERE kind = 'delivery_expired'")


NEWS = "SELECT about FROM events WHERE kind = 'destination_parked'"


async def dead(home: Home) -> None:
    """A test finds the agent's own channel dead; there is another, for everybody."""
    await home.adopt(agent())
    await home.notify(route("ops", "f9"))
    await attempt(home, agent="a", names=("n",))
    (trial,) = await home.claim()
    await home.answer(trial, RejectDestination(why="404 no_team"))


async def test_whom_a_dead_channel_concerns(home: Home) -> None:
    """A test that finds a channel dead parks it and tells nobody else; the first message that must
    wait for it is news, once, with the reason (rules R21)."""
    await dead(home)
    parked = home.rows("SELECT fingerprint FROM destinations WHERE parked_at IS NOT NULL")
    silent = home.rows(NEWS)
    await home.tell(FAILED)
    await home.tell(FAILED)

    assert (["f1"], []) == ([row["fingerprint"] for row in parked], silent)
    assert ["f1"] == [row["about"] for row in home.rows(NEWS)]
    told = [row for row in home.deliveries() if row[1] == "destination_parked"]
    assert [("ops", "destination_parked", "pending", "")] == told
    assert "404 no_team" in home.value("SELECT facts FROM events WHERE about = 'f1'")


async def test_a_dead_channel_for_which_messages_wait(home: Home) -> None:
    """Where a message waits already, what the test found out concerns it: told at once."""
    await home.adopt(agent())
    await home.notify(route("ops", "f9"))
    await home.tell(FAILED)
    (claim,) = await home.claim(only=["f1"])
    await home.answer(claim, Retry(why="HTTP 500"))
    await attempt(home, agent="a", names=("n",))
    (trial,) = await home.claim(only=["f1"])
    await home.answer(trial, RejectDestination(why="404"))

    assert ["f1"] == [row["about"] for row in home.rows(NEWS)]


async def test_what_a_test_parked_comes_back(home: Home) -> None:
    """A test that arrives ends it, and then nothing is to be said of it."""
    await dead(home)
    await attempt(home, agent="a", names=("n",))
    (trial,) = await home.claim()
    await home.answer(trial)
    await home.tell(FAILED)

    assert [] == home.rows(NEWS)


async def test_plainer_once(home: Home) -> None:
    """A message that is refused is tried in plain words, as any other."""
    await home.adopt(agent())
    await attempt(home, agent="a")
    (trial,) = await home.claim()
    (plain,) = await home.answer(trial, RejectMessage(why="400"), room=8)

    assert plain.plain


async def test_whom(home: Home) -> None:
    """Who does not ask for the event is left out and named, but for the chosen; a wrong name and
    an event about no agent are refused."""
    rows = agent(routes=[route("ops", events=[Kind.GIVEN_UP]), route("all")])
    await home.adopt(rows)

    assert 1 == len(await attempt(home, agent="a", shows=Kind.SUCCESS))
    assert 1 == len(await attempt(home, agent="a", shows=Kind.SUCCESS, names=("ops",)))
    with pytest.raises(NotFound):
        await attempt(home, agent="a", names=("nobody",))
    with pytest.raises(UsageError):
        await attempt(home, agent="a", shows=Kind.CLOCK_CHANGED)
    with pytest.raises(UsageError):
        await attempt(home)
