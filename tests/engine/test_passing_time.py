"""Time passes in odd ways while the engine runs: a night asleep, a clock that is set, DST."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from dotagent.core.moment import local
from dotagent.core.why import sentence
from dotagent.engine.embedded import Engine
from dotagent.engine.journal import Journal
from dotagent.store import history
from dotagent.store.runs import Wanted
from dotagent.store.runs import runs as all_runs
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS, at
from tests.engine.line import ONCE, Line, line, running, write_agent
from tests.engine.shifted import ShiftedClock
from tests.support.wheel import Wheel, breath

BERLIN = ZoneInfo("Europe/Berlin")
BACKUP = '[[schedules]]\nid = "s"\ndaily = "03:00"\n'
OFTEN = '[[schedules]]\nid = "s"\nevery = "15m"\n'
HOURLY = '[[schedules]]\nid = "s"\ncron = "0 * * * *"\n'
NIGHTLY = '[[schedules]]\nid = "s"\ndaily = "02:30"\n'
TEN = at("2026-06-03T10:00:00Z")


async def planned(made: Line, count: int = 1) -> None:
    """Wait until so many schedules have been looked at."""
    see = "SELECT 1 FROM schedules WHERE planned_through IS NOT NULL AND next_due_at > ?"
    await made.until(lambda: len(made.values(see, made.parts.clock.now() - HOUR_MS)) == count)


async def succeeded(made: Line, count: int) -> None:
    """Wait until so many windows have succeeded."""
    see = "SELECT count(*) FROM windows WHERE state = 'succeeded'"
    await made.until(lambda: made.values(see) == [count])


async def begun(made: Line, attempt: int) -> None:
    """Wait until this attempt has its process."""
    see = f"SELECT 1 FROM attempts WHERE id = {attempt} AND pid IS NOT NULL"
    await made.until(lambda: made.values(see))


def steps(made: Line) -> list[int]:
    """The steps of the clock that are attested, in minutes."""
    lines = made.values("SELECT CAST(line AS TEXT) FROM audit ORDER BY seq")
    events = [json.loads(line)["event"] for line in lines]
    return [
        round(event["milliseconds"] / MINUTE_MS)
        for event in events
        if event["event_type"] == "clock_stepped"
    ]


async def stepped(made: Line, *minutes: int) -> None:
    """Wait until these steps have been noticed, each once."""
    await made.until(lambda: len(steps(made)) >= len(minutes))
    assert [*minutes] == steps(made)


def windows(made: Line, agent: str) -> list[tuple[str, str, int]]:
    """Each window's time in Berlin, its state, and for how many instants it stands."""
    rows = made.rows("SELECT * FROM windows WHERE agent = ? ORDER BY expected_at", agent)
    return [
        (f"{local(row['expected_at'], BERLIN):%a %H:%M}", row["state"], row["count"])
        for row in rows
    ]


def why(made: Line, agent: str) -> str:
    """What ``why`` says of its latest run."""
    reader = made.parts.reader
    (standing,) = history.standings(reader, agent)
    window = history.latest_window(reader, standing)
    assert window is not None
    now = made.parts.clock.now()
    return sentence(history.case_of_window(reader, standing, window, now, "daemon"), now, BERLIN)


async def test_a_night_asleep(tmp_path: Path) -> None:
    """The 03:00 backup of a laptop that slept from 22:00 to 08:00 runs at wake, once, and is told
    as late; a 15-minute schedule runs once, its other windows are one row, nothing is missed."""
    clock = ShiftedClock(at("2026-06-02T22:00:00+02:00"))
    write_agent(tmp_path, "backup", BACKUP)
    write_agent(tmp_path, "often", OFTEN)
    async with line(tmp_path, clock=clock, asleep=clock.asleep) as made:
        made.zone.now = BERLIN
        async with running(made):
            await planned(made, 2)
            clock.sleep(10 * HOUR_MS)
            await succeeded(made, 2)
        said = why(made, "backup")
        facts = json.loads(made.values("SELECT facts FROM events WHERE agent = 'backup'")[0])
        (span,) = made.rows("SELECT * FROM spans")
        often = windows(made, "often")
        told = made.values("SELECT kind FROM events WHERE agent != '' ORDER BY kind")
        backup = windows(made, "backup")

    assert [("Wed 03:00", "succeeded", 1)] == backup
    assert "completed the 03:00 run late, at 08:00" in said
    assert "because the machine slept from Tue 22:00 to 08:00" in said
    assert facts["late_ms"] >= 5 * HOUR_MS
    assert ["skipped", "succeeded"] == [state for _, state, _ in often]
    assert 39 <= often[0][2] <= 40
    assert ["success", "success"] == told
    assert "the machine slept" == span["why"]
    assert 10 * HOUR_MS <= span["to_at"] - span["from_at"] <= 10 * HOUR_MS + MINUTE_MS


