"""What a discovery pass changes, and all that it must leave alone."""

from __future__ import annotations

import json

import pytest

from dotagent.core.model import Exited, Kind, Retry
from dotagent.core.when import Calendar
from dotagent.store import adopt, plan
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS
from tests.store.builder import EIGHT, ROOT, SEEN, Home, agent, file_of, route, schedule

ELSEWHERE = "/mnt/agents"


def manifest_events(home: Home) -> list[str]:
    return [row["kind"] for row in home.rows("SELECT kind FROM events WHERE agent = ''")]


# ------------------------------------------------------------------------------------ first sight


async def test_first_start_is_silent(home: Home) -> None:
    """A first start adopts what it finds without a word; the record has it."""
    await home.notify(route("ops", "f9"))
    await home.adopt(agent("a"), agent("b"))

    assert [] == home.events()
    assert [
        ("phantom_agent_detected", "a"),
        ("manifest_loaded", "a"),
        ("phantom_agent_detected", "b"),
        ("manifest_loaded", "b"),
    ] == [(row["event"]["event_type"], row["event"]["agent"]) for row in home.audit()]
    assert ["event_type", "agent", "path", "sha256"] == list(home.audit()[0]["event"])


async def test_first_start_says_what_is_wrong(home: Home) -> None:
    """It is never silent about what is wrong."""
    await home.notify(route("ops", "f9"))
    bad = file_of(agent("x"), agent=None, fatal=True, sha256="bad")
    await home.adopt(agent("a"), files=[bad], wrong=[(bad.path, "line 3: no such key")])

    assert ["manifest_invalid"] == home.events()
    assert [("ops", "manifest_invalid", "pending", "")] == home.deliveries()
    assert "line 3: no such key" in home.value("SELECT facts FROM events")


async def test_one_event_of_each_kind(home: Home) -> None:
    """One pass makes at most one event of each kind, listing all that it found."""
    await home.adopt(agent("a"), agent("b"))
    edited = [schedule(tries=9)]
    await home.adopt(
        agent("a", schedules=edited),
        agent("b", schedules=edited),
        agent("c"),
        agent("d"),
        wrong=[("/x", "x is wrong"), ("/y", "y is wrong")],
    )

    assert ["manifest_invalid", "phantom_agent_detected", "manifest_drift_detected"] == (
        home.events()
    )
    lines = [json.loads(row["facts"]) for row in home.rows("SELECT facts FROM events")]
    assert [
        "2 manifests are not right and change nothing until they are mended",
        f"2 new manifests: c ({ROOT}/c/agent.toml) and 1 more",
        f"2 changed manifests: a ({ROOT}/a/agent.toml) and 1 more",
    ] == [facts["line"] for facts in lines]
    assert ["/d/agent.toml" in facts["detail"] for facts in lines] == [False, True, False]


async def test_one_of_a_kind(home: Home) -> None:
    """One thing is one thing."""
    await home.adopt(agent("a"))
    await home.adopt(agent("a"), agent("b"), wrong=[("/x/agent.toml", "wrong")])

    assert [
        "the manifest /x/agent.toml is not right and changes nothing until it is mended",
        f"1 new manifest: b ({ROOT}/b/agent.toml)",
    ] == [json.loads(row["facts"])["line"] for row in home.rows("SELECT facts FROM events")]


async def test_nothing_new(home: Home) -> None:
    """A pass that finds what was there says and changes nothing."""
    await home.adopt(agent("a"))
    before = [home.rows(f"SELECT * FROM {table}") for table in ("agents", "schedules", "audit")]
    home.now += HOUR_MS
    await home.adopt(agent("a"))

    assert before == [
        home.rows(f"SELECT * FROM {table}") for table in ("agents", "schedules", "audit")
    ]
    assert [] == home.events()


