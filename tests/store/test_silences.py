"""Silences over the real store: what they hold back, and the word at their end (rules R15)."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from dotagent.core.errors import NotFound, UsageError
from dotagent.core.model import Exited, Kind, Retry
from dotagent.core.when import Calendar
from dotagent.store import plan, say, silences
from tests.core.walls import HOUR_MS, MINUTE_MS
from tests.store.builder import EIGHT, Home, agent, route, schedule

REMIND = (HOUR_MS, 6 * HOUR_MS)
YEARLY = Calendar(expression="0 8 3 6 *")
HELD = "silenced by hand (moving; silence 1)"
OK = Exited(code=0)


async def adopted(home: Home, *routes: object, tries: int = 1) -> None:
    """An agent that is due once, at eight, with these notifiers."""
    await home.adopt(
        agent(schedules=[schedule(when=YEARLY, tries=tries)], routes=list(routes) or [route()])  # type: ignore[arg-type]
    )
    await home.plan()


async def failed_in_silence(home: Home, *routes: object) -> int:
    """It fails at eight, half an hour into a silence of an hour; the silence's number."""
    await adopted(home, *routes)
    home.now = EIGHT - 30 * MINUTE_MS
    number = await home.silence()
    await home.run(EIGHT)
    return number


def reminders(home: Home) -> list[tuple[str, str, str]]:
    return [
        (notifier, state, reason)
        for notifier, kind, state, reason in home.deliveries()
        if kind == "still_failing"
    ]


async def test_held_back_and_recorded(home: Home) -> None:
    """Every notifier that asked has its row, with the reason; nothing is sent."""
    await failed_in_silence(home, route("n"), route("m", to="f2", events=[Kind.GIVEN_UP]))

    assert [
        ("n", "attempt_failed", "suppressed", HELD),
        ("n", "given_up", "suppressed", HELD),
        ("m", "given_up", "suppressed", HELD),
    ] == home.deliveries()
    assert 0 == await home.send_all()


async def test_end_by_time_tells_what_still_fails(home: Home) -> None:
    """The engine wakes exactly then; one ``still_failing`` to each whose message was held back,
    named or not, and to nobody else."""
    await failed_in_silence(
        home,
        route("n", events=[Kind.ATTEMPT_FAILED]),
        route("m", to="f2", remind=REMIND),
        route("other", to="f3", events=[Kind.SUCCESS]),
    )
    wake = (await home.wakes())["timely"]
    await home.look(EIGHT + 30 * MINUTE_MS - 1)
    early = reminders(home)
    await home.look(EIGHT + 30 * MINUTE_MS)
    await home.look()

    assert EIGHT + 30 * MINUTE_MS == wake
    assert [] == early
    assert [("n", "pending", ""), ("m", "pending", "")] == reminders(home)
    assert 1 == home.events().count("still_failing")
    assert [("n", "still_failing"), ("m", "still_failing")] == (await sent(home))


async def sent(home: Home) -> list[tuple[str, str]]:
    await home.send_all()
    return home.sent()


async def test_end_by_hand_tells_at_once(home: Home) -> None:
    """In the same commit; the command that asked can follow the messages."""
    number = await failed_in_silence(home)
    home.now += MINUTE_MS
    made = await home.end_silence(number)

    assert 1 == len(made)
    assert [("n", "pending", "")] == reminders(home)
    assert ("by hand: moved", home.now) == (
        home.value("SELECT ended_by FROM silences"),
        home.value("SELECT ended_at FROM silences"),
    )


async def test_end_after_recovery_says_nothing(home: Home) -> None:
    """What succeeded meanwhile is no news; its recovery was for nobody who never heard."""
    await failed_in_silence(home)
    run = await home.manual()
    assert run is not None
    await home.settle(run, OK)
    await home.send_all()
    await home.look(EIGHT + HOUR_MS)

    assert [] == reminders(home)
    assert ("n", "recovered", "suppressed") in [each[:3] for each in home.deliveries()]
    assert ("n", "success", "suppressed", HELD) in home.deliveries()


async def test_end_of_what_is_acknowledged_says_nothing(home: Home) -> None:
    """A person knows of it: no reminders until it ends. That the silence ended is recorded."""
    await failed_in_silence(home, route("n", remind=REMIND))
    known = {"agent": "a", "schedule": None, "reason": "on it"}
    await home.write(lambda tx: say.ack(tx, home.actor, home.now, known))
    await home.look(EIGHT + 30 * MINUTE_MS)

    assert [] == reminders(home)
    assert "still_failing" not in home.events()
    assert ("silence_ended", "its time was over") == (
        home.audit()[-1]["event"]["event_type"],
        home.audit()[-1]["event"]["reason"],
    )


async def test_what_else_came_and_went_in_it(home: Home) -> None:
    """An outage in the silence that was over before the one that lasts: the word at its end has it,
    and what the last try printed."""
    await adopted(home)
    home.now = EIGHT - 30 * MINUTE_MS
    await home.silence()
    for exit in (Exited(code=3), OK, Exited(code=4)):
        home.now += MINUTE_MS
        run = await home.manual()
        assert run is not None
        await home.settle(run, exit, stderr="no disk")
    await home.look(EIGHT + 30 * MINUTE_MS)
    facts = json.loads(home.value("SELECT facts FROM events WHERE kind = 'still_failing'"))

    assert {"outages": 1, "since_at": EIGHT - 29 * MINUTE_MS} == facts["held_back"]
    assert "no disk" == facts["output"]


async def test_recovery_is_exempt(home: Home) -> None:
    """Who heard of the failure before the silence hears in it that it is over (rules R14)."""
    await adopted(home)
    await home.run(EIGHT)
    await home.send_all()
    await home.silence()
    run = await home.manual()
    assert run is not None
    await home.settle(run, OK)
    await home.send_all()

    assert ("n", "recovered") == home.sent()[-1]


