"""What the answer to a send does to its message, its ledger and its record."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from typing import Any

import pytest

from dotagent.core.model import (
    Kind,
    Outcome,
    RejectDestination,
    RejectMessage,
    Retry,
    Sent,
    Skipped,
    Unknown,
    Unsupported,
)
from dotagent.store import ledger, look
from tests.core.walls import DAY_MS, HOUR_MS
from tests.store.builder import Home, agent, route

FAILED, GIVEN_UP, SUCCESS = Kind.ATTEMPT_FAILED, Kind.GIVEN_UP, Kind.SUCCESS
TABLES = ("deliveries", "destinations", "sends", "events", "audit", "routing")


def everything(home: Home) -> dict[str, list[dict[str, Any]]]:
    return {table: home.rows(f"SELECT * FROM {table}") for table in TABLES}


async def one(home: Home, kind: Kind = FAILED, **more: Any) -> Any:
    """One message on its way."""
    await home.adopt(agent(**more))
    await home.tell(kind)
    (claim,) = await home.claim()
    return claim


# ---------------------------------------------------------------------------- row and ledger


async def test_who_has_it_is_remembered(home: Home) -> None:
    """Each try is told who of several recipients has the message by the tries before it."""
    claim = await one(home)
    assert frozenset() == claim.arrived
    (plain,) = await home.answer(claim, RejectMessage(why="550", arrived=("f1", "f2")), room=8)
    assert {"f1", "f2"} == plain.arrived
    await home.answer(plain, Retry(why="450", arrived=("f3",)))
    home.now += HOUR_MS
    (third,) = await home.claim()

    assert {"f1", "f2", "f3"} == third.arrived


async def test_receipt_of_the_last(home: Home) -> None:
    """What was last sent about the same schedule by the same notifier gives its receipt."""
    claim = await one(home)
    await home.answer(claim, Sent(receipt="bubble 1"))
    await home.tell(SUCCESS)
    (second,) = await home.claim()
    with closing(home.store.read()) as reader:
        last = look.last_receipt(reader, second.delivery_id)
        assert "bubble 1" == last
    await home.answer(second, Sent())
    await home.tell(FAILED)
    (third,) = await home.claim()
    with closing(home.store.read()) as reader:
        assert "bubble 1" == look.last_receipt(reader, third.delivery_id)


@pytest.mark.parametrize(
    ("outcome", "state", "reason", "word"),
    [
        (Sent(receipt="r1"), "sent", "r1", "sent"),
        (Sent(), "sent", "", "sent"),
        (Skipped(why="too soon"), "suppressed", "too soon", "skipped"),
        (Retry(why="503"), "pending", "503", "retry"),
        (Unknown(why="no answer"), "pending", "no answer", "unknown"),
        (RejectMessage(why="400"), "pending", "400", "reject_message"),
        (RejectDestination(why="404"), "pending", "404", "reject_destination"),
        (Unsupported(why="no bus"), "rejected", "no bus", "unsupported"),
    ],
)
async def test_outcome(home: Home, outcome: Outcome, state: str, reason: str, word: str) -> None:
    """Each outcome moves its message, stands in the ledger as it is, and is attested."""
    claim = await one(home)
    home.now += 250
    await home.answer(claim, outcome)
    row, send = home.row("SELECT * FROM deliveries WHERE id = 1"), home.row("SELECT * FROM sends")

    assert (state, reason, None) == (row["state"], row["reason"], row["epoch"])
    assert (home.now if state not in ("pending",) else None) == row["ended_at"]
    assert (word, reason or None, home.now) == (send["outcome"], send["why"], send["ended_at"])
    ok = word in ("sent", "skipped")
    line = next(each for each in home.audit() if each["event"]["event_type"] == "plugin_invoked")
    event = line["event"]
    assert ("info" if ok else "notice") == line["severity"]
    assert [
        ("event_type", "plugin_invoked"),
        ("agent", "a"),
        ("plugin", "notifier:slack"),
        ("plugin_kind", "notify"),
        ("ok", ok),
        ("delivery", 1),
        ("number", 1),
        ("outcome", word),
    ] == list(event.items())[:8]
    assert ("too soon" if word == "skipped" else None) == event.get("reason")


@pytest.mark.parametrize("purpose", ["notify", "sink"])
async def test_audit_of_a_plugin(home: Home, purpose: str) -> None:
    """A plugin goes by its bare name and its own kind (contract §9)."""
    claim = await one(home, routes=[route(driver="plugin")])
    await home.answer(claim, plugin="notify-sms", purpose=purpose)
    event = home.audit()[-1]["event"]

    assert ("notify-sms", purpose) == (event["plugin"], event["plugin_kind"])


async def test_a_plugin_is_not_asked_twice(home: Home) -> None:
    """What a sink may have stored already is not sent again in plainer words: there are none."""
    claim = await one(home, routes=[route(driver="plugin")])
    await home.answer(claim, RejectMessage(why="timed out"), plugin="store", purpose="sink")

    assert "rejected" == home.row("SELECT state FROM deliveries WHERE id = 1")["state"]


async def test_numbers(home: Home) -> None:
    """Each try of a message has the next number."""
    claim = await one(home)
    for n in (1, 2, 3):
        assert n == claim.number
        await home.answer(claim, Retry(why="x", after_ms=2_000))
        home.now += 2_000
        (claim,) = await home.claim()

    assert [1, 2, 3, 4] == [row["number"] for row in home.rows("SELECT number FROM sends")]


async def test_settled_twice(home: Home) -> None:
    """Settling again, after a commit whose answer was lost, changes nothing."""
    claim = await one(home, GIVEN_UP)
    await home.notify(route("ops", "f9"))
    await home.answer(claim, Unsupported(why="no bus"))
    before = everything(home)

    assert [] == await home.answer(claim, Sent(), room=8)
    assert before == everything(home)


async def test_answer_to_an_older_try(home: Home) -> None:
    """So does the answer to a try that is over when the next one is on its way."""
    claim = await one(home)
    await home.answer(claim, Retry(why="x", after_ms=2_000))
    home.now += 2_000
    await home.claim()
    before = everything(home)
    await home.answer(claim, Sent())

    assert before == everything(home)


async def test_words() -> None:
    """Outcomes go by the words of product §5."""
    outcomes: list[Outcome] = [
        Sent(),
        Unknown(why=""),
        RejectMessage(why=""),
        RejectDestination(why=""),
    ]

    assert ["sent", "unknown", "reject_message", "reject_destination"] == [
        ledger.outcome_word(each) for each in outcomes
    ]


# ----------------------------------------------------------------------------- repeats, renderings


async def test_unknown_may_repeat(home: Home) -> None:
    """A try whose answer was lost may have arrived: the next one is flagged, in the ledger too."""
    claim = await one(home)
    assert not claim.may_repeat
    await home.answer(claim, Unknown(why="no answer"))
    home.now += 60_000
    (again,) = await home.claim()
    await home.answer(again, Retry(why="503", after_ms=2_000))
    home.now += 2_000
    (third,) = await home.claim()

    assert again.may_repeat
    assert third.may_repeat
    assert [0, 1, 1] == [row["may_repeat"] for row in home.rows("SELECT may_repeat FROM sends")]


async def test_retry_is_no_repeat(home: Home) -> None:
    """A try that was cleanly refused repeats nothing."""
    claim = await one(home)
    await home.answer(claim, Retry(why="503", after_ms=2_000))
    home.now += 2_000

    assert [False] == [each.may_repeat for each in await home.claim()]


async def test_plainer_rendering(home: Home) -> None:
    """A refused message is tried once in its plainer form, at once."""
    claim = await one(home)
    (plain,) = await home.answer(claim, RejectMessage(why="400"), room=8)

    assert (False, True) == (claim.plain, plain.plain)
    await home.answer(plain, Sent())
    assert [("n", "attempt_failed")] == home.sent()


async def test_refused_twice(home: Home) -> None:
    """A message that is refused plain as well is a dead letter, announced on another channel; the
    channel itself is well."""
    await home.notify(route("ops", "f9", [Kind.DELIVERY_EXPIRED]))
    claim = await one(home)
    (plain,) = await home.answer(claim, RejectMessage(why="400 bad"), room=8)
    await home.answer(plain, RejectMessage(why="400 bad"))

    assert [
        ("n", "attempt_failed", "rejected", "400 bad"),
        ("ops", "delivery_expired", "pending", ""),
    ] == home.deliveries()
    facts = json.loads(home.value("SELECT facts FROM events WHERE kind = 'delivery_expired'"))
    assert "a message to the channel “n” of a could not be delivered: 400 bad" == facts["line"]
    destination = home.row("SELECT * FROM destinations WHERE fingerprint = 'f1'")
    assert (0, 0, None) == (
        destination["failures"],
        destination["down_until"],
        destination["parked_at"],
    )


# ------------------------------------------------------------------------------------ expiry, R19


@pytest.mark.parametrize(
    ("kind", "budget"),
    [
        (Kind.ATTEMPT_FAILED, HOUR_MS),
        (Kind.TIMED_OUT, HOUR_MS),
        (Kind.PREFLIGHT, HOUR_MS),
        (Kind.SUCCESS, HOUR_MS // 4),
        (Kind.GIVEN_UP, DAY_MS),
        (Kind.RECOVERED, DAY_MS),
        (Kind.MISSED, DAY_MS),
    ],
)
async def test_budget(home: Home, kind: Kind, budget: int) -> None:
    """How long each kind is worth sending (product §6)."""
    await one(home, kind)

    assert home.now + budget == home.value("SELECT expires_at FROM deliveries")


async def test_expiry_only_at_a_failed_try(home: Home) -> None:
    """Time alone ends no message: after a long night it is tried first, and may well arrive."""
    claim = await one(home, SUCCESS)
    await home.answer(claim, Retry(why="503", after_ms=2_000))
    home.now += 9 * DAY_MS
    (late,) = await home.claim()
    await home.answer(late)

    assert [("n", "success")] == home.sent()


async def test_expiry(home: Home) -> None:
    """A failed try after its time ends it; that try ends the channel's other overdue messages too,
    and no others. One announcement speaks of all (rules R19, R21)."""
    await home.notify(route("ops", "f9", [Kind.DELIVERY_EXPIRED]))
    await home.adopt(agent(), agent("b"), agent("c", routes=[route(to="f2")]))
    await home.tell(FAILED)
    await home.tell(GIVEN_UP)
    await home.tell(SUCCESS, "b")
    await home.tell(SUCCESS, "c")
    home.now += HOUR_MS
    claims = await home.claim(1, ["f1"])
    await home.answer(claims[0], Retry(why="503"))

    assert [
        ("n", "attempt_failed", "expired", "503"),
        ("n", "given_up", "pending", ""),
        ("n", "success", "expired", "503"),
        ("n", "success", "pending", ""),  # another channel's, overdue but not tried
        ("ops", "delivery_expired", "pending", ""),
    ] == home.deliveries()
    facts = json.loads(home.value("SELECT facts FROM events WHERE kind = 'delivery_expired'"))
    assert "2 messages to the channel “n” could not be delivered: 503" == facts["line"]


async def test_try_that_a_sleep_cut_short(home: Home) -> None:
    """A try that began before a long sleep and fails as the machine wakes ends nothing: there is
    always one try after the wake (product §6)."""
    claim = await one(home, SUCCESS)
    home.now += 9 * HOUR_MS
    await home.answer(claim, Unknown(why="the connection was lost"))
    assert [("n", "success", "pending", "the connection was lost")] == home.deliveries()

    home.now += HOUR_MS
    (late,) = await home.claim()
    await home.answer(late)
    assert [("n", "success")] == home.sent()


async def test_expired_row_makes_room(home: Home) -> None:
    """What comes after a dead message goes on."""
    claim = await one(home, SUCCESS)
    await home.tell(FAILED)
    await home.answer(claim, Retry(why="503", after_ms=HOUR_MS // 2))
    home.now += HOUR_MS // 2
    (late,) = await home.claim()
    await home.answer(late, Retry(why="503", after_ms=2_000))
    home.now += 2_000

    assert [2] == [each.delivery_id for each in await home.claim()]


# ------------------------------------------------------------------------------ addresses, R16, R20


async def test_late_answer_for_an_old_address(home: Home) -> None:
    """A late refusal of the old address parks the old one; the message goes to the new."""
    await home.adopt(agent(routes=[route(to="old")]))
    await home.tell(GIVEN_UP)
    (claim,) = await home.claim()
    await home.adopt(agent(routes=[route(to="new")]))
    await home.answer(claim, RejectDestination(why="404"), to="old")

    parked = {
        row["fingerprint"]: row["parked_at"] is not None
        for row in home.rows("SELECT * FROM destinations")
    }
    assert {"old": True, "new": False} == parked
    (again,) = await home.claim()
    assert "new" == again.fingerprint
    await home.answer(again)
    assert ("n", "given_up") in home.sent()


async def test_address_learnt_by_sending(home: Home) -> None:
    """A ``${NAME}`` that means another address by now is learnt as it is used: what waits for the
    notifier follows, also what waited for a parked channel."""
    await home.adopt(agent(routes=[route(to="old")]), agent("b", routes=[route(to="old")]))
    await home.tell(GIVEN_UP)
    (claim,) = await home.claim()
    await home.answer(claim, RejectDestination(why="404"))
    home.now += DAY_MS
    (probe,) = await home.claim(only=["old"])
    await home.tell(FAILED)
    following = await home.answer(probe, Sent(), to="new", room=8)

    assert "new" == home.value("SELECT fingerprint FROM routing WHERE scope = 'a'")
    assert "old" == home.value("SELECT fingerprint FROM routing WHERE scope = 'b'")
    assert [("new", FAILED)] == [
        (each.fingerprint, home.value("SELECT kind FROM events WHERE seq = ?", each.event_seq))
        for each in following
    ]
    destination = home.row("SELECT * FROM destinations WHERE fingerprint = 'new'")
    assert (8, home.now) == (destination["parallel"], destination["sent_at"])


async def test_failure_at_a_new_address(home: Home) -> None:
    """The backoff belongs to the address that was really used."""
    await home.adopt(agent(routes=[route(to="old")]))
    await home.tell(GIVEN_UP)
    (claim,) = await home.claim()
    await home.answer(claim, Retry(why="503"), to="new")

    assert {"old": 0, "new": 1} == {
        row["fingerprint"]: row["failures"] for row in home.rows("SELECT * FROM destinations")
    }
    assert "new" == home.value("SELECT fingerprint FROM deliveries")


# -------------------------------------------------------------------------- notifiers that are gone


@pytest.mark.parametrize(("kind", "announced"), [(GIVEN_UP, True), (FAILED, False)])
async def test_notifier_removed(home: Home, kind: Kind, announced: bool) -> None:
    """A message for a notifier that its manifest no longer has stays quiet, with the reason; what
    is critical is announced, also to a notifier with that very address (rules R16)."""
    await home.notify(route("ops", "f1", [Kind.DELIVERY_EXPIRED]))
    claim = await one(home, kind)
    gone = "“n” is no longer in the manifest of a"
    await home.answer(claim, Skipped(why=f"notifier removed: {gone}"), gone=gone)

    assert ("n", kind, "suppressed", f"notifier removed: {gone}") == home.deliveries()[0]
    assert ([("ops", "delivery_expired", "pending", "")] if announced else []) == (
        home.deliveries()[1:]
    )


async def test_notifier_removed_with_much_to_say(home: Home) -> None:
    """All that waits for it ends with the first that is met, and one message counts it."""
    await home.notify(route("ops", "f9", [Kind.DELIVERY_EXPIRED]))
    await home.adopt(agent(routes=[route(), route("other")]))
    for kind in (FAILED, GIVEN_UP, Kind.RECOVERED, GIVEN_UP):
        await home.tell(kind)
    claim = next(each for each in await home.claim(room=1) if each.notifier == "n")
    gone = "“n” is no longer in the manifest of a"
    await home.answer(claim, Skipped(why=f"notifier removed: {gone}"), gone=gone)

    assert {("n", "suppressed"): 4, ("other", "pending"): 4, ("ops", "pending"): 1} == Counter(
        (name, state) for name, _, state, _ in home.deliveries()
    )
    assert "2 messages to the channel “n” were not sent" in home.value(
        "SELECT facts FROM events WHERE kind = 'delivery_expired'"
    )


async def test_notifier_removed_while_it_was_sent_to(home: Home) -> None:
    """An answer that comes after the notifier was removed still counts for its message."""
    claim = await one(home)
    await home.adopt(agent(routes=[]))
    await home.answer(claim, Retry(why="503"))

    assert ("n", "attempt_failed", "pending", "503") == home.deliveries()[0]
    assert "f1" == home.value("SELECT fingerprint FROM deliveries")


async def test_a_remark_stands_in_the_record(home: Home) -> None:
    """What went otherwise than asked is said of a message that arrived, too."""
    await home.adopt(agent())
    await home.tell(Kind.GIVEN_UP)
    (claim,) = await home.claim()
    await home.answer(claim, remark="its template failed")

    assert ("n", "given_up", "sent", "its template failed") == home.deliveries()[-1]
