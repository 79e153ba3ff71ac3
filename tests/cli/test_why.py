"""``why`` over a real record: the sentence of each end that the store writes, and its evidence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dotagent.cli.layout import Page
from dotagent.cli.looking import Look
from dotagent.cli.main import run
from dotagent.cli.why import Day, find
from dotagent.cli.why_text import case_lines, day_lines
from dotagent.core.case import Case
from dotagent.core.day import day_sentence
from dotagent.core.decide import Codes
from dotagent.core.errors import NotFound, UsageError
from dotagent.core.model import (
    AttemptKind,
    Blocked,
    Interrupted,
    RejectDestination,
    Retry,
    Unknown,
)
from dotagent.core.when import Every
from dotagent.core.why import sentence
from dotagent.store.reading import record
from dotagent.system.paths import Paths
from tests.cli.golden import check_golden
from tests.support.home import Past, daily, route

MINUTE_MS = 60_000
EVERY_TEN = Every(every_ms=10 * MINUTE_MS)
DAILY = {"daily": daily("08:30")}


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    """A home whose history begins on a Sunday at eight, years ago: no weekday names it today."""
    made = Past(tmp_path / "home", "2021-03-28 08:00", root="/srv/agents")
    yield made
    made.close()


def why(past: Past, name: str = "disk-alert", when: str = "", actor: str | None = "daemon") -> str:
    """The sentence, asked now."""
    with record(past.paths.database) as reader:
        seen = Look(paths=past.paths, reader=reader, now=past.now, zone=past.zone, actor=actor)
        found = find(seen, name, when)
        if isinstance(found, Day):
            return day_sentence(found.standing, found.cases, found.span, past.now, past.zone)
        return sentence(found, past.now, past.zone)


def page(past: Past, width: int, name: str = "disk-alert", when: str = "") -> str:
    """The whole answer, as on a terminal of that width, in a home at a path that is always the
    same."""
    with record(past.paths.database) as reader:
        seen = Look(
            paths=Paths("/srv/dotagent"),
            reader=reader,
            now=past.now,
            zone=past.zone,
            actor="daemon",
        )
        found = find(seen, name, when)
        if isinstance(found, Case):
            said = sentence(found, past.now, past.zone)
            lines = case_lines(Page(width), seen, found, said)
        else:
            said = day_sentence(found.standing, found.cases, found.span, past.now, past.zone)
            runs = [(case, sentence(case, past.now, past.zone)) for case in found.cases]
            lines = day_lines(Page(width), seen, found.span, said, runs)
    return "".join(f"{line}\n" for line in lines)


# ---------------------------------------------------------------------------------- every ending


def at_once(past: Past) -> None:
    """The ordinary day."""
    past.agent("disk-alert", DAILY, routes=[route("slack")])
    past.succeed("08:30", "08:30:04")
    past.send()


def with_a_warning(past: Past) -> None:
    """A warn code."""
    past.agent("disk-alert", DAILY)
    attempt = past.start("08:30")
    past.go("08:30:04")
    past.finish(attempt, 3, codes=Codes(warn=frozenset({3})))


def after_retries(past: Past) -> None:
    """Two failures, then a success that ends the outage."""
    past.agent("disk-alert", DAILY, routes=[route("slack"), route("ntfy", events=["recovered"])])
    past.fail("08:30", "08:30:04", said="df: /mnt: gone\nNo space left on device\n")
    past.fail("08:35:04", "08:35:08", code=2)
    past.succeed("08:40:08", "08:47")
    past.send()


def late_after_downtime(past: Past) -> None:
    """The daemon was off at its time, and is back in time."""
    past.agent("disk-alert", DAILY)
    past.end()
    past.go("09:15")
    past.begin()
    past.succeed("09:15", "09:16")


def caught_up(past: Past) -> None:
    """Days of downtime: the last run stands in for the others."""
    past.agent("disk-alert", DAILY, stale_is_default=True)
    past.end()
    past.go("2021-03-31 09:15")
    past.begin("tick")
    past.succeed("09:15", "09:16")


def by_hand(past: Past) -> None:
    """A manual success closes the window that waits."""
    past.agent("disk-alert", DAILY, routes=[route("slack")])
    past.fail("08:30", "08:30:04")
    past.go("08:32")
    attempt = past.start_by_hand("disk-alert", "daily")
    past.go("08:33")
    past.finish(attempt)
    past.send()


def used_up(past: Past) -> None:
    """The example of the manual."""
    past.agent("disk-alert", DAILY, routes=[route("slack"), route("ntfy", events=["given_up"])])
    past.fail("08:30", "08:30:04")
    past.fail("08:35:04", "08:35:08")
    past.fail("08:40:08", "08:47", said="df: /mnt: gone\n\x1b[31mNo space left on device\x1b[0m\n")
    past.send()


def timed_out(past: Past) -> None:
    """A timeout is a failure in other words."""
    past.agent("disk-alert", DAILY, max_attempts=1)
    attempt = past.start("08:30")
    past.go("08:47")
    past.time_out(attempt, 17 * MINUTE_MS)


def no_more_time(past: Past) -> None:
    """The next try would come too late."""
    past.agent("disk-alert", DAILY, stale_after_ms=2 * MINUTE_MS)
    past.fail("08:30", "08:30:04")


def nobody_to_try_again(past: Past) -> None:
    """The daemon was off when the next try was due."""
    past.agent("disk-alert", DAILY)
    past.fail("08:30", "08:30:04")
    past.end()
    past.go("11:00")
    past.begin()
    past.plan()


def next_run_first(past: Past) -> None:
    """The pause before the next try is longer than the period."""
    past.agent("disk-alert", {"daily": EVERY_TEN}, backoff_ms=[20 * MINUTE_MS])
    past.fail("08:10", "08:11")


def overtaken(past: Past) -> None:
    """No slot was free for the next try until the next run came due."""
    past.agent("disk-alert", {"daily": EVERY_TEN})
    past.fail("08:10", "08:11")
    past.plan("08:20")


def pointless(past: Past) -> None:
    """A code that says so."""
    past.agent("disk-alert", DAILY)
    attempt = past.start("08:30")
    past.go("08:31")
    past.finish(attempt, 12, codes=Codes(no_retry=frozenset({12})))


def removed_meanwhile(past: Past) -> None:
    """Its manifest was deleted while it ran."""
    past.agent("disk-alert", DAILY)
    attempt = past.start("08:30")
    past.remove("disk-alert")
    past.go("08:31")
    past.finish(attempt, 1)


def missed_overtaken(past: Past) -> None:
    """It never got a slot."""
    past.agent("disk-alert", {"daily": EVERY_TEN})
    past.plan("08:10")
    past.plan("08:20")


def missed_stale(past: Past) -> None:
    """It never got a slot before its deadline."""
    past.agent("disk-alert", DAILY, routes=[route("slack")])
    past.plan("08:30")
    past.plan("10:31")
    past.send()


def missed_in_downtime(past: Past) -> None:
    """The daemon came back too late."""
    past.agent("disk-alert", DAILY)
    past.end()
    past.go("11:00")
    past.begin()
    past.plan()


def not_caught_up(past: Past) -> None:
    """Five runs passed, and nothing is run late."""
    past.agent("disk-alert", {"daily": EVERY_TEN}, catch_up="none")
    past.end()
    past.go("08:55")
    past.begin()
    past.plan()


def overlapped(past: Past) -> None:
    """The run before it was still going."""
    past.agent("disk-alert", {"daily": EVERY_TEN})
    past.start("08:10")
    past.plan("08:20")


def removed(past: Past) -> None:
    """It waited when its manifest was deleted."""
    past.agent("disk-alert", DAILY)
    past.plan("08:30")
    past.remove("disk-alert")


def disabled(past: Past) -> None:
    """It waited when its manifest was disabled."""
    past.agent("disk-alert", DAILY)
    past.plan("08:30")
    past.go("08:31")
    past.agent("disk-alert", DAILY, enabled=False)


def blocked(past: Past) -> None:
    """A preflight that skips."""
    past.agent("disk-alert", DAILY, routes=[route("slack")])
    attempt = past.start("08:30")
    past.finish(attempt, Blocked(by="disk", why="no space", skip=True))
    past.send()


def not_now(past: Past) -> None:
    """A skip code."""
    past.agent("disk-alert", DAILY)
    past.finish(past.start("08:30"), 75, codes=Codes(skip=frozenset({75})))


ENDINGS: dict[Callable[[Past], None], str] = {
    at_once: "completed the 08:30 run in 4 s; slack was told at 08:30:04.",
    with_a_warning: "completed the 08:30 run in 4 s (exit 3, with a warning).",
    after_retries: (
        "completed the 08:30 run on attempt 3, at 08:47, after 2 failed attempts (exit 2); slack"
        " and ntfy were told at 08:47."
    ),
    late_after_downtime: (
        "completed the 08:30 run late, at 09:16, because dotagent was not running from 08:00 to"
        " 09:15."
    ),
    caught_up: (
        "completed the 08:30 run late, at 09:16, because dotagent was not running from Sun 08:00"
        " to 09:15, and stood in for 3 older runs."
    ),
    by_hand: (
        "completed the 08:30 run by a manual run that succeeded at 08:33; slack was told at 08:33."
    ),
    used_up: (
        "gave up the 08:30 run after 3 attempts (exit 1: No space left on device); slack and ntfy"
        " were told at 08:47."
    ),
    timed_out: (
        "gave up the 08:30 run after 1 attempt (timed out after 17 min); nobody asked to be told."
    ),
    no_more_time: (
        "gave up the 08:30 run after 1 attempt (exit 1), because the next try would have come"
        " after its deadline, 08:32; nobody asked to be told."
    ),
    nobody_to_try_again: (
        "gave up the 08:30 run after 1 attempt (exit 1), because dotagent was not running from"
        " 08:30 to 11:00 and its deadline, 10:30, passed before the next try; nobody asked to be"
        " told."
    ),
    next_run_first: (
        "gave up the 08:10 run after 1 attempt (exit 1), because the next run was due before the"
        " next try; nobody asked to be told."
    ),
    overtaken: (
        "gave up the 08:10 run after 1 attempt (exit 1), because the next run came due; nobody"
        " asked to be told."
    ),
    pointless: (
        "gave up the 08:30 run after 1 attempt (exit 12), because exit 12 means that trying again"
        " is pointless; nobody asked to be told."
    ),
    removed_meanwhile: (
        "gave up the 08:30 run after 1 attempt (exit 1), because the schedule was removed"
        " meanwhile; nobody asked to be told."
    ),
    missed_overtaken: (
        "missed the 08:10 run, because it had not been started when the next run came due; nobody"
        " asked to be told."
    ),
    missed_stale: (
        "missed the 08:30 run, because its deadline, 10:30, passed before it could start; slack"
        " was told at 10:31."
    ),
    missed_in_downtime: (
        "missed the 08:30 run, because dotagent was not running from 08:00 to 11:00, until past"
        " its deadline; nobody asked to be told."
    ),
    not_caught_up: (
        "missed 5 runs (08:10 to 08:50), because dotagent was not running from 08:00 to 08:55 and"
        ' catch_up = "none" runs nothing late; nobody asked to be told.'
    ),
    overlapped: "skipped the 08:20 run, because the run before it was still going.",
    removed: "skipped the 08:30 run, because the schedule was removed.",
    disabled: "skipped the 08:30 run, because the schedule was disabled.",
    blocked: (
        "skipped the 08:30 run, because it was blocked by preflight disk: no space; slack was"
        " told at 08:30."
    ),
    not_now: "skipped the 08:30 run: exit 75, which means “not now”.",
}
"""Each way in which the store closes a window, and its one sentence, asked for that run."""

AGO: dict[Callable[[Past], None], str] = {
    overlapped: "08:20",
    caught_up: "08:30",
    overtaken: "08:10",
    missed_overtaken: "08:10",
}


@pytest.mark.parametrize("scene", ENDINGS, ids=lambda scene: scene.__name__)
def test_every_ending_has_its_sentence(past: Past, scene: Callable[[Past], None]) -> None:
    """However the store closes a window, ``why`` says so in exactly one sentence."""
    scene(past)
    when = AGO.get(scene, "08:30" if "08:30" in ENDINGS[scene] else "08:10")

    assert f"disk-alert/daily {ENDINGS[scene]}" == why(past, when=when)


def test_one_run_is_no_range(past: Past) -> None:
    """What stands for a single instant is shown as one."""
    missed_in_downtime(past)

    assert "planned for  2021-03-28 08:30:00\n" in page(past, 80)


def test_a_range_that_was_caught_up(past: Past) -> None:
    """The runs that another stood in for are found by their own time."""
    caught_up(past)

    assert (
        "disk-alert/daily skipped 3 runs (Sun 08:30 to Tue 08:30), because dotagent was not"
        " running from Sun 08:00 to 09:15, and they were caught up by the run of 2021-03-31 08:30."
    ) == why(past, when="monday")


# -------------------------------------------------------------------------------------- what lives


def test_a_run_on_its_way(past: Past) -> None:
    """Waiting for a slot, running, waiting for its next try: each in turn."""
    past.agent("disk-alert", DAILY)
    first = why(past)
    past.plan("08:30")
    waiting = why(past)
    attempt = past.start("08:31")
    past.go("08:43")
    running = why(past)
    past.finish(attempt, 1)

    assert "disk-alert/daily has had nothing due yet; its first run is due at 08:30." == first
    assert "disk-alert/daily waits for a free slot to start the 08:30 run." == waiting
    assert (
        "disk-alert/daily has been running the 08:30 run for 12 min, since 08:31 (attempt 1 of 3)."
        == running
    )
    assert (
        "disk-alert/daily waits until 08:48 to make attempt 2 of 3 at the 08:30 run, after a"
        " failed one (exit 1); nobody asked to be told."
    ) == why(past)


def test_a_run_that_waits_for_a_person(past: Past) -> None:
    """The run lock is held by a run by hand."""
    past.agent("disk-alert", DAILY)
    past.start_by_hand("disk-alert", "daily", AttemptKind.TRIAL)
    past.plan("08:30")

    assert (
        "disk-alert/daily waits for the end of the trial run in progress to start the 08:30 run."
    ) == why(past)


def test_a_stop_is_no_failure(past: Past) -> None:
    """What a planned stop interrupted waits again, and says why."""
    past.agent("disk-alert", DAILY)
    attempt = past.start("08:30")
    past.go("08:31")
    past.finish(attempt, Interrupted(why="SIGTERM"))
    past.end()

    assert (
        "disk-alert/daily waits for a daemon or a tick to start the 08:30 run, after a planned"
        " stop of dotagent interrupted it."
    ) == why(past, actor=None)


def test_a_run_by_hand_that_was_stopped(past: Past) -> None:
    """It had begun: it did not stay away."""
    past.agent("disk-alert", DAILY)
    attempt = past.start_by_hand("disk-alert", "daily")
    past.go("08:00:20")
    past.finish(attempt, Interrupted(why="too slow", by="ann"))

    assert (
        "disk-alert/daily was run by hand at 08:00 and was stopped after 20 s (stopped by ann:"
        " too slow)."
    ) == why(past)


def test_a_vanished_folder_holds_its_schedules(past: Past) -> None:
    """Held, with the folder's name and what came before."""
    past.agent("disk-alert", DAILY)
    past.succeed("08:30", "08:30:04")
    past.go("09:00")
    past.adopt(root_is_there=False)

    assert (
        "disk-alert/daily is held since 09:00, because its folder /srv/agents is gone or"
        " unreadable; before that it completed the 08:30 run in 4 s."
    ) == why(past)


