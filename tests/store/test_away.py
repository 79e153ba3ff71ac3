"""An absence over the real store: told once, when what it made late has settled."""

from __future__ import annotations

from dotagent.core.model import Exited
from dotagent.core.passage import ASLEEP, Passage, Span
from dotagent.core.when import Calendar, Every
from dotagent.store import spans
from dotagent.store.attempts import Run
from tests.core.walls import HOUR_MS, MINUTE_MS
from tests.store.builder import EIGHT, SEEN, Home, agent, route, schedule

OK = Exited(code=0)
DAILY = Calendar(expression="0 9 * * *")


def told(home: Home) -> list[str]:
    """The lines of what was told of absences."""
    found = "SELECT facts FROM events WHERE kind = 'away_summary'"
    return [row["facts"].split('"')[3] for row in home.rows(found)]


def since(run: Run) -> int:
    """How long after its agent was first seen it fell due."""
    assert run.expected_at is not None
    return run.expected_at - SEEN


async def asleep(home: Home, *schedules: object, hours: int = 5) -> int:
    """A daemon that ends at eight, and one that begins hours later; when that is."""
    await home.adopt(agent(schedules=list(schedules) or None))  # type: ignore[arg-type]
    await home.notify(route("g", "f2"))
    await home.plan()
    await home.run(EIGHT, OK) if not schedules else None
    home.now = EIGHT + MINUTE_MS
    await home.end()
    home.now += hours * HOUR_MS
    await home.begin()
    return home.now


async def test_told_once_when_it_has_settled(home: Home) -> None:
    """Not while a run that is caught up still runs, nor twice."""
    await asleep(home)
    (run,) = await home.due()
    await home.look()
    during = told(home)
    home.now += MINUTE_MS
    await home.settle(run, OK)
    await home.look()
    await home.look()

    assert [] == during
    assert ["Away 08:01–13:01: 1 run caught up, 1 ok; 4 older windows folded"] == told(home)
    assert ("g", "away_summary", "pending", "") == home.deliveries()[-1]


async def test_nothing_late(home: Home) -> None:
    """A restart in between says nothing."""
    await asleep(home, schedule(when=DAILY), hours=0)
    await home.plan()
    await home.look()

    assert [] == told(home)


async def test_within_tolerance(home: Home) -> None:
    """An hour late, where two are fine, and all went well: not worth a word."""
    await asleep(home, schedule(when=DAILY), hours=2)
    await home.run(home.now, OK)
    await home.look()

    assert [] == told(home)


async def test_a_failing_run(home: Home) -> None:
    """It is named once its tries are used up."""
    await asleep(home, schedule(when=DAILY, tries=2), hours=2)
    await home.run(home.now)
    await home.look()
    during = told(home)
    await home.run(home.now + 5 * MINUTE_MS)
    await home.look()

    assert [] == during
    assert ["Away 08:01–10:01: 1 run caught up, 0 ok, a failing"] == told(home)


async def test_missed_windows(home: Home) -> None:
    """What will not be caught up is counted."""
    await asleep(home, schedule(when=DAILY, catch_up="none"), hours=4)
    await home.plan()
    await home.look()

    assert ["Away 08:01–12:01: 1 run missed (a)"] == told(home)


async def test_two_absences_are_one(home: Home) -> None:
    """A daemon that came and went before anything had settled belongs to the absence."""
    await asleep(home)
    await home.end()
    home.now += HOUR_MS
    await home.begin()
    await home.run(home.now, OK)
    await home.look()

    assert ["Away 08:01–14:01: 1 run caught up, 1 ok; 5 older windows folded"] == told(home)


async def test_commands_do_not_end_an_absence(home: Home) -> None:
    """A command held the home in between, and planned nothing."""
    await asleep(home, hours=1)
    await home.end()
    home.now += HOUR_MS
    await home.begin("run-now")
    await home.end()
    home.now += HOUR_MS
    await home.begin()
    await home.run(home.now, OK)
    await home.look()

    assert ["Away 08:01–11:01: 1 run caught up, 1 ok; 2 older windows folded"] == told(home)


async def test_a_machine_that_slept(home: Home) -> None:
    """The same holder was there all the time, and could not act."""
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT, OK)
    left, home.now = home.now, EIGHT + 5 * HOUR_MS + MINUTE_MS
    night = Passage(stepped_ms=0, spans=(Span(from_at=left, to_at=home.now, why=ASLEEP),))
    await home.write(lambda tx: spans.note(tx, home.actor, home.now, night))
    await home.run(home.now, OK)
    await home.look()

    assert ["Away 08:00–13:01: 1 run caught up, 1 ok; 4 older windows folded"] == told(home)
    assert "the machine slept" == home.value("SELECT why FROM spans")


async def test_who_is_behind_anyway_holds_nothing_up(home: Home) -> None:
    """A schedule whose runs take longer than its period is always catching up: the absence is told
    once what fell due in it has settled, and speaks of nothing later."""
    often = Every(every_ms=10 * MINUTE_MS)
    await asleep(home, schedule(when=often, overlap="queue"), hours=2)
    home.now += MINUTE_MS
    (run,) = await home.due()
    await home.look()
    during = told(home)
    home.now += 35 * MINUTE_MS
    await home.settle(run, OK)
    (behind,) = await home.due()
    await home.look()

    assert [] == during
    assert 3 == home.value("SELECT caught_up + 1 FROM windows WHERE state = 'running'")
    assert (2 * HOUR_MS + 30 * MINUTE_MS, 3 * HOUR_MS) == (since(run), since(behind))
    assert ["Away 08:01–10:01: 1 run caught up, 1 ok; 14 older windows folded"] == told(home)


async def test_what_is_missed_later_is_not_of_the_absence(home: Home) -> None:
    """A window that fell due after it, and could not be tried either."""
    missing = schedule("m", when=DAILY, catch_up="none")
    later = schedule("z", when=Calendar(expression="30 12 * * *"), catch_up="none")
    await asleep(home, missing, later, schedule("r", when=DAILY), hours=4)
    (run,) = await home.due()
    await home.due(home.now + 2 * HOUR_MS)
    await home.look()
    home.now += MINUTE_MS
    await home.settle(run, OK)
    await home.look()

    assert 2 == home.value("SELECT count(*) FROM windows WHERE state = 'missed'")
    assert ["Away 08:01–12:01: 1 run caught up, 1 ok; 1 run missed (a/m)"] == told(home)