async def test_audit_of_a_change(home: Home) -> None:
    """A changed manifest stands in the record with both hashes (contract §13)."""
    old, new = agent("a"), agent("a", schedules=[schedule(tries=9)])
    await home.adopt(old)
    await home.adopt(new)

    assert [
        ("event_type", "manifest_drift_detected"),
        ("agent", "a"),
        ("path", f"{ROOT}/a/agent.toml"),
        ("expected_sha256", old.sha256),
        ("actual_sha256", new.sha256),
    ] == list(home.audit()[-1]["event"].items())


# --------------------------------------------------------------------------------- bad files


async def test_bad_file_keeps_the_agent(home: Home) -> None:
    """A manifest that is broken later changes nothing for its agent (product §3)."""
    good = agent("a")
    await home.adopt(good)
    await home.plan()
    broken = file_of(good, sha256="broken", fatal=True, problems="[1]")
    await home.adopt(files=[broken], wrong=[(broken.path, "no TOML")])
    (run,) = await home.due(EIGHT)

    assert good.sha256 == run.manifest_sha256
    assert home.value("SELECT gone_at FROM agents") is None
    assert ("broken", 1) == tuple(home.row("SELECT sha256, fatal FROM manifests").values())


async def test_bad_file_changes_nothing_for_others(home: Home) -> None:
    """Nor for any other agent."""
    await home.adopt(agent("a"), agent("b"))
    before = home.rows("SELECT * FROM schedules")
    broken = file_of(agent("b"), sha256="broken", fatal=True)
    await home.adopt(agent("a"), files=[broken])

    assert before == home.rows("SELECT * FROM schedules")


async def test_file_that_was_never_good(home: Home) -> None:
    """A file that never made an agent is known, with what is wrong with it, and makes none."""
    bad = file_of(agent("x"), agent=None, fatal=True, problems='["p"]')
    await home.adopt(files=[bad])
    assert ('["p"]', None) == tuple(home.row("SELECT problems, agent FROM manifests").values())
    assert [] == home.rows("SELECT * FROM agents")

    await home.adopt()
    assert [] == home.rows("SELECT * FROM manifests")


async def test_duplicate_name(home: Home) -> None:
    """Of two files with one name the first runs; when it goes, the other takes over with all its
    past, and the first one's waiting run goes on."""
    first, second = agent("a", folder="a1"), agent("a", folder="a2")
    shadow = file_of(second, shadowed_by=first.path)
    await home.adopt(first, files=[shadow])
    await home.plan()
    await home.run(EIGHT)
    assert first.path == home.value("SELECT path FROM agents")

    await home.adopt(second)
    assert second.path == home.value("SELECT path FROM agents")
    (run,) = await home.due(EIGHT + 5 * MINUTE_MS)
    assert 2 == run.number


async def test_unchanged_rows_stay(home: Home) -> None:
    """A file that was not read again keeps its row, problems and all."""
    bad = file_of(agent("x"), agent=None, fatal=True, problems='["p"]')
    await home.adopt(files=[bad])
    unread = file_of(agent("x"), agent=None, fatal=True, problems="lost", changed=False)
    await home.adopt(files=[unread])

    assert '["p"]' == home.value("SELECT problems FROM manifests")


# ------------------------------------------------------------------------------- removal, R9


@pytest.mark.parametrize(
    ("how", "why"), [("file", "removed"), ("entry", "removed"), ("off", "disabled")]
)
async def test_gone(home: Home, how: str, why: str) -> None:
    """A schedule that is not wanted any more: its waiting window is skipped, its outage closed, its
    reminders stop, and nobody is told of a failure (rules R9)."""
    routes = [route(remind=[HOUR_MS])]
    await home.adopt(agent(routes=routes))
    await home.plan()
    await home.run(EIGHT)
    after = {
        "file": [],
        "entry": [agent(schedules=[schedule("t")], routes=routes)],
        "off": [agent(routes=routes, enabled=False)],
    }[how]
    await home.adopt(*after)

    assert (EIGHT, "skipped", why) == home.windows()[0]
    row = home.row("SELECT * FROM schedules WHERE id = 's'")
    assert (home.now, why, None, "off") == (
        row["gone_at"],
        row["gone_why"],
        row["next_due_at"],
        row["health"],
    )
    assert (home.now, why) == tuple(home.row("SELECT closed_at, closed_by FROM outages").values())
    assert [] == home.rows("SELECT * FROM reminders")
    await home.plan(EIGHT + DAY_MS)
    assert 1 == len(home.rows("SELECT * FROM windows WHERE schedule = 's'"))
    assert ["attempt_failed"] == [
        row["kind"] for row in home.rows("SELECT kind FROM events WHERE schedule = 's'")
    ]


