"""Every event as a person reads it, and as dotagent 0.1.x said it."""

from __future__ import annotations

from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core import events
from dotagent.core.decide import Close, Codes, Wait, judge
from dotagent.core.events import CaughtUp, OutageSoFar, Source, Told, of_attempt
from dotagent.core.model import (
    SEVERITY,
    Blocked,
    Event,
    Exit,
    Exited,
    Kind,
    Lost,
    Message,
    NotStarted,
    Signaled,
    Tail,
    TimedOut,
    Unproved,
    WindowState,
)
from dotagent.core.render import line_of, render
from tests.core.walls import HOUR_MS, MINUTE_MS, at

NOW = at("2026-06-03T14:30:00Z")
SOURCE = Source(agent="disk-alert", schedule_id="daily", host="web-1", outage_id=1)
OUTAGE = OutageSoFar(opened_at=NOW - 150 * MINUTE_MS, failures=2, windows=1)
CODES = Codes(warn=frozenset({3}))
AGAIN = Wait(at=NOW + 5 * MINUTE_MS, why="exit 1")
ENDED = Close(state=WindowState.GIVEN_UP, why="attempts used up (3 of 3)")
DONE = Close(state=WindowState.SUCCEEDED, why="")


def story(
    exit: Exit, decision: Wait | Close = AGAIN, outage: OutageSoFar | None = None, **more: Any
) -> list[Event]:
    """The events of attempt 2 of 3, which took 4.2 s."""
    numbers = {
        "number": 2,
        "max_attempts": 3,
        "ended_at": NOW,
        "lasted_ms": 4_200,
        "expected_at": at("2026-06-03T12:00:00Z"),
    }
    judged = judge(exit, CODES)
    return of_attempt(SOURCE, judged, decision, Told(**{**numbers, **more}), outage)


def said(event: Event, **more: Any) -> Message:
    return render(event, key="home-1", zone=UTC, **more)


def line(*args: Any, **more: Any) -> str:
    return said(story(*args, **more)[0]).line


# ------------------------------------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("exit", "expected"),
    [
        (Exited(code=1), "attempt 2 of 3 failed, exit 1 after 4.2 s on host web-1"),
        (
            Signaled(number=11),
            "attempt 2 of 3 failed, killed by SIGSEGV after 4.2 s on host web-1",
        ),
        (
            Lost(why="dotagent died while it ran"),
            "attempt 2 of 3 failed, lost: dotagent died while it ran, on host web-1",
        ),
        (Exited(code=127), "attempt 2 of 3 failed, exit 127 after 4.2 s on host web-1"),
        (
            NotStarted(code=127, why="no command “chck”"),
            "attempt 2 of 3 failed, could not start: no command “chck”, on host web-1",
        ),
        (
            Unproved(why="report.md is unchanged since Monday"),
            "attempt 2 of 3 failed, exit 0, but report.md is unchanged since Monday,"
            " after 4.2 s on host web-1",
        ),
        (TimedOut(after_ms=30 * MINUTE_MS), "attempt 2 of 3 timed out after 30 min on host web-1"),
        (
            Blocked(by="warp", why="VPN is off", suggest="warp connect"),
            "attempt 2 of 3 blocked by preflight warp: VPN is off (warp connect), on host web-1",
        ),
        (Blocked(by="warp", why=""), "attempt 2 of 3 blocked by preflight warp on host web-1"),
    ],
)
def test_failures(exit: Exit, expected: str) -> None:
    """Whose run, which try, what happened, where, and what comes next."""
    assert f"disk-alert/daily: {expected}; next try 14:35" == line(exit)


def test_next_try_soon() -> None:
    """A try within a minute is named by its wait."""
    assert line(Exited(code=1), Wait(at=NOW + 2_000, why="")).endswith("; next try in 2 s")


def test_next_try_tomorrow() -> None:
    """One on another day by its day."""
    tomorrow = Wait(at=at("2026-06-04T00:10:00Z"), why="")

    assert line(Exited(code=1), tomorrow).endswith("; next try Thu 00:10")


def test_last_try() -> None:
    """The last failed attempt says that there is no other."""
    assert line(Exited(code=1), ENDED).endswith(" on host web-1; no more tries")


def test_blocked_and_skipped() -> None:
    """A block that skips says what becomes of the run."""
    skipped = Close(state=WindowState.SKIPPED, why="x", counted=False)
    found = line(Blocked(by="warp", why="VPN is off", skip=True), skipped)

    assert (
        "disk-alert/daily: attempt 2 of 3 blocked by preflight warp: VPN is off, on host web-1"
        "; this run is skipped"
    ) == found


