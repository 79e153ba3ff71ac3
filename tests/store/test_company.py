"""What goes as one message, what is held, and what is not sent when its turn comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from dotagent.core.manifest_notifier import QuietHours
from dotagent.core.model import (
    Exited,
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
from dotagent.ports import Pace
from dotagent.store import plan, resend
from dotagent.store.outbox import Claim
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS, at
from tests.store.builder import EIGHT, Home, agent, route, schedule

FAILED, GIVEN_UP, SUCCESS = Kind.ATTEMPT_FAILED, Kind.GIVEN_UP, Kind.SUCCESS
NIGHT = QuietHours(from_minute=22 * 60, to_minute=7 * 60)
EVENING = at("2026-06-03T23:00:00Z")
MORNING = at("2026-06-04T07:00:00Z")


async def tell_all(home: Home, kinds: Sequence[Kind], agent: str = "a", **more: Any) -> None:
    for kind in kinds:
        await home.tell(kind, agent, **more)


async def messages(home: Home) -> list[list[int]]:
    """What goes out until nothing may go now: the deliveries of each message, its leader first."""
    found = []
    while claims := await home.claim():
        for claim in claims:
            found.append(claim.ids)
            await home.answer(claim)
    return found


def states(home: Home) -> list[str]:
    return [row["state"] for row in home.rows("SELECT state FROM deliveries ORDER BY id")]


async def bundle(home: Home, kinds: Sequence[Kind] = (FAILED, GIVEN_UP, SUCCESS)) -> Claim:
    """A message about three deliveries of one key, on its way."""
    await home.adopt(agent(routes=[route(quiet_hours=NIGHT)]))
    home.now = EVENING
    await tell_all(home, kinds)
    home.now = MORNING
    (claim,) = await home.claim()
    assert len(kinds) == len(claim.ids)
    return claim


# ------------------------------------------------------------------------------------ quiet hours


async def test_quiet_hours_hold(home: Home) -> None:
    """What comes at night waits for the morning, says so, and is then one message, the gravest
    first."""
    quiet = QuietHours(from_minute=22 * 60, to_minute=7 * 60, events=tuple(Kind))
    await home.adopt(*(agent(name, routes=[route(quiet_hours=quiet)]) for name in "ab"))
    home.now = EVENING
    await tell_all(home, [FAILED, GIVEN_UP])
    await tell_all(home, [SUCCESS], "b")
    assert [] == await home.claim()
    assert MORNING == (await home.wakes())["outbox"]
    assert {("pending", "quiet hours")} == {each[2:] for each in home.deliveries()}
    home.now = MORNING

    assert [[2, 1, 3]] == await messages(home)


async def test_critical_news_takes_the_held_along(home: Home) -> None:
    """What wakes people at night leads what its schedule held back; other schedules sleep on
    (rules R18)."""
    await home.adopt(*(agent(name, routes=[route(quiet_hours=NIGHT)]) for name in "ab"))
    home.now = EVENING
    await tell_all(home, [FAILED])
    await tell_all(home, [FAILED], "b")
    home.now += MINUTE_MS
    await tell_all(home, [GIVEN_UP])

    assert [[3, 1]] == await messages(home)
    assert MORNING == (await home.wakes())["outbox"]


async def test_budget_from_when_sending_is_allowed(home: Home) -> None:
    """A night does not use up what an hour is enough for (product §6)."""
    await home.adopt(agent(routes=[route(quiet_hours=NIGHT)]))
    home.now = EVENING
    await home.tell(FAILED)

    assert MORNING + HOUR_MS == home.value("SELECT expires_at FROM deliveries")


async def test_a_person_wakes_the_channel(home: Home) -> None:
    """``deliveries retry`` of what is held lets it go, with all that must go before it."""
    await home.adopt(agent(routes=[route(quiet_hours=NIGHT)]))
    home.now = EVENING
    await tell_all(home, [FAILED, SUCCESS])
    await home.write(lambda tx: resend.again(tx, home.now, [2]))

    assert [[1, 2]] == await messages(home)


async def test_hold_of_a_wrong_clock(home: Home) -> None:
    """A hold that lies further ahead than any night is long ends at once (rules R3)."""
    await home.adopt(agent(routes=[route(quiet_hours=NIGHT)]))
    home.now = EVENING + 90 * DAY_MS
    await home.tell(FAILED)
    home.now = EVENING
    await home.write(lambda tx: plan.recheck(tx, home.now))

    assert [[1]] == await messages(home)


# ------------------------------------------------------------------------------ the other reasons


async def test_backlog(home: Home) -> None:
    """When a channel comes back after a while, what waited is one message; so is the probe."""
    names = [f"a{n}" for n in range(5)]
    await home.adopt(*(agent(name) for name in names))
    await tell_all(home, [GIVEN_UP], names[0])
    (claim,) = await home.claim()
    await home.answer(claim, Retry(why="503", after_ms=2 * HOUR_MS))
    for name in names:
        await home.tell(FAILED, name)
    home.now += 2 * HOUR_MS
    (probe,) = await home.claim()
    await home.answer(probe)

    assert (1, [1, 2, 3, 4, 5, 6]) == (probe.delivery_id, sorted(probe.ids))
    assert "the channel could not be reached" == probe.why
    assert [] == await messages(home)


async def test_a_short_rest_is_no_backlog(home: Home) -> None:
    """Who waited for seconds gets messages as ever."""
    await home.adopt(agent(), agent("b"))
    await home.tell(FAILED)
    (claim,) = await home.claim()
    await home.answer(claim, Retry(why="503", after_ms=5_000))
    await home.tell(FAILED, "b")
    home.now += 5_000

    assert [[1], [2]] == await messages(home)


async def test_a_probe_takes_few(home: Home) -> None:
    """Of ten thousand that wait for a dead channel a probe tries twenty; once it answers, the rest
    comes in as few messages as their number allows."""
    names = [f"a{n}" for n in range(60)]
    await home.adopt(*(agent(name) for name in names))
    for name in names:
        await home.tell(GIVEN_UP, name)
    for claim in await home.claim():
        await home.answer(claim, Retry(why="503"))
    home.now += HOUR_MS

    assert [20, 40] == [len(ids) for ids in await messages(home)]


@pytest.mark.parametrize(("waiting", "sizes"), [(20, [1] * 20), (21, [21])])
async def test_storm(home: Home, waiting: int, sizes: list[int]) -> None:
    """More than twenty that wait for one destination, of whatever agents, are one message."""
    names = [f"a{n}" for n in range(waiting)]
    await home.adopt(*(agent(name) for name in names))
    for name in names:
        await home.tell(FAILED, name)

    assert sizes == [len(ids) for ids in await messages(home)]


async def test_storm_as_configured(home: Home) -> None:
    """``[storm] waiting`` says how many."""
    home.actor = replace(home.actor, storm=2)
    await home.adopt(*(agent(name) for name in "abc"))
    for name in "abc":
        await home.tell(FAILED, name)

    assert [3] == [len(ids) for ids in await messages(home)]


async def test_collapse(home: Home) -> None:
    """A notifier that wants one message an attempt gets one."""
    routes = [route("n", "f1", collapse=True), route("m", "f2")]
    await home.adopt(agent(schedules=[schedule(tries=1)], routes=routes))
    await home.plan()
    await home.run(EIGHT)
    found = sorted(claim.ids for claim in await home.claim())

    assert [[2], [3, 1]] == sorted(found)


async def test_overtaken_by_its_recovery(home: Home) -> None:
    """Failures that could not be told before it was over are one message with their end."""
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT)
    (claim,) = await home.claim()
    await home.answer(claim, Retry(why="503", after_ms=30_000))
    await home.run(EIGHT + 5 * MINUTE_MS)
    await home.run(EIGHT + 10 * MINUTE_MS, Exited(code=0))
    home.now += MINUTE_MS
    (claim,) = await home.claim()
    await home.answer(claim)
    kind = home.value("SELECT kind FROM events WHERE seq = ?", claim.event_seq)

    assert ("recovered", 4) == (kind, len(claim.ids))
    assert [] == await messages(home)


@pytest.mark.parametrize("rules", [{"folds": False}, {"driver": "plugin", "folds": False}])
async def test_programs_get_single_events(home: Home, rules: dict[str, Any]) -> None:
    """Sinks, hooks and plugins act on what they get: held back, but one by one."""
    await home.adopt(agent(routes=[route(quiet_hours=NIGHT, **rules)]))
    home.now = EVENING
    await tell_all(home, [FAILED, SUCCESS])
    home.now = MORNING

    assert [[1], [2]] == await messages(home)


# ------------------------------------------------------------------------------------- the answer


async def test_one_message_is_one_send(home: Home) -> None:
    """Each delivery has its ledger row, which names the leader; the channel's pace and the record
    count one message."""
    await bundle(home)
    ledger = [
        (row["delivery_id"], row["number"], row["led_by"], row["outcome"])
        for row in home.rows("SELECT * FROM sends ORDER BY delivery_id")
    ]

    assert [(1, 1, 2, None), (2, 1, None, None), (3, 1, 2, None)] == ledger
    assert {"in one message with 2 others: quiet hours"} == {
        row["folded"] for row in home.rows("SELECT folded FROM deliveries")
    }


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Sent(), "sent"),
        (Skipped(why="x"), "suppressed"),
        (Retry(why="503"), "pending"),
        (Unknown(why="no answer"), "pending"),
        (RejectDestination(why="404"), "pending"),
        (Unsupported(why="no bus"), "rejected"),
    ],
)
async def test_answer_counts_for_all(home: Home, outcome: Outcome, state: str) -> None:
    """What came of the message came of each delivery in it, in one record."""
    claim = await bundle(home)
    await home.answer(claim, outcome)
    told = [each["event"] for each in home.audit()]
    (said,) = [each for each in told if each["event_type"] == "plugin_invoked"]

    assert [state] * 3 == states(home)[:3]
    assert (2, [1, 3]) == (said["delivery"], said["with"])
    word = said["outcome"]
    assert {word} == {row["outcome"] for row in home.rows("SELECT outcome FROM sends")}


async def test_settled_once(home: Home) -> None:
    """A second settle of the same message changes nothing."""
    claim = await bundle(home)
    await home.answer(claim)
    before = home.rows("SELECT * FROM deliveries"), home.rows("SELECT * FROM audit")
    await home.answer(claim, Retry(why="late"))

    assert before == (home.rows("SELECT * FROM deliveries"), home.rows("SELECT * FROM audit"))


async def test_refused_together_falls_apart(home: Home) -> None:
    """A message of several that the service refuses is sent again one by one: none is lost with the
    others."""
    claim = await bundle(home)
    await home.answer(claim, RejectMessage(why="400 too long"))

    assert [[1], [2], [3]] == await messages(home)
    assert ["sent"] * 3 == states(home)


async def test_unmade_falls_apart(home: Home) -> None:
    """So is one that could not be made; its channel is not at fault."""
    claim = await bundle(home)
    await home.answer(claim, Retry(why="unset ${HOOK}"), unmade=True)

    assert 0 == home.value("SELECT failures FROM destinations")
    assert [[1], [2], [3]] == await messages(home)


async def test_each_expires_by_itself(home: Home) -> None:
    """A failed try ends those whose time is over; the others of the message wait on."""
    claim = await bundle(home, [FAILED, GIVEN_UP])
    await home.answer(claim, Retry(why="503"))
    home.now += 2 * HOUR_MS
    (again,) = await home.claim()
    await home.answer(again, Retry(why="503"))

    assert ["expired", "pending"] == states(home)[:2]


async def test_a_repeat_is_flagged_for_each(home: Home) -> None:
    """Where the answer was lost, each of them may have arrived."""
    claim = await bundle(home)
    await home.answer(claim, Unknown(why="no answer"))
    home.now += HOUR_MS
    (again,) = await home.claim()

    assert again.may_repeat
    assert [0, 0, 0, 1, 1, 1] == sorted(
        row["may_repeat"] for row in home.rows("SELECT may_repeat FROM sends")
    )


# ------------------------------------------------------------------------------------ crash (R17)


async def test_a_crash_in_company(home: Home) -> None:
    """What a crash cut short together goes once more together, alone among suspects; the flags and
    the ledger say what is not known."""
    await bundle(home)
    await home.crash()
    (again,) = await home.claim()
    outcomes = [row["outcome"] for row in home.rows("SELECT outcome FROM sends ORDER BY number")]

    assert (2, [1, 2, 3], True) == (again.delivery_id, sorted(again.ids), again.may_repeat)
    assert ["unknown"] * 3 + [None] * 3 == outcomes
    await home.answer(again)
    assert ["sent"] * 3 == states(home)


async def test_after_a_crash_no_channel_hears_of_its_own_death(home: Home) -> None:
    """What went together goes once more together, but for the news of the very channel that its
    notifier points to by now (rules R21)."""
    night = route("ops", "f-ops", quiet_hours=QuietHours(from_minute=22 * 60, to_minute=7 * 60))
    await home.notify(night)
    home.now = EVENING
    await home.tell(Kind.DAEMON_UNCLEAN_RESTART, "", "")
    await home.tell(Kind.CLOCK_CHANGED, "", "", about="f-two")
    await home.tell(Kind.AWAY_SUMMARY, "", "")
    home.now = MORNING
    (claim,) = await home.claim()
    await home.notify(replace(night, fingerprint="f-two"))
    await home.crash()
    (again,) = await home.claim()

    assert [1, 2, 3] == sorted(claim.ids)
    assert ("f-two", [1, 3]) == (again.fingerprint, sorted(again.ids))
    assert ["sending", "suppressed", "sending"] == states(home)


async def test_poison_in_company_is_found(home: Home) -> None:
    """Dies dotagent of a message again, it falls apart, and in the end the one that kills it is
    rejected, and no other."""
    await bundle(home)
    for _ in range(30):
        await home.crash()
        claims = await home.claim()
        for claim in claims:
            if 2 not in claim.ids:
                await home.answer(claim)
        if not claims:
            break

    assert ["sent", "rejected", "sent"] == states(home)[:3]
    assert [1] == [
        row["n"] for row in home.rows("SELECT count(*) AS n FROM deliveries WHERE crashes > 2")
    ]


# ------------------------------------------------------------------------------- rate limit (R22)

LIMITED = route(rate_limit_ms=HOUR_MS)


async def test_rate_limit(home: Home) -> None:
    """A second failure within the hour is skipped, which the ledger and the record call a success
    with its reason; the next hour's is told."""
    await home.adopt(agent(routes=[LIMITED]))
    await home.tell(FAILED)
    await messages(home)
    home.now += 10 * MINUTE_MS
    await home.tell(FAILED)
    assert [] == await messages(home)
    home.now += 50 * MINUTE_MS
    await home.tell(FAILED)

    assert [[3]] == await messages(home)
    reason = "rate limit: one in 1 h, the last was 10 min before"
    assert ("n", "attempt_failed", "suppressed", reason) == home.deliveries()[1]
    assert [("sent", None), ("skipped", reason), ("sent", None)] == [
        (row["outcome"], row["why"])
        for row in home.rows("SELECT * FROM sends ORDER BY delivery_id")
    ]
    skipped = [each["event"] for each in home.audit() if each["event"].get("reason") == reason]
    assert [True] == [each["ok"] for each in skipped]