def test_without_a_daemon_nothing_is_planned(past: Past) -> None:
    """The run that is overdue is the answer, whatever came before; asked for it, it is all."""
    past.agent("disk-alert", DAILY)
    past.succeed("08:30", "08:30:04")
    past.go("12:00")
    past.end()
    past.go("2021-03-29 09:00")
    overdue = (
        "has not been started since it came due at 08:30, because no daemon or tick has run since"
        " Sun 12:00"
    )

    assert (
        f"disk-alert/daily {overdue}; before that it completed the Sun 08:30 run in 4 s."
    ) == why(past, actor=None)
    assert f"disk-alert/daily {overdue}." == why(past, when="08:30", actor=None)


def test_a_command_is_no_daemon(past: Past) -> None:
    """Two absences with only a command between them are one."""
    past.agent("disk-alert", DAILY)
    past.end()
    past.go("08:20")
    past.begin("run-now")
    past.go("08:25")
    past.end()
    past.go("11:00")
    past.begin()
    past.plan()

    assert "because dotagent was not running from 08:00 to 11:00" in why(past)


# ------------------------------------------------------------------------------------- which run


def test_a_later_run_by_hand_is_the_latest(past: Past) -> None:
    """It is asked for as such, found by its time, and does not hide a window that is open."""
    past.agent("disk-alert", DAILY, routes=[route("slack")])
    past.succeed("08:30", "08:30:04")
    past.go("09:00")
    attempt = past.start_by_hand("disk-alert", "daily")
    past.go("09:00:04")
    past.finish(attempt, 1, stderr="no such host")
    past.send()
    past.go("12:00")
    by_hand = (
        "disk-alert/daily was run by hand at 09:00 and failed after 4 s (exit 1: no such host);"
        " slack was told at 09:00."
    )

    assert by_hand == why(past)
    assert by_hand == why(past, when="09:00")
    assert "completed the 08:30 run" in why(past, when="08:30")