@pytest.mark.parametrize(
    ("exit", "expected"),
    [
        (Exited(code=1), "manual run failed, exit 1 after 4.2 s on host web-1"),
        (TimedOut(after_ms=5_000), "manual run timed out after 5 s on host web-1"),
        (Blocked(by="warp", why="off"), "manual run blocked by preflight warp: off, on host web-1"),
    ],
)
def test_manual(exit: Exit, expected: str) -> None:
    """A run by hand is no try of a schedule, and promises none."""
    assert f"disk-alert/daily: {expected}" == line(exit, manual=True)


def test_given_up() -> None:
    """The end of a run names which one, how often it was tried, how it ended and why."""
    found = said(story(Exited(code=1), ENDED, OUTAGE)[1]).line

    assert (
        "disk-alert/daily: gave up the 12:00 run after 2 attempts, last exit 1, on host web-1"
        " (attempts used up (3 of 3)); failing since 12:00"
    ) == found


def test_given_up_at_once() -> None:
    """One attempt is one attempt, and an outage that has just begun is not mentioned."""
    outage = OutageSoFar(opened_at=NOW, failures=1, windows=1)
    found = said(story(Exited(code=1), ENDED, outage, number=1)[1]).line

    assert (
        "disk-alert/daily: gave up the 12:00 run after 1 attempt, last exit 1, on host web-1"
        " (attempts used up (3 of 3))"
    ) == found


@pytest.mark.parametrize(
    ("outage", "expected"),
    [
        (OUTAGE, "after 2 h 30 min (2 failed attempts, 1 lost run since 12:00)"),
        (
            OutageSoFar(opened_at=NOW - 72 * HOUR_MS, failures=1, windows=0),
            "after 3 days (1 failed attempt since Sun 14:30)",
        ),
        (
            OutageSoFar(opened_at=NOW - MINUTE_MS, failures=0, windows=7),
            "after 1 min (0 failed attempts, 7 lost runs since 14:29)",
        ),
    ],
)
def test_recovered(outage: OutageSoFar, expected: str) -> None:
    """Good news says how long it was bad, and what it cost."""
    found = said(story(Exited(code=0), DONE, outage)[1]).line

    assert f"disk-alert/daily: recovered on host web-1 {expected}" == found


def test_success() -> None:
    """A success is short."""
    assert "disk-alert/daily: ok, took 4.2 s on host web-1" == line(Exited(code=0), DONE)


def test_warning() -> None:
    """One with a warning says which."""
    assert (
        "disk-alert/daily: finished with a warning: exit 3, with a warning, took 4.2 s"
        " on host web-1"
    ) == line(Exited(code=3), DONE)


def test_summary() -> None:
    """What the script says of itself stands at the end."""
    found = line(Exited(code=0), DONE, result={"summary": "42 rows"})

    assert "disk-alert/daily: ok, took 4.2 s on host web-1 — 42 rows" == found


def test_the_numbers_that_a_script_reports() -> None:
    """They stand beside its summary, or alone; its wish for the next try does not."""
    numbers = {"rows": 42, "cost_usd": 0.25, "retry_at": 9, "mood": "fine"}
    with_words = line(Exited(code=0), DONE, result={"summary": "all sent", **numbers})

    assert with_words.endswith(" — all sent (rows 42, cost_usd 0.25)")
    assert line(Exited(code=0), DONE, result=numbers).endswith(" — rows 42, cost_usd 0.25")


@pytest.mark.parametrize(
    ("older", "expected"),
    [
        (CaughtUp(first_at=NOW - HOUR_MS, count=1), "1 earlier run since 13:30"),
        (CaughtUp(first_at=NOW - 48 * HOUR_MS, count=9), "9 earlier runs since Mon 14:30"),
        (
            CaughtUp(first_at=NOW - HOUR_MS, count=1_000, exact=False),
            "more than 1000 earlier runs since 13:30",
        ),
    ],
)
def test_caught_up(older: CaughtUp, expected: str) -> None:
    """A run that stands in for older ones names them (rules R8), good news only once."""
    success, recovered = story(Exited(code=0), DONE, OUTAGE, caught_up=older)

    assert said(success).line.endswith(f" on host web-1; in place of {expected}")
    assert "in place of" not in said(recovered).line


@pytest.mark.parametrize(
    ("count", "exact", "expected"),
    [
        (1, True, "the 12:00 run was missed on host web-1: off"),
        (5, True, "5 runs missed (12:00 to 14:00) on host web-1: off"),
        (1_000, False, "more than 1000 runs missed (12:00 to 14:00) on host web-1: off"),
    ],
)
def test_missed(count: int, exact: bool, expected: str) -> None:
    """One line for a whole gap."""
    event = events.missed(
        SOURCE,
        NOW,
        why="off",
        first_at=at("2026-06-03T12:00:00Z"),
        last_at=at("2026-06-03T14:00:00Z"),
        count=count,
        exact=exact,
        outage=None,
    )

    assert f"disk-alert/daily: {expected}" == said(event).line