async def test_graver_news_is_never_limited(home: Home) -> None:
    """A lesser event keeps nothing back that is graver, and good news is exempt."""
    await home.adopt(agent(routes=[LIMITED]))
    for kind in (SUCCESS, FAILED, GIVEN_UP, Kind.RECOVERED, SUCCESS, FAILED, GIVEN_UP):
        await home.tell(kind)
        await messages(home)

    assert ["success", "attempt_failed", "given_up", "recovered"] == [k for _, k in home.sent()]


async def test_limit_is_of_a_schedule_and_a_recipient(home: Home) -> None:
    """Other schedules and other recipients are not limited by it; another notifier of the same
    recipient is."""
    routes = [LIMITED, route("m", "f2", rate_limit_ms=HOUR_MS), route("o", "f1")]
    await home.adopt(agent(routes=routes), agent("b", routes=[LIMITED]))
    await home.tell(FAILED)
    await home.tell(FAILED, "b")

    assert [[1], [2], [3], [4]] == sorted(await messages(home))
    home.now += MINUTE_MS
    await home.tell(FAILED)
    assert [[7]] == await messages(home)


async def test_no_limit_for_dotagent_itself(home: Home) -> None:
    """Critical news of dotagent is about no schedule: each is told."""
    await home.notify(route("ops", "f9", rate_limit_ms=HOUR_MS))
    await home.tell(Kind.STORE_ERROR, "", "")
    await home.tell(Kind.CONFIG_INVALID, "", "")

    assert 2 == len(await messages(home))