@pytest.mark.parametrize("how", ["file", "entry"])
async def test_removed_while_disabled(home: Home, how: str) -> None:
    """A schedule that was disabled and is then taken away is gone as any other: status shows it no
    longer, and it goes with the past."""
    await home.adopt(agent())
    await home.adopt(agent(enabled=False))
    home.now += HOUR_MS
    await home.adopt(*([] if how == "file" else [agent(schedules=[schedule("t")], enabled=False)]))

    row = home.row("SELECT * FROM schedules WHERE id = 's'")
    assert (home.now, "removed", "off") == (row["gone_at"], row["gone_why"], row["health"])


async def test_return(home: Home) -> None:
    """What comes back goes on from here: nothing was due in between (rules R3)."""
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT, Exited(code=0))
    await home.adopt()
    home.now = EIGHT + 5 * HOUR_MS + MINUTE_MS
    await home.adopt(agent())
    await home.plan()

    assert [(EIGHT, "succeeded", "")] == home.windows()
    assert EIGHT + 6 * HOUR_MS == (await home.wakes())["plan"]
    row = home.row("SELECT * FROM schedules")
    assert (None, None, "new", 0) == (
        row["gone_at"],
        row["gone_why"],
        row["health"],
        row["was_away"],
    )


async def test_return_before_it_was_planned(home: Home) -> None:
    """Removed and back between two passes, or never planned at all: nothing false is missed."""
    await home.adopt(agent())
    await home.adopt()
    await home.adopt(agent())
    await home.plan()

    assert [] == home.windows()
    assert EIGHT == (await home.wakes())["plan"]


async def test_disabled_from_the_start(home: Home) -> None:
    """A disabled agent is known and never due; enabled later it begins then."""
    await home.adopt(agent(enabled=False))
    await home.plan(EIGHT + HOUR_MS)
    assert ([], None) == (home.windows(), (await home.wakes())["plan"])
    await home.adopt(agent())
    await home.plan()

    assert EIGHT + 2 * HOUR_MS == (await home.wakes())["plan"]


async def test_messages_outlive_their_agent(home: Home) -> None:
    """What was to be told is told, also after the manifest is gone: the last good routing stays."""
    await home.adopt(agent())
    await home.plan()
    (run,) = await home.due(EIGHT)
    await home.adopt()
    await home.settle(run)
    await home.send_all()

    assert [("n", "attempt_failed"), ("n", "given_up")] == home.sent()


# -------------------------------------------------------------------------------- roots, R9


async def test_root_vanished(home: Home) -> None:
    """A root that vanishes takes no agent with it: its schedules are held, and it is told once."""
    await home.notify(route("ops", "f9", [Kind.ROOT_VANISHED]))
    await home.adopt(agent("a"), agent("b"))
    await home.plan()
    await home.plan(EIGHT)
    for _ in range(3):
        await home.adopt(roots={ROOT: None})

    assert ["root_vanished"] == home.events()
    facts = json.loads(home.value("SELECT facts FROM events"))
    assert (
        f"the folder {ROOT} is gone or unreadable; its agents wait until it is back"
        == facts["line"]
    )
    assert f"{ROOT}: 2 schedules held" == facts["detail"]
    assert [("ops", "root_vanished", "pending", "")] == home.deliveries()
    assert [] == home.rows("SELECT * FROM agents WHERE gone_at IS NOT NULL")
    assert [] == await home.due(EIGHT + 9 * HOUR_MS)
    assert ["waiting", "waiting"] == [state for _, state, _ in home.windows()]
    wakes = await home.wakes()
    assert (None, None) == (wakes["plan"], wakes["windows"])