def test_overdue() -> None:
    """An overdue schedule says for how long nothing has succeeded, and since when."""
    quiet = OutageSoFar(opened_at=NOW, failures=0, windows=0)
    last = events.Without(since_at=NOW - 26 * HOUR_MS, ever=True)
    first = events.Without(since_at=NOW - 3 * HOUR_MS, ever=False)
    lines = [
        said(events.still_failing(SOURCE, NOW, quiet, words=words, without=without)).line
        for words, without in (("exit 75", last), ("", first))
    ]

    assert [
        "disk-alert/daily: overdue on host web-1: no run has succeeded for 1 day 2 h"
        " (since Tue 12:30); last exit 75",
        "disk-alert/daily: overdue on host web-1: no run has succeeded for 3 h"
        " (since it was first seen 11:30)",
    ] == lines


@pytest.mark.parametrize(("words", "last"), [("exit 1", "; last exit 1"), ("", "")])
def test_still_failing(words: str, last: str) -> None:
    """A reminder says for how long, since when, and how it last ended."""
    event = events.still_failing(SOURCE, NOW, OUTAGE, words=words)

    assert (
        f"disk-alert/daily: still failing on host web-1, for 2 h 30 min (since 12:00){last}"
    ) == said(event).line


def test_still_failing_after_messages_were_held_back() -> None:
    """It says what else was never told, and has the last words of the agent."""
    held = events.HeldBack(outages=2, since_at=NOW - 5 * HOUR_MS)
    event = events.still_failing(
        SOURCE, NOW, OUTAGE, words="exit 1", output="no disk", held_back=held
    )
    message = said(event)

    assert message.line.endswith("; last exit 1; 2 earlier outages since 09:30 not told")
    assert "no disk" == message.tail


@pytest.mark.parametrize("kind", [Kind.STORE_ERROR, Kind.MANIFEST_INVALID, Kind.CLOCK_CHANGED])
def test_system(kind: Kind) -> None:
    """An event about dotagent itself reads as it was written, with what it found as its tail."""
    message = said(events.of_system(kind, NOW, "the disk is full", "free some space"))

    assert ("dotagent", "the disk is full", "free some space") == (
        message.title,
        message.line,
        message.tail,
    )


def test_on_the_readers_wall() -> None:
    """Times are the reader's."""
    message = render(story(Exited(code=1))[0], key="k", zone=ZoneInfo("Europe/Berlin"))

    assert message.line.endswith("; next try 16:35")


def test_line_of() -> None:
    """A list of events shows the same lines as the messages."""
    event = story(Exited(code=1))[0]

    assert said(event).line == line_of(event, UTC)


def test_one_line() -> None:
    """Whatever a plugin or a script put into it, a line is one line, and clean."""
    blocked = Blocked(by="warp", why="first\nsecond\x1b[31m red", suggest="a\r\nb")
    found = line(blocked, result={"summary": "x\u2028y"})

    assert (
        "disk-alert/daily: attempt 2 of 3 blocked by preflight warp: first second red (a b),"
        " on host web-1; next try 14:35 — x y"
    ) == found


# ------------------------------------------------------------------------ the rest of a message


def test_message() -> None:
    """A message carries its key, its gravity, and what drivers and templates may need."""
    event = story(Exited(code=1), result={"link": "https://example.org/run/1", "rows": 3})[0]
    message = said(event)

    assert (
        "home-1",
        Kind.ATTEMPT_FAILED,
        SEVERITY[Kind.ATTEMPT_FAILED],
        NOW,
        "disk-alert",
        "disk-alert",
        "daily",
        "https://example.org/run/1",
    ) == (
        message.key,
        message.kind,
        message.severity,
        message.at,
        message.title,
        message.agent,
        message.schedule_id,
        message.link,
    )
    assert event.facts == message.facts


OUT, ERR = Tail(text="out"), Tail(text="err")


def test_tail_of_a_failure() -> None:
    """A failure shows what it said on stderr, else what it said at all."""
    event = story(Exited(code=1))[0]

    assert ["err", "out", ""] == [
        said(event, stdout=OUT, stderr=ERR).tail,
        said(event, stdout=OUT).tail,
        said(event).tail,
    ]