async def test_held_up(tmp_path: Path) -> None:
    """A daemon that was stopped for an hour, by a debugger or a frozen container, knows that it
    could not act: what it makes late, it makes late for that."""
    clock = ShiftedClock(at("2026-06-03T02:59:00+02:00"))
    write_agent(tmp_path, "backup", BACKUP)
    async with line(tmp_path, clock=clock, asleep=clock.asleep) as made:
        made.zone.now = BERLIN
        async with running(made):
            await planned(made)
            await made.until(lambda: made.surroundings.due_at)
            clock.hang(HOUR_MS)
            made.engine.poke()
            await succeeded(made, 1)
        said = why(made, "backup")

    assert "completed the 03:00 run late, at 03:59" in said
    assert "because dotagent was held up from 03:00 to 03:59" in said


async def test_set_back_two_hours(tmp_path: Path) -> None:
    """The clock goes back from 12:00 to 10:00: the 11:00 and 12:00 runs are not made again, and the
    13:00 run is made at 13:00. Each step is noticed at once, and once."""
    clock = ShiftedClock(TEN + HOUR_MS + 30 * MINUTE_MS)
    write_agent(tmp_path, "a", HOURLY)
    async with line(tmp_path, clock=clock, asleep=clock.asleep) as made, running(made):
        await planned(made)
        clock.set(TEN + 2 * HOUR_MS - 1_000)
        await stepped(made, 30)
        await succeeded(made, 1)
        clock.step(-2 * HOUR_MS)
        await stepped(made, 30, -120)
        clock.set(TEN + HOUR_MS - 1_000)
        await made.until(lambda: clock.now() > TEN + HOUR_MS + 500)
        again = made.values("SELECT count(*) FROM windows")
        clock.set(TEN + 3 * HOUR_MS - 1_000)
        await succeeded(made, 2)
        await stepped(made, 30, -120, 60, 120)
        found = made.rows("SELECT expected_at - ? AS at, plan_epoch, late FROM windows", TEN)

    assert [1] == again
    assert [
        {"at": 2 * HOUR_MS, "plan_epoch": 0, "late": 0},
        {"at": 3 * HOUR_MS, "plan_epoch": 0, "late": 0},
    ] == found


async def test_set_while_it_runs(tmp_path: Path) -> None:
    """The clock goes on by 89 minutes, then back by two hours, under a run: wherever it is said how
    long that took, it is how long it took."""
    clock = ShiftedClock(TEN - 1_000)
    wait = "while [ ! -e go ]; do sleep 0.02; done; rm go"
    folder = write_agent(tmp_path, "a", HOURLY, script=wait)
    async with line(tmp_path, clock=clock, asleep=clock.asleep) as made:
        async with running(made):
            for count, minutes in enumerate((89, -120), start=1):
                await begun(made, count)
                clock.step(minutes * MINUTE_MS)
                (folder / "go").touch()
                await succeeded(made, count)
                if count == 1:
                    clock.set(TEN + 2 * HOUR_MS - 1_000)
        facts = [json.loads(each) for each in made.values("SELECT facts FROM events")]
        lines = made.values("SELECT CAST(line AS TEXT) FROM audit")
        (tally,) = made.values("SELECT span_ms FROM tallies WHERE what = 'attempt'")
        cases = all_runs(made.parts.reader, Wanted(), made.parts.clock.now(), None)
        ended = [attempt.lasted_ms for case in cases for attempt in case.attempts]
    runs = [ms for ms in ended if ms is not None]
    told = [each["duration_ms"] for each in facts if "duration_ms" in each]
    attested = [
        event["duration_seconds"] * 1_000
        for event in (json.loads(each)["event"] for each in lines)
        if event["event_type"] == "agent_run"
    ]

    assert [2, 2, 2] == [len(told), len(attested), len(runs)]
    assert all(0 <= ms < MINUTE_MS for ms in (*told, *attested, *runs))
    assert 0 < tally < MINUTE_MS


async def test_set_while_the_engine_is_busy(tmp_path: Path) -> None:
    """The clock is set at the end of a turn that has looked at it already, when the engine does not
    wait for anything yet, nine times over: it never sleeps past a time that has come by then."""
    clock = ShiftedClock(TEN + 30 * MINUTE_MS)
    write_agent(tmp_path, "a", HOURLY)
    async with line(tmp_path, clock=clock, asleep=clock.asleep) as made:
        made.engine.journal = AtTheEnd(made.engine, 9, lambda: clock.step(3 * MINUTE_MS))
        async with running(made):
            await stepped(made, *[3] * 9)
        made.engine.close_log()


class AtTheEnd(Journal):
    """Does something at the end of each of the first turns."""

    def __init__(self, engine: Engine, turns: int, act: Callable[[], None]) -> None:
        super().__init__(engine)
        self._turns = iter([act] * turns)

    def look(self) -> None:
        super().look()
        for act in islice(self._turns, 1):
            act()


async def test_stopped_while_it_reads_the_clock(tmp_path: Path) -> None:
    """A process that stands still between its looks at two clocks takes that for no step."""
    clock = ShiftedClock(TEN + 30 * MINUTE_MS)
    write_agent(tmp_path, "a", HOURLY)
    async with line(tmp_path, clock=clock, asleep=clock.asleep) as made, running(made):
        await planned(made)
        clock.stall(10_000)
        await made.surroundings.renew(made.engine)
        await made.surroundings.renew(made.engine)

        assert [] == steps(made)