async def test_limit_by_a_wrong_clock(home: Home) -> None:
    """A stamp of the future counts as none."""
    await home.adopt(agent(routes=[LIMITED]))
    home.now += DAY_MS
    await home.tell(FAILED)
    await messages(home)
    home.now -= DAY_MS
    await home.tell(FAILED)

    assert [[2]] == await messages(home)


async def test_no_answer_no_limit(home: Home) -> None:
    """Only what was sent limits: a message that died has told nobody anything."""
    await home.adopt(agent(routes=[LIMITED]))
    await home.tell(FAILED)
    (claim,) = await home.claim()
    (plain,) = await home.answer(claim, RejectMessage(why="400"), room=1)
    await home.answer(plain, RejectMessage(why="400"))
    await home.tell(FAILED)

    assert 2 == (await home.claim())[0].delivery_id


# --------------------------------------------------------------------------------- what goes first


async def test_gravest_first(home: Home) -> None:
    """At a channel with a slow pace, what is critical overtakes the successes of other schedules,
    and hurries on what must go before it in its own."""
    pace = Pace(burst=1, every_ms=60_000, parallel=1)
    names = ["s1", "s2", "bad", "s3"]
    await home.adopt(*(agent(name, routes=[route(pace=pace)]) for name in names))
    for name in ("s1", "s2", "bad", "s3"):
        await home.tell(SUCCESS, name)
    await home.tell(GIVEN_UP, "bad")
    order = []
    for _ in range(5):
        (claim,) = await home.claim()
        order.append(claim.delivery_id)
        await home.answer(claim)
        home.now += 60_000

    assert [3, 5, 1, 2, 4] == order