def test_tail_of_good_news() -> None:
    """A success shows its output; the good news after it shows nothing twice."""
    success, recovered = story(Exited(code=0), DONE, OUTAGE)

    assert ("out", "") == (
        said(success, stdout=OUT, stderr=ERR).tail,
        said(recovered, stdout=OUT, stderr=ERR).tail,
    )


def test_doubtful() -> None:
    """A message that may have arrived already says so, to people; the old text stays as it was."""
    event = story(Exited(code=1))[0]
    once, again = said(event, stderr=ERR), said(event, stderr=ERR, doubtful=True)

    assert f"{once.line} (may be a repeat)" == again.line
    assert once.legacy == again.legacy


# ----------------------------------------------------------------------------- contract §6.2


@pytest.mark.parametrize(
    ("exit", "code"),
    [
        (Exited(code=1), 1),
        (Signaled(number=9), -1),
        (TimedOut(after_ms=1), 124),
        (NotStarted(code=127, why="x"), 127),
        (Unproved(why="x"), 0),
        (Lost(why="x"), -1),
    ],
)
def test_legacy_failure(exit: Exit, code: int) -> None:
    """``<agent> exited <code>`` and the tail of stderr, or that there is none."""
    event = story(exit)[0]

    assert f"disk-alert exited {code}\none\ntwo" == said(event, stderr=Tail(text="one\ntwo")).legacy
    assert f"disk-alert exited {code} (tail empty)" == said(event, stdout=OUT).legacy


def test_legacy_success() -> None:
    """The tail of stdout, verbatim, also if there is none."""
    success = story(Exited(code=0), DONE)[0]

    assert ["  out \n", ""] == [
        said(success, stdout=Tail(text="  out \n"), stderr=ERR).legacy,
        said(success, stderr=ERR).legacy,
    ]


def test_legacy_given_up() -> None:
    """The siren, the count, the last code; the line break stays without a tail."""
    event = story(Exited(code=7), ENDED)[1]

    assert [
        "🚨 disk-alert/daily gave up after 2 attempts (exit 7)\nerr",
        "🚨 disk-alert/daily gave up after 2 attempts (exit 7)\n",
    ] == [said(event, stdout=OUT, stderr=ERR).legacy, said(event, stdout=OUT).legacy]


def test_legacy_given_up_after_one() -> None:
    """0.1.x knew no singular."""
    event = story(Signaled(number=9), ENDED, number=1)[1]

    assert "🚨 disk-alert/daily gave up after 1 attempts (exit -1)\n" == said(event).legacy


def test_legacy_recovered() -> None:
    """The attempt that did it."""
    event = story(Exited(code=0), DONE, OUTAGE)[1]

    assert "agent disk-alert recovered on attempt 2" == said(event, stdout=OUT).legacy


@pytest.mark.parametrize(
    ("suggest", "expected"),
    [
        (None, "preflight aborted by plugin warp"),
        ("warp connect", "preflight aborted by plugin warp: warp connect"),
    ],
)
def test_legacy_preflight(suggest: str | None, expected: str) -> None:
    """The plugin, and its suggestion where it has one."""
    event = story(Blocked(by="warp", why="VPN is off", suggest=suggest))[0]

    assert expected == said(event).legacy


def test_legacy_of_what_is_new() -> None:
    """An event that 0.1.x does not have gets the body: the line, and the tail if there is one."""
    event = events.still_failing(SOURCE, NOW, OUTAGE, words="")
    system = events.of_system(Kind.STORE_ERROR, NOW, "the disk is full", "free some space")

    assert said(event).line == said(event).legacy
    assert "the disk is full\nfree some space" == said(system).legacy


# ------------------------------------------------------------------------------------ never empty

EXITS: st.SearchStrategy[Exit] = st.one_of(
    st.builds(Exited, code=st.integers(1, 255)),
    st.builds(Signaled, number=st.integers(1, 64)),
    st.builds(TimedOut, after_ms=st.integers(0, 10**10)),
    st.builds(Blocked, by=st.text(), why=st.text(), suggest=st.none() | st.text()),
    st.builds(NotStarted, code=st.sampled_from([126, 127]), why=st.text()),
    st.builds(Lost, why=st.text()),
)


@given(EXITS, st.text(), st.text(), st.integers(-(10**12), 10**12))
def test_never_empty(exit: Exit, out: str, err: str, started: int) -> None:
    """Whatever went wrong, and whatever the clock did: one visible line, title and all."""
    message = said(
        story(exit, ENDED, OUTAGE, lasted_ms=started)[0],
        stdout=Tail(text=out),
        stderr=Tail(text=err),
    )

    assert message.line.startswith("disk-alert/daily: ")
    assert "\n" not in message.line
    assert message.title
    assert message.legacy
