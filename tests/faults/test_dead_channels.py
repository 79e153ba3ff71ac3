"""Dead channels: how much they cost, and how little they say of each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeVar, cast

from dotagent.core.model import Event, Kind, RejectDestination, Retry
from dotagent.store import outbox
from dotagent.store.database import Store, Tx
from dotagent.store.tell import tell
from tests.core.walls import DAY_MS, HOUR_MS
from tests.rules.life import at_once
from tests.rules.memory import Memory, Switch
from tests.store.builder import Home, route

T = TypeVar("T")


class Costed:
    """A home in memory that counts what its database works."""

    def __init__(self) -> None:
        self.memory = Memory(Switch())
        self.home: Home = at_once(Home.open(":memory:", store=cast(Store, self.memory)))
        self._steps = 0

    def _count(self) -> int:
        self._steps += 1
        return 0

    def cost(self, op: Callable[[Tx], T]) -> tuple[T, int]:
        """What the operation brings, and how many hundreds of steps of SQLite's machine it took."""
        self._steps = 0
        self.memory.db.set_progress_handler(self._count, 100)
        try:
            return at_once(self.home.write(op)), self._steps
        finally:
            self.memory.db.set_progress_handler(None, 0)

    def crowd(self, count: int) -> None:
        """So many schedules have something to tell, and nobody hears it."""
        home = self.home
        news = [
            Event(kind=Kind.GIVEN_UP, at=home.now, agent=f"a{number}", schedule_id="s")
            for number in range(count)
        ]
        at_once(home.write(lambda tx: tell(tx, home.actor, home.now, news, only={("", "dead")})))


def costs_of(waiting: int) -> list[int]:
    """What a turn costs while so many messages wait for a dead channel, another turn that has
    nothing to do, the end of a probe, and a message to another channel."""
    made = Costed()
    home = made.home
    at_once(home.notify(route("dead", "f-dead"), route("well", "f-well")))
    made.crowd(waiting)
    for claim in at_once(home.claim()):  # as many as it takes at once, and all of them fail
        at_once(home.answer(claim, Retry(why="gone")))
    home.now += HOUR_MS
    probe, turn = made.cost(lambda tx: outbox.claim(tx, home.actor, home.now, 256))
    nothing, idle = made.cost(lambda tx: outbox.claim(tx, home.actor, home.now, 256))
    _, wake = made.cost(outbox.next_wake)
    said = Event(kind=Kind.GIVEN_UP, at=home.now, agent="b", schedule_id="s")

    def speak(tx: Tx) -> list[outbox.Claim]:
        touched = tell(tx, home.actor, home.now, [said], only={("", "well")})
        return outbox.claim(tx, home.actor, home.now, 256, touched)

    spoken, other = made.cost(speak)
    home.close()

    assert [("dead", 1), ("", 0), ("well", 1)] == [
        (each[0].name if each else "", len(each)) for each in (probe, nothing, spoken)
    ]
    return [turn, idle, wake, other]


def test_a_crowd_costs_no_more_than_a_few() -> None:
    """Ten thousand waiting messages make no turn dearer than twenty do: one probe, one wake, and
    another channel's message is claimed at once."""
    few, many = costs_of(20), costs_of(10_000)

    assert [cost <= 2 * before + 10 for before, cost in zip(few, many, strict=True)] == [True] * 4


def test_two_dead_channels_do_not_talk_about_each_other_for_ever() -> None:
    """Each parking is announced once to the other channel, and the death of that announcement is
    not announced. Whatever a month of daily probes brings, nothing more is said (rules R21)."""
    made = Costed()
    home = made.home
    at_once(home.notify(route("one", "f-one"), route("two", "f-two")))
    at_once(home.tell(Kind.MANIFEST_INVALID, "", "", facts={"line": "x"}))
    told = []
    for _ in range(31):
        while claims := at_once(home.claim()):
            for claim in claims:
                at_once(home.answer(claim, RejectDestination(why="404")))
        told.append(len(home.events()))
        home.now += DAY_MS
    about = Counter(row["about"] for row in home.rows("SELECT about FROM events"))
    left = home.rows("SELECT 1 FROM deliveries WHERE state IN ('pending', 'sending')")
    home.close()

    assert {"f-one": 1, "f-two": 1, None: 1} == about
    assert told[0] == told[-1]
    assert [] == left