def test_without_a_schedule_the_failing_one_is_meant(past: Past) -> None:
    """Else the one that ran last; a time finds the schedule that ran then."""
    past.agent("disk-alert", {"daily": daily("08:30"), "late": daily("09:30")}, max_attempts=1)
    past.fail("08:30", "08:31")
    past.succeed("09:30", "09:31")
    failing = why(past)
    past.succeed("2021-03-29 08:30", "08:31")

    assert failing.startswith("disk-alert/daily gave up the 08:30 run")
    assert why(past).startswith("disk-alert/daily completed the 08:30 run")
    assert why(past, when="sunday 09:30").startswith("disk-alert/late completed the Sun 09:30 run")
    assert why(past, "disk-alert/late").startswith("disk-alert/late completed the Sun 09:30 run")


def test_a_run_is_found_by_any_time_in_it(past: Past) -> None:
    """Its planned time, a minute in which it ran, its number, and nothing else."""
    past.agent("disk-alert", DAILY)
    past.fail("08:30", "08:31")
    past.succeed("08:36", "08:39")
    past.go("12:00")

    assert why(past, when="08:30") == why(past, when="08:38") == why(past, when="1")
    assert "had no run planned at 08:50; nearest is the 08:30 run." in why(past, when="08:50")
    assert "cannot have run on Mon 2021-03-29" in why(past, when="2021-03-29")