async def test_hung_destinations_leave_room(home: Home) -> None:
    """Thirty-two destinations that never answer do not keep the thirty-third waiting."""
    hung = [agent(f"h{d}-{n}", routes=[route(to=f"hung-{d}")]) for d in range(32) for n in range(8)]
    await home.adopt(*hung, agent("fine", routes=[route(to="fine")]))
    for each in hung:
        await home.tell(FAILED, each.name)
    claims = await home.claim(256)
    await home.tell(FAILED, "fine")
    (free,) = await home.claim(256 - len(claims))

    assert "fine" == free.fingerprint
    assert len(claims) < 256


# ------------------------------------------------------------------- what a limit owes (rules R22)


async def test_still_failing_when_the_limit_ends(home: Home) -> None:
    """A failure was skipped, and it fails on: one ``still_failing`` as the limit ends, also to who
    never asked for reminders."""
    await home.adopt(agent(routes=[route(rate_limit_ms=HOUR_MS, events=[FAILED])]))
    await home.plan()
    await home.run(EIGHT)
    await home.send_all()
    for minutes in (5, 10):
        await home.run(EIGHT + minutes * MINUTE_MS)
        await home.send_all()
    wake = (await home.wakes())["timely"]
    await home.look(EIGHT + HOUR_MS)
    await home.send_all()

    assert EIGHT + HOUR_MS == wake
    assert [("n", "attempt_failed"), ("n", "still_failing")] == home.sent()
    assert (await home.wakes())["timely"] is None


async def test_nothing_is_owed_of_what_recovered(home: Home) -> None:
    """It recovered before the limit ended: the good news has said it all."""
    await home.adopt(agent(routes=[route(rate_limit_ms=HOUR_MS)]))
    await home.plan()
    await home.run(EIGHT)
    await home.send_all()
    await home.run(EIGHT + 5 * MINUTE_MS)
    await home.send_all()
    await home.run(EIGHT + 10 * MINUTE_MS, Exited(code=0))
    await home.send_all()
    await home.look(EIGHT + HOUR_MS)
    await home.send_all()

    assert ["attempt_failed", "recovered"] == [kind for _, kind in home.sent()]