async def test_two_years_ahead_and_back(tmp_path: Path) -> None:
    """The clock runs two years ahead for a while: one run stands in for all that it jumped over;
    back again, planning goes on from there in a new epoch, and says so, once."""
    clock = ShiftedClock(TEN + 30 * MINUTE_MS)
    write_agent(tmp_path, "a", HOURLY)
    async with line(tmp_path, clock=clock, asleep=clock.asleep) as made, running(made):
        await planned(made)
        clock.step(730 * DAY_MS)
        await succeeded(made, 1)
        clock.step(-730 * DAY_MS)
        await made.until(lambda: made.values("SELECT 1 FROM events WHERE kind = 'clock_changed'"))
        clock.set(TEN + HOUR_MS - 1_000)
        await succeeded(made, 2)
        last = made.rows("SELECT * FROM windows ORDER BY id DESC LIMIT 1")[0]
        stale_at = made.values("SELECT stale_at FROM schedules")
        told = made.values(
            "SELECT kind FROM events WHERE kind NOT IN ('success', 'daily_summary', 'away_summary')"
        )

    assert (TEN + HOUR_MS, 1, 0) == (last["expected_at"], last["plan_epoch"], last["late"])
    assert ["clock_changed"] == told
    assert stale_at[0] is None or stale_at[0] < TEN + DAY_MS


async def test_a_retry_wakes_the_daemon_when_it_is_due(tmp_path: Path) -> None:
    """A second try seven minutes after the first: the daemon sleeps until that very moment, however
    far away its next window is, and no moment longer."""
    wheel = Wheel(TEN)
    tries = 'max_attempts = 2\nretry_backoff = ["7m"]\n'
    write_agent(tmp_path, "a", ONCE + tries, script="exit 1")
    async with line(tmp_path, clock=wheel) as made, running(made):
        await ended(made, 1)
        await settled(made)
        sleeps_until = made.surroundings.due_at
        wheel.go(TEN + 7 * MINUTE_MS - 1)
        await settled(made)
        early = made.values("SELECT count(*) FROM attempts")
        wheel.go(TEN + 7 * MINUTE_MS)
        await ended(made, 2)
        tried = made.values("SELECT claimed_at FROM attempts ORDER BY id")

    assert TEN + 7 * MINUTE_MS == sleeps_until
    assert [1] == early
    assert [TEN, TEN + 7 * MINUTE_MS] == tried


async def ended(made: Line, count: int) -> None:
    """Wait, without time passing, until so many attempts have ended."""
    see = "SELECT count(*) FROM attempts WHERE ended_at IS NOT NULL"
    async with asyncio.timeout(40):
        while made.values(see) != [count]:
            await breath()


async def settled(made: Line) -> None:
    """Wait, without time passing, until the engine sleeps and nothing goes on beside it."""
    async with asyncio.timeout(40):
        quiet = 0
        while quiet < 20:
            await breath()
            busy = made.engine.unfinished()
            asleep = made.surroundings.due_at is not None and not busy.runs and not busy.sends
            quiet = quiet + 1 if asleep else 0


async def test_the_clocks_go_forward(tmp_path: Path) -> None:
    """02:30 does not come in the night of 29 March 2026: the run is made as the gap ends, once."""
    clock = ShiftedClock(at("2026-03-29T01:30:00+01:00"))
    write_agent(tmp_path, "a", NIGHTLY)
    async with line(tmp_path, clock=clock, asleep=clock.asleep) as made:
        made.zone.now = BERLIN
        async with running(made):
            await planned(made)
            clock.set(at("2026-03-29T01:59:58+01:00"))
            await succeeded(made, 1)
            await made.until(lambda: made.values("SELECT 1 FROM schedules WHERE last_success_at"))
        rows = made.rows("SELECT expected_at, late FROM windows")
        following = made.values("SELECT next_due_at FROM schedules")

    assert [{"expected_at": at("2026-03-29T03:00:00+02:00"), "late": 0}] == rows
    assert [at("2026-03-30T02:30:00+02:00")] == following


async def test_the_clocks_go_back(tmp_path: Path) -> None:
    """02:30 comes twice in the night of 25 October 2026: the run is made the first time only."""
    clock = ShiftedClock(at("2026-10-25T02:00:00+02:00"))
    write_agent(tmp_path, "a", NIGHTLY)
    async with line(tmp_path, clock=clock, asleep=clock.asleep) as made:
        made.zone.now = BERLIN
        async with running(made):
            await planned(made)
            clock.set(at("2026-10-25T02:29:58+02:00"))
            await succeeded(made, 1)
            clock.set(at("2026-10-25T02:29:59+01:00"))
            await made.until(lambda: clock.now() > at("2026-10-25T02:30:00.500+01:00"))
            following = made.values("SELECT next_due_at FROM schedules")
        rows = made.rows("SELECT expected_at FROM windows")

    assert [{"expected_at": at("2026-10-25T02:30:00+02:00")}] == rows
    assert [at("2026-10-26T02:30:00+01:00")] == following