async def test_root_back(home: Home) -> None:
    """When it is back the gap is treated as downtime (rules R8)."""
    await home.adopt(agent())
    await home.plan()
    await home.run(EIGHT, Exited(code=0))
    await home.adopt(roots={ROOT: None})
    home.now = EIGHT + 5 * HOUR_MS + 10 * MINUTE_MS
    await home.adopt(agent())
    await home.run(exit=Exited(code=0))

    assert [
        (EIGHT, "succeeded", ""),
        (EIGHT + HOUR_MS, "skipped", "caught up by the run of 2026-06-03 13:00"),
        (EIGHT + 5 * HOUR_MS, "succeeded", ""),
    ] == home.windows()
    assert home.value("SELECT vanished_at FROM roots") is None


async def test_root_back_with_a_waiting_retry(home: Home) -> None:
    """What waited for a retry is tried, if its time is not over."""
    daily = [schedule(when=Calendar(expression="0 8 * * *"), stale_after=DAY_MS)]
    await home.adopt(agent(schedules=daily))
    await home.plan()
    await home.run(EIGHT)
    await home.adopt(roots={ROOT: None})
    home.now = EIGHT + 3 * HOUR_MS
    await home.adopt(agent(schedules=daily))

    assert [2] == [run.number for run in await home.due()]


async def test_root_back_too_late(home: Home) -> None:
    """Else it is given up, as after any downtime."""
    await home.adopt(agent(schedules=[schedule(when=Calendar(expression="0 8 * * *"))]))
    await home.plan()
    await home.run(EIGHT)
    await home.adopt(roots={ROOT: None})
    home.now = EIGHT + 3 * HOUR_MS
    await home.adopt(agent(schedules=[schedule(when=Calendar(expression="0 8 * * *"))]))
    assert [] == await home.due()

    assert (EIGHT, "given_up", "stale: its deadline passed before it could run") == (
        home.windows()[0]
    )


async def test_root_vanishes_while_a_run_is_due_after_a_clock_step(home: Home) -> None:
    """Looking for instants of a wrong clock does not let go what is held."""
    await home.adopt(agent())
    await home.plan()
    await home.plan(EIGHT)
    await home.adopt(roots={ROOT: None})
    home.now = EIGHT - 2 * HOUR_MS
    await home.write(lambda tx: plan.recheck(tx, home.now))

    assert [] == await home.due()
    assert home.value("SELECT next_at FROM windows") is None


async def test_root_back_while_the_clock_is_wrong(home: Home) -> None:
    """What a root's return sets going does not wait for the time of a clock that was far ahead."""
    daily = [schedule(when=Calendar(expression="0 8 * * *"), stale_after=DAY_MS)]
    noon = agent("b", [schedule(when=Calendar(expression="0 12 * * *"))])
    await home.adopt(agent(schedules=daily), noon)
    await home.plan()
    await home.run(EIGHT)
    await home.adopt(roots={ROOT: None})
    home.now = EIGHT + 700 * DAY_MS
    await home.adopt(agent(schedules=daily), noon)
    home.now = EIGHT + 30 * MINUTE_MS
    await home.write(lambda tx: plan.recheck(tx, home.now))

    assert [("a", 2)] == [(run.agent, run.number) for run in await home.due()]
    assert EIGHT + 4 * HOUR_MS == (await home.wakes())["plan"]


async def test_edits_while_the_clock_is_wrong(home: Home) -> None:
    """Nor does a new, an edited or a returned schedule, or one with another ``stale_after``."""
    await home.adopt(agent("edited"), agent("patient"))
    await home.adopt(agent("edited"), agent("patient"), agent("back"))
    await home.plan()
    await home.adopt(agent("edited"), agent("patient"))
    home.now = EIGHT + 700 * DAY_MS
    half = [schedule(when=Calendar(expression="30 * * * *"))]
    patient = [schedule(stale_after=DAY_MS)]
    await home.adopt(agent("edited", half), agent("patient", patient), agent("back"), agent("new"))
    home.now = SEEN + MINUTE_MS
    await home.write(lambda tx: plan.recheck(tx, home.now))
    await home.plan()

    assert {
        "edited": EIGHT + 30 * MINUTE_MS,
        "patient": EIGHT,
        "back": EIGHT,
        "new": EIGHT,
    } == {row["agent"]: row["next_due_at"] for row in home.rows("SELECT * FROM schedules")}


