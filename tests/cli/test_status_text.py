"""``status`` over real records: the verdict, what fails and why, and every other line there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from dotagent.cli.layout import Page
from dotagent.cli.status_text import MOST, PAUSED, View, brief, full
from dotagent.core.decide import Codes
from dotagent.core.ending import Ending
from dotagent.core.hindrance import FULL, STOPPED
from dotagent.core.model import AttemptKind, Exited, RejectDestination, Retry, Unsupported
from dotagent.core.moment import stamp
from dotagent.core.when import Every
from dotagent.store import pausing
from dotagent.store.database import Tx
from dotagent.store.facts import remember
from dotagent.store.glance import Glance, look
from dotagent.store.holders import DAEMON
from dotagent.store.reading import record
from dotagent.system.lock import Holder
from tests.cli.golden import check_golden
from tests.support.home import HOUR_MS, Past, daily, route

HOURLY = Every(every_ms=HOUR_MS)


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    """A home whose history begins on a Sunday at eight."""
    made = Past(tmp_path / "home", "2026-03-29 08:00")
    yield made
    made.close()


def status(
    past: Past,
    width: int = 80,
    *,
    role: str | None = DAEMON,
    short: bool = False,
    unseen: int = 0,
    hindrance: str | None = None,
) -> str:
    """What it says now, held by a process of that role, or by nobody."""
    holder = None if role is None else Holder(123, role, past.now)
    with record(past.paths.database) as db:
        glance = look(db, past.now)
        view = View(past.now, UTC, past.paths.home, holder, glance.last_tick_at)
        view.hindrance = hindrance
        return (brief if short else full)(Page(width), view, glance, unseen)


def verdict(past: Past, **how: object) -> str:
    """Its first line."""
    return status(past, 200, **how).splitlines()[0]  # type: ignore[arg-type]


def line_of(past: Past, name: str, **how: object) -> str:
    """The line of one schedule, channel or file, on a page wide enough for it."""
    lines = status(past, 400, **how).splitlines()  # type: ignore[arg-type]
    return next(line for line in lines if line.lstrip().startswith(name)).split("  ", 2)[-1].strip()


def everything(past: Past) -> None:
    """A home in which a little of everything is going on."""
    channels = [route("slack"), route("phone", "ntfy", events=["given_up"])]
    past.agent("disk-alert", {"daily": daily("08:30")}, routes=channels)
    past.agent("backup", {"nightly": daily("09:00")}, max_attempts=1)
    past.agent("sync", {"hourly": HOURLY})
    past.agent("report", {"daily": daily("09:20")})
    past.agent("old", {"weekly": daily("07:00")}, enabled=False)
    past.agent("new", {"monthly": daily("07:30")})
    past.agent("llm-chore", {"daily": daily("08:40")})
    past.fail("08:30", "08:30:04", agent="disk-alert")
    past.fail("08:35:04", "08:35:08", agent="disk-alert")
    past.fail("08:40:08", "08:41", agent="disk-alert", said="No space left on device")
    past.send({"phone": Retry(why="HTTP 503", after_ms=2 * HOUR_MS)})
    chore = past.start("08:41", agent="llm-chore")
    past.go("08:50")
    past.finish(chore, 3, codes=Codes(warn=frozenset({3})))
    past.start("09:00", agent="backup")
    past.succeed("09:00", "09:00:03", agent="sync")
    past.plan("09:20")
    past.break_manifest(
        "report", [problem("schedules[0].hours[1]", "25 is no hour, allowed: 0–23")]
    )
    past.go("09:30")


def problem(path: str, message: str) -> dict[str, object]:
    """A finding of a manifest, as discovery writes it."""
    return {
        "path": path, "message": message, "line": 3, "hint": None, "fatal": True, "file": "",
    }  # fmt: skip


# ------------------------------------------------------------------------------------- on paper


@pytest.mark.parametrize("width", [80, 40])
def test_everything_on_paper(past: Past, width: int) -> None:
    """Failing first, readable wide and narrow, no line too wide."""
    everything(past)
    text = status(past, width)

    check_golden(f"status-{width}", text)
    assert width >= max(len(line) for line in text.splitlines())


@pytest.mark.parametrize("width", [80, 40])
def test_without_a_daemon_on_paper(past: Past, width: int) -> None:
    """What ran when it died, what waits for one, what is due since when."""
    everything(past)
    past.go("12:00")
    text = status(past, width, role=None)

    check_golden(f"status-dead-{width}", text)
    assert width >= max(len(line) for line in text.splitlines())


def test_the_short_form_on_paper(past: Past) -> None:
    """The verdict, what fails by name, the next step."""
    everything(past)

    assert (
        "1 of 6 schedules is failing; the daemon runs (pid 123).\n"
        "  disk-alert/daily  gave up: exit 1\n"
        "Next: dotagent why disk-alert/daily\n"
    ) == status(past, short=True)


# --------------------------------------------------------------------------------- the first line


def test_the_verdict_of_a_home_without_agents(past: Past) -> None:
    """Nothing there; something that nobody has looked at; something that is not right."""
    nothing = verdict(past, role=None)
    unseen = verdict(past, role=None, unseen=2)
    running = verdict(past)
    past.break_manifest("report", [problem("run", "is missing")])
    broken = verdict(past)

    assert "No agents yet, and no daemon runs." == nothing
    assert "2 agents not looked at yet, and no daemon runs." == unseen
    assert "No agents yet; the daemon runs (pid 123)." == running
    assert "No agent can run: 1 manifest not right; the daemon runs (pid 123)." == broken


def test_the_verdict_counts_what_fails(past: Past) -> None:
    """New, fine, failing, in need of a look: of one and of several."""
    past.agent("a", {"daily": daily("08:30")}, max_attempts=1)
    new = verdict(past)
    past.succeed("08:30", "08:31")
    fine = verdict(past)
    past.fail("2026-03-30 08:30", "08:31")
    failing = verdict(past)
    past.agent("b", {"daily": daily("09:00")})
    one = verdict(past)
    past.agent("c", {"daily": daily("09:30")}, max_attempts=1)
    past.fail("09:30", agent="c")

    assert "Nothing has been due yet (1 schedule); the daemon runs (pid 123)." == new
    assert "The only schedule is fine; the daemon runs (pid 123)." == fine
    assert "The only schedule is failing; the daemon runs (pid 123)." == failing
    assert "1 of 2 schedules is failing; the daemon runs (pid 123)." == one
    assert "2 of 3 schedules are failing; the daemon runs (pid 123)." == verdict(past)


def test_the_verdict_of_success(past: Past) -> None:
    """All is well; or some succeeded, but not at once."""
    past.agent("a", {"daily": daily("08:30")})
    past.agent("b", {"daily": daily("09:30")})
    past.succeed("08:30")
    past.succeed("09:30")
    fine = verdict(past)
    past.fail("2026-03-30 08:30", "08:31")
    past.succeed("08:36", "08:37")

    assert "All 2 schedules are fine; the daemon runs (pid 123)." == fine
    assert "1 of 2 schedules needs a look; the daemon runs (pid 123)." == verdict(past)
    assert "recovered on attempt 2; last ok 08:37; next run Tue 08:30" == line_of(past, "a/daily")


def test_the_verdict_counts_what_cannot_run(past: Past) -> None:
    """What runs is fine, but not everything runs; whom config.toml would tell is not told."""
    past.agent("a", {"daily": daily("08:30")})
    past.succeed("08:30")
    past.break_manifest("a", [problem("run.command", "is missing")])
    past.write(lambda tx: remember(tx, "config_problem", "config.toml:3: quiet_hours"))

    assert "The only schedule is fine, but 1 manifest not right; the daemon runs (pid 123)." == (
        verdict(past)
    )
    assert "no notifier is in force, for config.toml is not right" in " ".join(status(past).split())


def test_the_verdict_without_a_daemon(past: Past) -> None:
    """Nothing is started; that somebody runs something by hand changes nothing about it."""
    past.agent("a", {"daily": daily("08:30")})
    past.succeed("08:30")

    assert "No daemon runs: nothing is started on schedule." == verdict(past, role=None)
    assert "No daemon runs: nothing is started on schedule." == verdict(past, role="run-now")
    assert status(past, role=None).endswith("Next: dotagent daemon\n")


def test_a_home_that_cron_ticks_needs_no_daemon(past: Past) -> None:
    """A recent tick is as good; an old one is not."""
    past.agent("a", {"daily": daily("08:30")})
    past.end()
    past.go("08:32")
    past.begin("tick")
    past.plan()
    past.end()
    past.go("09:00")

    assert "Nothing has been due yet (1 schedule); the last tick was at 08:32." == verdict(
        past, role=None
    )
    assert "the 08:30 run waits for the next tick (attempt 1 of 3); next run Mon 08:30" == line_of(
        past, "a/daily", role=None
    )
    assert not status(past, role=None).endswith("Next: dotagent daemon\n")
    past.go("12:00")
    assert "No daemon runs: nothing is started on schedule." == verdict(past, role=None)


def test_a_folder_that_vanished(past: Past) -> None:
    """Its schedules are held: neither failing nor fine."""
    past.agent("a", {"daily": daily("08:30")})
    past.succeed("08:30")
    past.go("09:00")
    past.adopt(root_is_there=False)

    assert "The only schedule is held; the daemon runs (pid 123)." == verdict(past)
    assert f"its folder {past.root} is gone or unreadable since 09:00; last ok 08:30" == line_of(
        past, "a/daily"
    )
    assert status(past).endswith("Next: dotagent why a/daily\n")


# --------------------------------------------------------------------------------- every schedule


def test_what_a_failing_schedule_says(past: Past) -> None:
    """Between two tries, given up, missed: the reason, since when, at what cost, what is next."""
    past.agent("a", {"daily": daily("08:30")}, max_attempts=2)
    past.fail("08:30", "08:31", said="ignored")
    between = line_of(past, "a/daily")
    past.fail("08:36", "08:37")
    given_up = line_of(past, "a/daily")
    past.plan("2026-03-30 08:30")
    past.plan("10:31")

    assert (
        "attempt 1: exit 1; will be tried again; failing since 08:31; next try 08:36"
        " (attempt 2 of 2); never ok yet; next run Mon 08:30"
    ) == between
    assert (
        "gave up: exit 1; failing since 08:31 (2 failed attempts, 1 lost run); never ok yet;"
        " next run Mon 08:30"
    ) == given_up
    assert (
        "missed: stale: its deadline passed before it could run; failing since Sun 08:31"
        " (2 failed attempts, 2 lost runs); never ok yet; next run Tue 08:30"
    ) == line_of(past, "a/daily")


def test_what_runs_now(past: Past) -> None:
    """For how long, on whose behalf; also what belongs to no schedule here."""
    past.agent("a", {"daily": daily("08:30")})
    past.agent("b", {"daily": daily("09:30")})
    past.agent("gone", {"daily": daily("10:30")})
    past.start("08:30")
    past.start_by_hand("b", "daily")
    past.start_by_hand("gone", "daily", AttemptKind.TRIAL)
    past.remove("gone")
    past.go("08:42")

    assert (
        "runs now, for 12 min (attempt 1 of 3); its time is up at 09:30; next run Mon 08:30"
        == line_of(past, "a/daily")
    )
    assert (
        "runs now, for 12 min (a manual run); its time is up at 09:30; next run 09:30"
        == line_of(past, "b/daily")
    )
    assert "runs now, for 12 min (a trial run); its time is up at 09:30" == line_of(
        past, "gone/daily"
    )
    assert (
        "attempt 1 of 3 ran since 08:30 when dotagent died; the next start settles it;"
        " next run Mon 08:30"
    ) == line_of(past, "a/daily", role=None)


def test_a_run_whose_agent_has_gone(past: Past) -> None:
    """Its manifest was removed or renamed meanwhile: the run goes on, and is shown."""
    past.agent("gone", {"daily": daily("08:30")})
    past.start("08:30")
    past.remove("gone")
    past.go("08:42")

    assert line_of(past, "gone/daily").startswith("runs now, for 12 min (attempt 1 of 3)")
    assert "attempt 1 of 3 ran since 08:30" in line_of(past, "gone/daily", role=None)


def test_what_runs_now_against_what_is_usual(past: Past) -> None:
    """The median of the last good runs, whatever failed between them, and when its time is up."""
    past.agent("a", {"hourly": HOURLY}, max_attempts=1)
    for hour, minutes in (("09", 5), ("10", 1), ("11", 50), ("12", 0), ("13", 2)):
        past.succeed(f"{hour}:00", f"{hour}:{minutes:02}")
    past.fail("14:00", "14:59")
    past.start("15:00")
    past.go("15:12")
    running = line_of(past, "a/hourly")

    assert (
        "runs now, for 12 min, usually 2 min (attempt 1 of 1); its time is up at 16:00" in running
    )


def test_an_interval_that_has_just_succeeded_is_fine(past: Past) -> None:
    """What dotagent 0.1.x showed as failing."""
    past.agent("sync", {"hourly": HOURLY})
    past.succeed("09:00", "09:01")

    assert "The only schedule is fine; the daemon runs (pid 123)." == verdict(past)
    assert "last ok 09:01; next run 10:00" == line_of(past, "sync/hourly")


def test_foreign_text_does_not_steer_the_terminal(past: Past) -> None:
    """What a plugin said is shown without its escape sequences."""
    past.agent("a", {"daily": daily("08:30")}, max_attempts=1)
    past.finish(past.start("08:30"), 0, unmet="\x1b]0;owned\x07\x1b[31mno report\x1b[0m\nat all")

    assert line_of(past, "a/daily").startswith("gave up: exit 0, but no report at all; failing")


def test_many_that_are_fine_are_counted(past: Past) -> None:
    """A thousand lines that need nobody hide the one that does."""
    for number in range(MOST + 5):
        past.agent(f"agent-{number:02}", {"daily": daily("08:30")})
    text = status(past)

    assert MOST == text.count("/daily")
    assert "  and 5 more:     dotagent status --json\n" in text


# ------------------------------------------------------------------------------- channels and files


def test_channels_with_trouble(past: Past) -> None:
    """One rests, one is parked, one has lost messages; one that works is not named."""
    past.global_routes(route("slack"), route("mail", "email"), route("desktop"), route("good"))
    past.agent("a", {"daily": daily("08:30")}, max_attempts=1)
    past.fail("08:30", "08:31")
    past.send(
        {
            "slack": Retry(why="HTTP 503", after_ms=HOUR_MS),
            "mail": RejectDestination(why="550 no such user"),
            "desktop": Unsupported(why="no session bus"),
        }
    )
    past.go("08:40")

    assert "4 messages wait since 08:31: HTTP 503; next try 09:31" == line_of(past, "slack")
    assert (
        "parked since 08:31: 550 no such user; 3 messages wait since 08:31; next try Mon 08:31;"
        " mend it, then: dotagent deliveries retry --parked"
    ) == line_of(past, "mail")
    assert line_of(past, "desktop").startswith("parked since 08:31: no session bus; ")
    assert "3 lost" in line_of(past, "desktop")
    assert "good" not in status(past)


def test_a_home_that_tells_nobody(past: Past) -> None:
    """Failures that only the inbox has are worth a warning, until somebody is told."""
    past.agent("a", {"daily": daily("08:30")})
    silent = status(past)
    past.global_routes(route("slack"))

    assert "Nobody is told when something fails: no notifier is set up." in silent
    assert "Nobody is told" not in status(past)


def test_files_that_are_not_right(past: Past) -> None:
    """A manifest with its first problem, one in the shadow of another, config, secrets, record."""
    past.agent("a", {"daily": daily("08:30")})
    past.break_manifest("a", [problem("run.command", "is missing"), problem("", "no [agent]")])
    broken = line_of(past, "agents/a/agent.toml")
    shadow = past.file(
        f"{past.root}/z/agent.toml", "a", "z", shadowed_by=f"{past.root}/a/agent.toml"
    )
    past.adopt(shadow)

    def troubles(tx: Tx) -> None:
        remember(
            tx, "config_problem", "config.toml:3: daemon.max_running: 0 is too few\n    1 or more"
        )
        remember(tx, "secrets_problem", "others may read it")
        remember(tx, "audit_broken", "line 7 is not what was written")

    past.write(troubles)

    assert (
        "run.command: is missing, 2 problems in all; its last good copy runs; see: dotagent doctor"
        == broken
    )
    assert (
        "does not run: agents/a/agent.toml already has the name a; rename one of them"
    ) == line_of(past, "agents/z/agent.toml")
    assert line_of(past, "config.toml").startswith("is not right, and changes nothing until")
    assert "are not used: others may read it" == line_of(past, "secrets")
    assert (
        "was changed from outside: line 7 is not what was written; see: dotagent audit verify"
    ) == line_of(past, "audit record")


# --------------------------------------------------------------------------------------- as data


def as_data(glance: Glance, past: Past) -> dict[str, list[dict[str, object]]]:
    """The lists of ``--json``."""
    text = glance.json({"daemon": None}, lambda at: stamp(at, UTC), lambda text: text)
    found: dict[str, list[dict[str, object]]] = json.loads(text)
    return found


def test_the_same_as_data(past: Past) -> None:
    """Every list of the text, with the names that ``cli/status.py`` promises and ISO times."""
    everything(past)
    with record(past.paths.database) as db:
        data = as_data(look(db, past.now), past)
    first = next(row for row in data["schedules"] if row["agent"] == "disk-alert")

    assert [
        "daemon", "counts", "schedules", "other_runs", "channels", "manifests", "plugins",
        "troubles",
    ] == list(data)  # fmt: skip
    assert {
        "agent": "disk-alert",
        "schedule": "daily",
        "health": "failing",
        "reason": "gave up: exit 1",
        "held": None,
        "held_for": None,
        "failing_since": "2026-03-29T08:30:04+0000",
        "failed_attempts": 3,
        "lost_runs": 1,
        "acked": None,
        "acked_why": None,
        "silenced_until": None,
        "silenced_why": None,
        "paused_until": None,
        "paused_how": None,
        "paused_by": None,
        "paused_why": None,
        "last_started": "2026-03-29T08:40:08+0000",
        "last_ended": "2026-03-29T08:41:00+0000",
        "last_result": "exit 1",
        "last_success": None,
        "next_due": "2026-03-30T08:30:00+0000",
        "unplanned": 0,
        "run": None,
        "expected": None,
        "attempts": None,
        "max_attempts": 3,
        "next_try": None,
        "deadline": None,
        "attempt": None,
        "attempt_number": None,
        "attempt_started": None,
        "timeout": None,
        "usual_ms": None,
    } == first
    assert ["phone"] == [row["name"] for row in data["channels"]]
    assert [(True, 1)] == [(row["running"], row["problem_count"]) for row in data["manifests"]]


def test_an_empty_home_has_the_same_shape(past: Past) -> None:
    """All lists are there, and empty."""
    data = as_data(look(None, past.now), past)

    assert [] == data["schedules"] == data["channels"] == data["manifests"] == data["troubles"]
    assert {0} == set(data["counts"].values())  # type: ignore[attr-defined]


def test_the_worst_is_named_first(past: Past) -> None:
    """The next step is about what has cost most, and its name can be pasted into a shell."""
    past.agent("a", {"hourly": HOURLY})
    past.agent("my $HOME", {"hourly": HOURLY})
    past.plan()
    past.fail("2026-03-29 09:00", agent="a")
    past.fail("2026-03-29 09:01", agent="my $HOME")
    past.fail("2026-03-29 09:31", agent="my $HOME")

    assert status(past, 200).endswith("Next: dotagent why 'my $HOME/hourly'\n")


def test_what_was_only_skipped(past: Past) -> None:
    """A schedule whose runs were all skipped has had something due: it is not fine, nor new."""
    past.agent("a", {"hourly": HOURLY})
    past.plan()
    past.finish(past.start("2026-03-29 09:00"), Exited(code=75), codes=Codes(skip=frozenset({75})))

    assert "The only schedule has only been skipped so far" in verdict(past)
    assert "exit 75, which means “not now”" in line_of(past, "a/hourly")
    assert "Only skipped so far" in status(past)


def test_overdue_without_a_failure(past: Past) -> None:
    """Nothing failed, nothing succeeded: it counts as failing, and says since when."""
    past.agent("a", {"hourly": HOURLY})
    past.plan()
    for hour in ("09", "10", "11"):
        codes = Codes(skip=frozenset({75}))
        past.finish(past.start(f"2026-03-29 {hour}:00"), Exited(code=75), codes=codes)
    past.plan("2026-03-29 11:01")

    assert "The only schedule is failing" in verdict(past)
    assert "overdue since 11:0" in line_of(past, "a/hourly")


def test_a_pause_and_a_skip(past: Past) -> None:
    """Until when, who, and why."""
    past.agent("a", {"hourly": HOURLY})
    past.agent("b", {"hourly": HOURLY})
    past.plan()
    by = {"by": "ann", "reason": "holiday"}
    until = past.now + 3 * HOUR_MS
    past.write(lambda tx: pausing.skip(tx, past.actor, past.now, {"agent": "b", **by}))
    args = {"agent": "a", "until_at": until, **by}
    past.write(lambda tx: pausing.pause(tx, past.actor, past.now, args))

    assert "Paused" in status(past)
    assert "paused until 11:00 by ann: holiday" in line_of(past, "a/hourly")
    assert "the 09:00 run is skipped, as asked for by ann: holiday" in line_of(past, "b/hourly")


def test_a_daemon_that_starts_nothing(past: Past) -> None:
    """What fell due and was not begun with is not fine, whatever it was before; cron's next tick
    is waited for without a word."""
    past.agent("a", {"daily": daily("08:30")})
    past.agent("b", {"hourly": HOURLY})
    past.plan()
    past.go("08:32")

    assert (
        "1 of 2 schedules was not started when it fell due; the daemon runs (pid 123), but does not"
        " start what is due." == verdict(past)
    )
    assert status(past).splitlines()[-1] == "Next: dotagent doctor"
    assert "due since 08:30" in line_of(past, "a/daily")
    assert "not started" not in verdict(past, role=None)


@pytest.mark.parametrize("busy", ["runs", "waits", "paused", "held"])
def test_what_has_a_reason_not_to_start(past: Past, busy: str) -> None:
    """Nobody is missing where the run is under way, waits for its turn, or is not wanted."""
    past.agent("a", {"hourly": HOURLY})
    past.plan("2026-03-29 08:59")
    if busy == "paused":
        args = {"agent": "a", "until_at": past.now + 3 * HOUR_MS, "by": "ann", "reason": "holiday"}
        past.write(lambda tx: pausing.pause(tx, past.actor, past.now, args))
    elif busy == "held":
        past.write(lambda tx: tx.run("UPDATE schedules SET held_at = ?", past.now))
    else:
        past.plan("09:00")
        if busy == "runs":
            past.start()
        past.write(lambda tx: tx.run("UPDATE schedules SET next_due_at = ?", past.now))
    past.go("09:10")

    with record(past.paths.database) as db:
        assert 0 == look(db, past.now).counts["unstarted"]


def test_a_stopped_daemon(past: Past) -> None:
    """That stands in the first line, with what waits for it, and in what to do next; so does a
    stopped command for which a daemon waits."""
    past.agent("a", {"daily": daily("08:30")})
    past.go("08:30")
    past.plan()

    assert verdict(past, hindrance=STOPPED).endswith(
        "the daemon runs (pid 123), but is stopped: it starts nothing."
    )
    assert (
        "the 08:30 run waits for the stopped daemon to go on (attempt 1 of 3)"
        == line_of(past, "a/daily", hindrance=STOPPED).partition(";")[0]
    )
    assert "Next: kill -CONT 123" == status(past, hindrance=STOPPED).splitlines()[-1]


def test_a_pause_is_said_once(past: Past) -> None:
    """Also when a run was skipped for it already: who and why stand there with the end."""
    past.agent("a", {"hourly": HOURLY})
    past.plan()
    args = {"agent": "a", "until_at": past.now + 3 * HOUR_MS, "by": "ann", "reason": "holiday"}
    past.write(lambda tx: pausing.pause(tx, past.actor, past.now, args))
    past.plan("2026-03-29 09:01")

    assert PAUSED == Ending.PAUSED
    assert "paused until 11:00 by ann: holiday" == line_of(past, "a/hourly")


def test_a_full_disk(past: Past) -> None:
    """That the daemon starts nothing stands in the first line, and with what waits for it."""
    past.agent("a", {"daily": daily("08:30")})
    past.go("08:30")
    past.plan()

    assert verdict(past, hindrance=FULL).endswith(
        "the daemon runs (pid 123), but starts nothing: its disk is full."
    )
    assert (
        "the 08:30 run waits for room on the disk (attempt 1 of 3)"
        == line_of(past, "a/daily", hindrance=FULL).partition(";")[0]
    )
