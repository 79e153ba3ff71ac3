"""Who holds the home, and what a new holder settles of a dead one."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from dotagent.core.model import Exited, Interrupted, Kind, Retry, Sent, Unknown
from dotagent.store import attempts, holders, requests
from dotagent.store.database import append_request, connect
from dotagent.store.reading import connect_reader
from tests.core.walls import HOUR_MS, MINUTE_MS
from tests.store.builder import EIGHT, SEEN, Home, agent, database, route

FAILED, GIVEN_UP = Kind.ATTEMPT_FAILED, Kind.GIVEN_UP


# ------------------------------------------------------------------------------------- beginning


async def test_first_holder(home: Home) -> None:
    """A new home has no past."""
    assert 1 == home.actor.epoch
    assert [] == home.rows("SELECT * FROM spans")


async def test_orderly_change(home: Home) -> None:
    """A holder that ended by itself is followed by one that knows when."""
    home.now += MINUTE_MS
    await home.end()
    home.now += HOUR_MS
    begun = await home.begin()

    assert (2, False, SEEN + MINUTE_MS) == (begun.epoch, begun.crashed, begun.idle_since)
    assert [(SEEN + MINUTE_MS, SEEN + MINUTE_MS + HOUR_MS, "dotagent was not running")] == [
        (row["from_at"], row["to_at"], row["why"]) for row in home.rows("SELECT * FROM spans")
    ]


async def test_crash(home: Home) -> None:
    """One that did not is followed by one that knows its last sign of life."""
    await home.adopt(agent())
    await home.plan()
    await home.due(EIGHT)
    home.now = EIGHT + HOUR_MS
    begun = await home.begin()

    assert (True, EIGHT) == (begun.crashed, begun.idle_since)
    assert ["dotagent had died"] == [row["why"] for row in home.rows("SELECT why FROM spans")]
    assert EIGHT == home.value("SELECT ended_at FROM holders WHERE epoch = 1")


async def test_last_crashed(home: Home) -> None:
    """Whether the database must be checked is known before anything is written."""
    reader = connect_reader(home.path)
    assert holders.last_crashed(reader)
    await home.end()
    assert not holders.last_crashed(reader)
    reader.close()


def test_last_crashed_of_nothing(tmp_path: Path) -> None:
    """A database without tables had no holder."""
    with closing(connect(database(tmp_path), create=True)) as db:
        assert not holders.last_crashed(db)


async def test_any_yet(tmp_path: Path) -> None:
    """Whether a home was ever held tells a new one from one that goes on."""
    home = await Home.open(database(tmp_path), begun=False)
    with closing(home.store.read()) as reader:
        assert not holders.any_yet(reader)
        await home.begin()
        assert holders.any_yet(reader)
    home.close()


async def greeted(home: Home) -> list[str]:
    await home.write(lambda tx: holders.greet(tx, home.actor, home.now, version="1", pid=7))
    return home.events()


async def test_unclean_restart(home: Home) -> None:
    """A daemon that follows one that died tells people, once."""
    await home.begin()
    assert ["daemon_unclean_restart"] == await greeted(home)
    await home.end()
    await home.begin()

    assert ["daemon_unclean_restart"] == await greeted(home)
    assert [("daemon_started", "1", 7)] == [tuple(line["event"].values()) for line in home.audit()][
        :1
    ]


async def test_unclean_restart_after_a_command(home: Home) -> None:
    """Also where a command held the lock in between and ended well."""
    await home.begin("run-now")
    await home.end()
    await home.begin()

    assert ["daemon_unclean_restart"] == await greeted(home)


async def test_command_that_died(home: Home) -> None:
    """A command that died is no daemon."""
    await home.end()
    await home.begin("run-now")
    await home.begin()

    assert [] == await greeted(home)


async def test_end(home: Home) -> None:
    """A daemon's end stands in the record with its reason, a command's does not."""
    await home.end()
    await home.begin("run-now")
    await home.write(lambda tx: holders.end(tx, home.actor, home.now, reason=None, synced=0))

    assert [("daemon_stopped", "SIGTERM")] == [
        tuple(line["event"].values()) for line in home.audit()
    ]


# --------------------------------------------------------------------------------- attempts, R5


async def test_orphans(home: Home) -> None:
    """What an older holder left open is found, with all that finds its processes."""
    await home.adopt(agent(), agent("b"))
    await home.plan()
    one, two = await home.due(EIGHT)
    await home.write(lambda tx: attempts.spawned(tx, one.attempt_id, EIGHT, 4711, 99, 500))
    await home.begin()
    found = await home.write(lambda tx: holders.orphans(tx, home.actor, "boot"))

    assert [
        (one.attempt_id, one.marker, 4711, 99, True),
        (two.attempt_id, two.marker, None, None, True),
    ] == [
        (each.attempt_id, each.marker, each.pid, each.started_ticks, each.same_boot)
        for each in found
    ]


async def test_orphans_of_another_boot(home: Home) -> None:
    """After a reboot there is nobody to look for."""
    await home.adopt(agent())
    await home.plan()
    await home.due(EIGHT)
    await home.begin()
    (found,) = await home.write(lambda tx: holders.orphans(tx, home.actor, "another boot"))

    assert not found.same_boot


async def test_own_attempts_are_no_orphans(home: Home) -> None:
    """What this holder runs is its own."""
    await home.adopt(agent())
    await home.plan()
    await home.due(EIGHT)

    assert [] == await home.write(lambda tx: holders.orphans(tx, home.actor, "boot"))


# ------------------------------------------------------------------------------------ sends, R17


async def test_lost_answer(home: Home) -> None:
    """A send whose answer died with its holder is unknown in the ledger and the record, and goes
    again, flagged."""
    await home.adopt(agent())
    await home.tell(FAILED)
    await home.claim()
    home.now += MINUTE_MS
    await home.crash()
    send = home.row("SELECT * FROM sends")
    assert ("unknown", "crash", home.now) == (send["outcome"], send["why"], send["ended_at"])
    event = home.audit()[-1]["event"]
    assert ("plugin_invoked", 1, 1, "unknown", False) == (
        event["event_type"],
        event["delivery"],
        event["number"],
        event["outcome"],
        event["ok"],
    )

    (again,) = await home.claim()
    assert (2, True) == (again.number, again.may_repeat)
    await home.answer(again)
    assert [("n", "attempt_failed")] == home.sent()


async def test_lost_answer_and_a_new_address(home: Home) -> None:
    """A notifier that points elsewhere since, when the holder died as it sent to the old address:
    what it sent goes to the new one, and does not wait for the old (rules R16)."""
    await home.adopt(agent(routes=[route(to="f-old")]))
    await home.tell(FAILED)
    await home.claim()
    await home.adopt(agent(routes=[route(to="f-new")]))

    await home.crash()

    (again,) = await home.claim()
    assert ("f-new", True) == (again.fingerprint, again.may_repeat)


async def test_what_was_not_in_flight_is_not_flagged(home: Home) -> None:
    """What only waited is no repeat."""
    await home.adopt(agent())
    await home.tell(FAILED)
    await home.tell(GIVEN_UP)
    await home.claim()
    await home.crash()
    (first,) = await home.claim()
    (second,) = await home.answer(first, room=8)

    assert [True, False] == [first.may_repeat, second.may_repeat]


async def test_suspects_one_at_a_time(home: Home) -> None:
    """Of those found in flight one at a time is sent, over all channels; everything else flows,
    also past them in the same channel, and the engine does not spin meanwhile (rules R17)."""
    await home.adopt(agent("a"), agent("b"), agent("c", routes=[route(to="f2")]), agent("d"))
    for name in "abc":
        await home.tell(FAILED, name)
    assert 3 == len(await home.claim())
    await home.tell(FAILED, "d")
    await home.crash()

    first = await home.claim()
    assert [1, 4] == [claim.delivery_id for claim in first]
    assert (await home.wakes())["outbox"] is None
    await home.answer(first[1])
    assert [] == await home.claim()
    (second,) = await home.answer(first[0], room=8)
    assert 2 == second.delivery_id
    await home.answer(second)
    assert [3] == [claim.delivery_id for claim in await home.claim()]


async def test_settled_suspect_is_none_any_more(home: Home) -> None:
    """A suspect that was answered, however, is a message like any other."""
    await home.adopt(agent())
    await home.tell(FAILED)
    await home.claim()
    await home.crash()
    (claim,) = await home.claim()
    await home.answer(claim, Retry(why="503", after_ms=2_000))

    assert (0, 0) == tuple(home.row("SELECT suspect, crashes FROM deliveries").values())


async def crash_sending(home: Home, count: int, claims: int = 1) -> None:
    for _ in range(count):
        assert claims == len(await home.claim())
        await home.crash()


async def test_poison(home: Home) -> None:
    """The fourth crash in which it was the only suspect makes a message poison: dead, announced,
    and what comes after it flows."""
    await home.notify(route("ops", "f9", [Kind.DELIVERY_EXPIRED]))
    await home.adopt(agent())
    await home.tell(FAILED)
    await home.tell(GIVEN_UP)
    await crash_sending(home, 3)
    assert "pending" == home.deliveries()[0][2]
    await crash_sending(home, 1)

    assert [
        ("n", "attempt_failed", "rejected", "poison: dotagent died while it was sent, again"),
        ("n", "given_up", "pending", ""),
        ("ops", "delivery_expired", "pending", ""),
    ] == home.deliveries()
    facts = json.loads(home.value("SELECT facts FROM events WHERE kind = 'delivery_expired'"))
    assert "could not be delivered: dotagent dies sending it" in facts["line"]
    await home.send_all()
    assert ("n", "given_up") in home.sent()


async def test_innocent_bystanders(home: Home) -> None:
    """Of two in flight nobody knows which it was: neither is blamed."""
    await home.adopt(agent("a"), agent("b"))
    await home.tell(FAILED, "a")
    await home.tell(FAILED, "b")
    await home.claim()
    await home.crash()

    assert [(1, 0), (1, 0)] == [
        (row["suspect"], row["crashes"])
        for row in home.rows("SELECT suspect, crashes FROM deliveries")
    ]


async def test_only_suspect_among_others(home: Home) -> None:
    """A suspect that is in flight beside others, fresh ones, is the one to blame."""
    await home.adopt(agent("a"), agent("b", routes=[route(to="f2")]))
    await home.tell(FAILED, "a")
    await crash_sending(home, 1)
    await home.tell(FAILED, "b")
    await crash_sending(home, 1, claims=2)

    assert [2, 0] == [row["crashes"] for row in home.rows("SELECT crashes FROM deliveries")]


async def test_answer_between_crashes(home: Home) -> None:
    """Crashes count in a row: an answer in between proves its innocence."""
    await home.adopt(agent())
    await home.tell(GIVEN_UP)
    await crash_sending(home, 3)
    (claim,) = await home.claim()
    await home.answer(claim, Unknown(why="no answer"))
    home.now += HOUR_MS
    await crash_sending(home, 3)

    assert "pending" == home.deliveries()[0][2]


async def test_nothing_to_recover(home: Home) -> None:
    """After an orderly end there is nothing to settle."""
    await home.adopt(agent())
    await home.tell(FAILED)
    await home.send_all()
    await home.end()
    before = home.rows("SELECT * FROM deliveries") + home.rows("SELECT * FROM sends")
    await home.crash()

    assert before == home.rows("SELECT * FROM deliveries") + home.rows("SELECT * FROM sends")


async def test_late_answer_of_a_dead_holder(home: Home) -> None:
    """An answer that comes for the try of a dead holder changes nothing."""
    await home.adopt(agent())
    await home.tell(FAILED)
    (claim,) = await home.claim()
    await home.crash()
    before = home.rows("SELECT * FROM deliveries")
    await home.answer(claim, Sent())

    assert before == home.rows("SELECT * FROM deliveries")


# ------------------------------------------------------------------------------------- requests


async def ask(home: Home) -> int:
    return append_request(home.path, "run", '{"agent": "a"}', home.now)


async def test_requests_of_a_dead_holder(home: Home) -> None:
    """What a dead holder had taken waits again, unless its attempt was made: that answers it."""
    await home.adopt(agent(), agent("b"))
    one, two, three = [await ask(home) for _ in range(3)]
    for each in (one, two):
        await home.write(lambda tx, each=each: requests.take(tx, home.actor, each))  # type: ignore[misc]
    run = await home.manual()
    assert run is not None
    await home.crash()
    await home.write(lambda tx: requests.recover(tx, home.actor, home.now))

    assert {
        one: ("done", {"attempt": run.attempt_id}),
        two: ("waiting", None),
        three: ("waiting", None),
    } == {
        row["id"]: (row["state"], row["answer"] and json.loads(row["answer"]))
        for row in home.rows("SELECT * FROM requests")
    }


async def test_request_whose_attempt_was_interrupted(home: Home) -> None:
    """An attempt that only a planned stop had ended answers nobody."""
    await home.adopt(agent())
    request = await ask(home)
    await home.write(lambda tx: requests.take(tx, home.actor, request))
    run = await home.manual()
    assert run is not None
    await home.settle(run, Interrupted(why="SIGTERM"))
    await home.crash()
    await home.write(lambda tx: requests.recover(tx, home.actor, home.now))

    assert ("waiting", "interrupted: SIGTERM; it starts again") == tuple(
        home.row("SELECT state, note FROM requests").values()
    )


@pytest.mark.parametrize("is_final", [True, False])
async def test_ran(home: Home, is_final: bool) -> None:
    """A request is answered by the attempt that it asked for."""
    await home.adopt(agent())
    request = await ask(home)
    run = await home.manual()
    assert run is not None
    await home.settle(run, Exited(code=0))
    await home.write(
        lambda tx: requests.ran(tx, home.now, request, run.attempt_id, is_final=is_final)
    )

    assert ("done", home.now) == tuple(home.row("SELECT state, ended_at FROM requests").values())


async def test_call_off(home: Home) -> None:
    """What is called off before it began is answered so; what has begun goes on."""
    waiting, taken = [await ask(home) for _ in range(2)]
    await home.write(lambda tx: requests.take(tx, home.actor, taken))
    for each in (waiting, taken):
        await home.write(
            lambda tx, each=each: requests.call_off(tx, home.now, each, "Ctrl-C")  # type: ignore[misc]
        )

    assert ["done", "running"] == [row["state"] for row in home.rows("SELECT * FROM requests")]
    answer = json.loads(home.value("SELECT answer FROM requests WHERE id = ?", waiting))
    assert {"error": "called off before it began (Ctrl-C)", "hint": None, "exit": 1} == answer