def test_a_day_with_several_runs(past: Past) -> None:
    """One sentence for the day; a day with one run is that run."""
    past.agent("disk-alert", {"daily": Every(every_ms=60 * MINUTE_MS)}, max_attempts=1)
    past.succeed("09:00", "09:01")
    past.fail("10:00", "10:01")
    past.start("11:00")
    past.go("11:30")

    assert (
        "disk-alert/daily had these runs on Sun 2021-03-28: 1 completed, 1 given up (10:00),"
        " 1 running (11:00)."
    ) == why(past, when="today")


def test_what_runs_is_meant_before_what_it_made_skip(past: Past) -> None:
    """A run that goes on past the time of the next: the one that runs is the answer."""
    past.agent("disk-alert", {"daily": EVERY_TEN})
    past.start("08:10")
    past.plan("08:21")
    past.go("08:22")

    assert "has been running the 08:10 run for 12 min" in why(past)
    assert "skipped the 08:20 run" in why(past, when="08:20")


def test_of_several_runs_in_a_minute_none_is_picked(past: Past) -> None:
    """Two of the schedule, or two by hand: each is named, with its seconds."""
    past.agent("disk-alert", {"daily": Every(every_ms=MINUTE_MS // 2)}, max_attempts=1)
    past.agent("backup", {})
    past.succeed("08:00:30", "08:00:31")
    past.fail("08:01:00", "08:01:01")
    past.fail("08:01:30", "08:01:31")
    for began, ended in (("02", "03"), ("20", "21")):
        past.go(f"08:05:{began}")
        attempt = past.start_by_hand("backup", "manual")
        past.go(f"08:05:{ended}")
        past.finish(attempt, 1)
    past.go("09:00")
    planned, by_hand = page(past, 80, when="08:01"), page(past, 80, "backup", "08:05")

    assert (
        "disk-alert/daily had these runs at 08:01: 2 given up (08:01, 08:01:30).\n\n"
        "  08:01     gave"
    ) in planned
    assert planned.endswith("Next: dotagent why disk-alert/daily 3\n")
    assert "backup/manual had these runs at 08:05: 2 by hand (08:05:02, 08:05:20).\n" in by_hand
    assert by_hand.endswith("Next: dotagent logs backup\n")


def test_a_day_has_its_runs_by_hand_too(past: Past) -> None:
    """In the order in which they were."""
    past.agent("disk-alert", DAILY)
    attempt = past.start_by_hand("disk-alert", "daily")
    past.finish(attempt, 1)
    past.succeed("08:30", "08:31")
    said = page(past, 80, when="sunday")

    assert "1 completed, 1 by hand (08:00)." in " ".join(said.split())
    assert said.index("08:00  was run by hand") < said.index("08:30  completed")


def test_only_absences_of_the_time_in_question(past: Past) -> None:
    """Asked for a day, an absence after it is no evidence."""
    past.agent("disk-alert", DAILY)
    past.go("12:00")
    past.end()
    past.go("2021-03-29 07:00")
    past.begin()

    assert "Nothing could be started\n  from 12:00" in page(past, 80, when="sunday 14:00")
    assert "Nothing could be started" not in page(past, 80, when="saturday")


def test_names_that_do_not_exist_are_answered_with_the_nearest(past: Past) -> None:
    """Agent, schedule, window and time: what is wrong and what there is."""
    past.agent("disk-alert", DAILY)
    past.agent("backup", {})

    with pytest.raises(NotFound, match='there is no agent "disk-alrt"') as nobody:
        why(past, "disk-alrt")
    with pytest.raises(NotFound, match='disk-alert has no schedule "hourly"') as nothing:
        why(past, "disk-alert/hourly")
    with pytest.raises(NotFound, match="disk-alert has no window 99"):
        why(past, when="99")
    with pytest.raises(UsageError, match="'soon' is not a time that can be looked up"):
        why(past, when="soon")

    assert 'Did you mean "disk-alert"?' == nobody.value.hint
    assert "There is: daily" == nothing.value.hint
    assert "backup/manual has no schedule and has not been run by hand yet." == why(past, "backup")


def test_an_agent_without_schedules_has_its_runs_by_hand(past: Past) -> None:
    """It is known by what a person made of it."""
    past.agent("backup", {})
    attempt = past.start_by_hand("backup", "manual")
    past.go("08:01")
    past.finish(attempt)

    assert "backup/manual was run by hand at 08:00 and succeeded in 1 min." == why(past, "backup")


# -------------------------------------------------------------------------------------- evidence


def a_long_story(past: Past) -> None:
    """Three failures; one channel is down, one is dead, one asks for little."""
    routes = [route("slack"), route("phone", "ntfy"), route("email", events=["given_up"])]
    past.agent("disk-alert", DAILY, routes=routes)
    past.fail("08:30", "08:30:04")
    past.send({"phone": Retry(why="HTTP 503", after_ms=60_000)})
    past.fail("08:35:04", "08:35:08")
    past.send({"phone": Retry(why="HTTP 503", after_ms=60_000)})
    past.fail("08:40:08", "08:47", said="df: /mnt: gone\n\x1b[31mNo space left on device\x1b[0m\n")
    past.send(
        {
            "phone": Retry(why="HTTP 503", after_ms=3_600_000),
            "email": RejectDestination(why="550 no such user"),
        }
    )
    past.go("09:00")


@pytest.mark.parametrize("width", [80, 40])
def test_the_evidence_on_paper(past: Past, width: int) -> None:
    """Run, attempts, last words, who was told what, outage: readable wide and narrow."""
    a_long_story(past)
    text = page(past, width)

    check_golden(f"why-{width}", text)
    assert width >= max(len(line) for line in text.splitlines() if "/srv/" not in line)


def test_a_recovery_on_paper(past: Past) -> None:
    """A stop, an absence, an answer that never came, a success by hand: nothing is left out."""
    past.agent("disk-alert", DAILY, routes=[route("slack")])
    attempt = past.start("08:30")
    past.go("08:31")
    past.finish(attempt, Interrupted(why="SIGTERM"))
    past.end()
    past.go("08:50")
    past.begin()
    past.fail("08:50", "08:51", said="no route to host")
    past.send({"slack": Unknown(why="no answer within 10 s")})
    past.go("08:52")
    by_hand = past.start_by_hand("disk-alert", "daily")
    past.go("08:53")
    past.finish(by_hand, result={"summary": "3 disks, 71 % at most"})
    past.send()
    past.go("12:00")

    check_golden("why-recovered-80", page(past, 80))


def test_runs_on_paper_that_are_not_over(past: Past) -> None:
    """A run by hand under way, and an agent of which there is nothing to show."""
    past.agent("disk-alert", DAILY, enabled=False)
    nothing = page(past, 80)
    past.start_by_hand("disk-alert", "daily")
    past.go("08:00:04")

    assert (
        "disk-alert/daily is disabled in its manifest since 08:00 and does not run any\nmore.\n\n"
        "Next: dotagent inbox --agent disk-alert\n"
    ) == nothing
    assert "  1  manual run, 08:00:00 and running for 4 s\n" in page(past, 80)
    assert why(past).endswith("; it is being run by hand since 08:00, for 4 s.")


@pytest.mark.parametrize(
    ("scene", "following"),
    [
        (at_once, "dotagent inbox --agent disk-alert"),
        (by_hand, "dotagent inbox --agent disk-alert"),
        (timed_out, "dotagent run-now disk-alert --schedule daily"),
        (missed_stale, "dotagent inbox --agent disk-alert"),
    ],
    ids=["at_once", "by_hand", "timed_out", "missed_stale"],
)
def test_the_next_step(past: Past, scene: Callable[[Past], None], following: str) -> None:
    """What failed is to be mended and run again; nothing of the kind where nothing did."""
    scene(past)

    assert page(past, 400).splitlines()[-1].endswith(following)


@pytest.mark.parametrize("width", [80, 40])
def test_a_day_on_paper(past: Past, width: int) -> None:
    """Each run of the day in its own sentence."""
    past.agent("disk-alert", {"daily": Every(every_ms=60 * MINUTE_MS)}, max_attempts=1)
    past.succeed("09:00", "09:01")
    past.fail("10:00", "10:01")
    past.end()
    past.go("13:30")
    past.begin()
    past.start("13:30")
    past.go("13:45")

    check_golden(f"why-day-{width}", page(past, width, when="today"))


def test_a_day_of_many_successes_is_short(past: Past) -> None:
    """Its sentence, and the next step; the runs that succeeded are not listed."""
    past.agent("disk-alert", {"daily": EVERY_TEN})
    for minutes in range(10, 270, 10):
        at = f"{8 + minutes // 60:02}:{minutes % 60:02}"
        past.succeed(at, f"{at}:01")
    past.go("13:00")

    assert (
        "disk-alert/daily had these runs on Sun 2021-03-28: 26 completed.\n\n"
        "Next: dotagent why disk-alert/daily 26\n"
    ) == page(past, 80, when="today")


def test_the_evidence_as_data(
    past: Past, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The shape that ``--json`` promises, with clean texts and ISO times."""
    a_long_story(past)
    monkeypatch.setenv("DOTAGENT_HOME", past.paths.home)
    monkeypatch.setenv("TZ", "UTC")
    status = run(["why", "disk-alert", "2021-03-28T08:30", "--json"])
    data = json.loads(capsys.readouterr().out)
    given_up = data["events"][-1]
    phone = next(each for each in given_up["deliveries"] if each["channel"] == "phone")

    assert 0 == status
    assert {
        "sentence", "agent", "schedule", "log", "window", "attempts", "events", "outage", "away",
        "runs", "silenced",
    } == set(data)  # fmt: skip
    assert data["sentence"].startswith("disk-alert/daily gave up the 2021-03-28 08:30 run")
    assert {
        "id": 1,
        "expected": "2021-03-28T08:30:00+0000",
        "expected_to": None,
        "count": 1,
        "count_is_exact": True,
        "planned": "2021-03-28T08:30:00+0000",
        "deadline": "2021-03-28T10:30:00+0000",
        "state": "given_up",
        "reason": "attempts used up (3 of 3)",
        "attempts": 3,
        "next_try": None,
        "closed": "2021-03-28T08:47:00+0000",
        "late": False,
        "caught_up": 0,
    } == data["window"]
    assert ["df: /mnt: gone", "No space left on device"] == data["attempts"][-1]["output"]
    assert 412_000 == data["attempts"][-1]["duration_ms"]
    assert ["attempt_failed"] * 3 + ["given_up"] == [each["kind"] for each in data["events"]]
    assert ("pending", "HTTP 503") == (phone["state"], phone["reason"])
    assert [] == data["runs"]
    assert "failures" in data["outage"]


def test_a_day_as_data(
    past: Past, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each run with its window and its own sentence."""
    past.agent("disk-alert", {"daily": Every(every_ms=60 * MINUTE_MS)}, max_attempts=1)
    past.succeed("09:00", "09:01")
    past.fail("10:00", "10:01")
    monkeypatch.setenv("DOTAGENT_HOME", past.paths.home)
    monkeypatch.setenv("TZ", "UTC")
    run(["why", "disk-alert", "2021-03-28", "--json"])
    data = json.loads(capsys.readouterr().out)

    assert data["window"] is None
    assert ["succeeded", "given_up"] == [each["window"]["state"] for each in data["runs"]]
    assert all(each["sentence"].endswith(".") for each in data["runs"])


def test_an_unknown_agent_is_exit_4(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also in a home in which nothing has run yet; nothing is made by asking."""
    monkeypatch.setenv("DOTAGENT_HOME", str(home))
    status = run(["why", "disk-alert"])

    assert 4 == status
    assert "dotagent has not run in this home yet" in capsys.readouterr().err
    assert [] == list(home.iterdir())