async def test_recovery_after_the_silence_is_told(home: Home) -> None:
    """Its ``still_failing`` was heard: so is the recovery (rules R14)."""
    await failed_in_silence(home)
    await home.look(EIGHT + 30 * MINUTE_MS)
    await home.send_all()
    run = await home.manual()
    assert run is not None
    await home.settle(run, OK)

    assert [("n", "still_failing"), ("n", "success"), ("n", "recovered")] == await sent(home)


async def test_reminders_in_a_silence(home: Home) -> None:
    """They are held back like all else, recorded, and go on after it."""
    await failed_in_silence(home, route("n", remind=(10 * MINUTE_MS,)))
    await home.look(EIGHT + 10 * MINUTE_MS)
    await home.look(EIGHT + 30 * MINUTE_MS)

    assert [("n", "suppressed", HELD), ("n", "pending", "")] == reminders(home)


async def test_at_most_one_unsent(home: Home) -> None:
    """A reminder that still waits for its channel is word enough."""
    await adopted(home, route("n", remind=(10 * MINUTE_MS,)))
    await home.run(EIGHT)
    for claim in await home.claim():
        await home.answer(claim, Retry(why="HTTP 503", after_ms=2 * HOUR_MS))
    await home.look(EIGHT + 10 * MINUTE_MS)
    await home.silence(for_ms=MINUTE_MS)
    await home.tell(Kind.TIMED_OUT, outage_id=home.value("SELECT id FROM outages"))
    await home.look(home.now + MINUTE_MS)

    assert [("n", "pending", "")] == reminders(home)


async def test_one_silence_ends_in_another(home: Home) -> None:
    """What the longer one covers is handed on to it, and told at its end."""
    await adopted(home)
    home.now = EIGHT - 30 * MINUTE_MS
    await home.silence(for_ms=2 * HOUR_MS)
    home.now += 1
    await home.silence(for_ms=3 * HOUR_MS, schedule="s")
    await home.run(EIGHT)
    await home.look(EIGHT + 90 * MINUTE_MS)
    await home.look(EIGHT + 3 * HOUR_MS)

    assert ["suppressed", "suppressed", "pending"] == [each[2] for each in home.deliveries()]
    assert [("n", "pending", "")] == reminders(home)


async def test_another_schedule_is_heard(home: Home) -> None:
    """A silence of one schedule leaves the others alone."""
    await home.adopt(agent(schedules=[schedule("s", YEARLY), schedule("t", YEARLY)]))
    await home.plan()
    await home.silence(schedule="t", for_ms=24 * HOUR_MS)
    for run in await home.due(EIGHT):
        await home.settle(run)

    assert {("s", "pending"), ("t", "suppressed")} == {
        (row["schedule"], row["state"])
        for row in home.rows(
            "SELECT e.schedule, d.state FROM deliveries d JOIN events e ON e.seq = d.event_seq"
        )
    }


async def test_order_of_the_rules(home: Home) -> None:
    """Silence comes before the outage rule: its reason is the one that stands."""
    await adopted(home, route("n", remind=REMIND))
    await home.run(EIGHT)
    await home.silence()
    outage = home.value("SELECT id FROM outages")
    await home.tell(Kind.GIVEN_UP, outage_id=outage)

    assert ("n", "given_up", "suppressed", HELD) == home.deliveries()[-1]


async def test_a_clock_that_ran_ahead(home: Home) -> None:
    """A silence made by a wrong clock does not outlive its correction (rules R3)."""
    await adopted(home)
    home.now = EIGHT + 400 * 24 * HOUR_MS
    await home.silence()
    home.now = EIGHT
    await home.write(lambda tx: plan.recheck(tx, home.now))
    await home.look()

    assert "its time was over" == home.value("SELECT ended_by FROM silences")


async def test_a_small_step_back_ends_nothing(home: Home) -> None:
    """A clock that is corrected by seconds leaves it alone."""
    await adopted(home)
    home.now = EIGHT
    await home.silence()
    home.now -= 5_000
    await home.write(lambda tx: plan.recheck(tx, home.now))
    await home.look()

    assert home.value("SELECT ended_at FROM silences") is None


async def test_the_record_has_both_ends(home: Home) -> None:
    """Who silenced what, and why, can be read back and not be changed unseen."""
    number = await failed_in_silence(home)
    await home.end_silence(number)
    said = [line["event"] for line in home.audit() if "silence" in line["event"]["event_type"]]

    assert [("silence_added", "moving"), ("silence_ended", "by hand: moved")] == [
        (each["event_type"], each["reason"]) for each in said
    ]


async def test_lists(home: Home) -> None:
    """Those that hold; with those that ended; by number; of a schedule. Each with its count."""
    first = await failed_in_silence(home)
    await home.end_silence(first)
    second = await home.silence(schedule="s")
    with closing(home.store.read()) as reader:
        assert [second] == [each.id for each in silences.listed(reader, ended=False)]
        assert [(first, 2), (second, 0)] == [
            (each.id, each.held) for each in silences.listed(reader, ended=True)
        ]
        assert silences.by_number(reader, 9) is None
        assert [second] == [each.id for each in silences.of_schedule(reader, "a", "s")]
        assert [] == silences.of_schedule(reader, "a", "t")


async def test_end_what_is_not_there_or_over(home: Home) -> None:
    """Says so."""
    await adopted(home)
    number = await home.silence()
    await home.end_silence(number)

    with pytest.raises(UsageError, match="has ended already"):
        await home.end_silence(number)
    with pytest.raises(NotFound, match="no silence 7"):
        await home.end_silence(7)