async def test_moved_out_of_a_vanished_root(home: Home) -> None:
    """An agent that is found elsewhere waits for its old root no longer."""
    there = agent("a", root=ELSEWHERE)
    await home.adopt(there, roots={ROOT: 1, ELSEWHERE: 2})
    await home.plan()
    await home.run(EIGHT)
    await home.adopt(roots={ROOT: 1, ELSEWHERE: None})
    home.now = EIGHT + 10 * MINUTE_MS
    await home.adopt(agent("a"), roots={ROOT: 1, ELSEWHERE: None})

    assert [2] == [run.number for run in await home.due()]
    assert home.value("SELECT held_at FROM schedules") is None


async def test_several_roots(home: Home) -> None:
    """Roots that vanish together are one event."""
    roots = {ROOT: 1, ELSEWHERE: 2}
    await home.adopt(agent("a"), agent("b", root=ELSEWHERE), roots=roots)
    await home.adopt(roots=dict.fromkeys(roots))

    assert ["root_vanished"] == home.events()
    assert "2 folders with agents are gone or unreadable; their agents wait" in home.value(
        "SELECT facts FROM events"
    )


async def test_root_that_was_never_there(home: Home) -> None:
    """A root that was never there is not missed."""
    await home.adopt(agent(), roots={ROOT: 1, ELSEWHERE: None})

    assert [] == home.events()


async def test_one_root_of_two(home: Home) -> None:
    """Only the agents of the root that vanished are held."""
    roots = {ROOT: 1, ELSEWHERE: 2}
    await home.adopt(agent("a"), agent("b", root=ELSEWHERE), roots=roots)
    await home.plan()
    await home.adopt(agent("a"), roots={ROOT: 1, ELSEWHERE: None})

    assert ["a"] == [run.agent for run in await home.due(EIGHT)]


# ------------------------------------------------------------------------------------ routing


async def test_routing_follows_a_new_address(home: Home) -> None:
    """What waits for a notifier goes to its new address (rules R16)."""
    await home.adopt(agent())
    await home.tell(Kind.GIVEN_UP)
    (claim,) = await home.claim()
    await home.answer(claim, Retry(why="503", after_ms=DAY_MS))
    await home.adopt(agent(routes=[route(to="f2")]))

    assert ["f2"] == [each.fingerprint for each in await home.claim()]


async def test_visit(home: Home) -> None:
    """An agent of somewhere else, run once by hand, is known as gone: nothing of it is scheduled,
    and its notifiers are heard."""
    stranger = agent("x", root="/tmp/agents", routes=[route("x", "fx")])
    await home.write(lambda tx: adopt.visit(tx, home.now, stranger))
    by_hand = await home.manual(agent="x")
    assert by_hand is not None
    await home.settle(by_hand)
    await home.plan(EIGHT + DAY_MS)

    assert [("x", "attempt_failed", "pending", "")] == home.deliveries()
    assert ([], SEEN) == (
        home.rows("SELECT * FROM schedules"),
        home.value("SELECT gone_at FROM agents"),
    )


async def test_visit_of_an_agent_of_this_home(home: Home) -> None:
    """A visitor never takes the place of an agent that lives here."""
    await home.adopt(agent("a"))
    stranger = agent("a", root="/tmp/agents", routes=[])
    await home.write(lambda tx: adopt.visit(tx, home.now, stranger))

    assert f"{ROOT}/a/agent.toml" == home.value("SELECT path FROM agents")
    assert 1 == home.value("SELECT count(*) FROM routing")
