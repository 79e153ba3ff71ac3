"""What lasts: a network that is away for hours, a clock that is set, a database that is locked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path

import pytest

from dotagent.core.decide import BACKOFF_MOST_MS
from dotagent.core.events import of_system
from dotagent.core.fold import FOLDED_MOST, PROBE_MOST
from dotagent.core.model import Event, Kind
from dotagent.store.tell import tell
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS
from tests.engine.line import Row
from tests.faults.lab import PUSH, START, WEBHOOK, Scene, running, scene
from tests.faults.proxy import Net
from tests.support.http_server import Answer

FLAKY = 'echo >> "$AGENT_HOME/runs"; test "$(wc -l < "$AGENT_HOME/runs")" -gt 4'
"""Fails four times, then never again."""


async def _offline_until(made: Scene, back_at: int) -> None:
    """Live through it, and half an hour more."""
    await made.proxy.stop()

    async def network() -> None:
        if made.clock.now() >= back_at and not made.proxy.is_up:
            await made.proxy.start()

    made.on_jump.append(network)
    async with running(made.line):
        await made.until(lambda: made.clock.now() > back_at + HOUR_MS // 2 and at_rest(made))


async def test_a_network_that_returns_after_three_hours(tmp_path: Path) -> None:
    """Whatever is still wanted by then arrives, in order, with the first try that gets through;
    what was only worth an hour or less ended with the first try that failed when it was overdue,
    not before and not later (rules R19). Of the first of them the other channel hears, which
    missed nothing itself."""
    back_at = START + 3 * HOUR_MS
    async with scene(tmp_path / "home", every="30m", scripts={"flaky": FLAKY}) as made:
        await _offline_until(made, back_at)

        sick = [row for row in made.rows("WHERE e.agent != ''") if row["notifier"] == "sick"]
        failed_at = made.line.values(FAILED)
        through_at = min(row["ended_at"] for row in sick if row["state"] == "sent")
        assert back_at <= through_at <= back_at + BACKOFF_MOST_MS
        fates = [(row["kind"], row["state"], row["ended_at"]) for row in sick]
        assert fates == [(row["kind"], *fate(row, failed_at, through_at)) for row in sick]
        lost = [
            (row["kind"], (row["at"] - START) // MINUTE_MS)
            for row in sick
            if row["state"] == "expired"
        ]
        assert lost == [
            ("attempt_failed", 0),
            ("attempt_failed", 30),
            ("attempt_failed", 60),
            ("attempt_failed", 90),
            ("success", 120),
            ("success", 150),
        ]
        arrived = [row["ended_at"] for row in sick if row["state"] == "sent"]
        assert arrived == sorted(arrived)
        assert ["delivery_expired"] == made.announced()
        assert {0} == made.delays_ms("well")


async def test_a_network_that_returns_speaks_in_few_words(tmp_path: Path) -> None:
    """The same hours, for a channel that a person reads: what is still wanted when the network is
    back is one message, which says how it ended (product §6); the next run is one of its own."""
    back_at = START + 3 * HOUR_MS
    async with scene(tmp_path / "home", every="30m", scripts={"f": FLAKY}, channel=PUSH) as made:
        await _offline_until(made, back_at)

        texts = [request.body.decode().split("\n")[0] for request in made.sick.accepted]
        together = [row["kind"] for row in made.rows("WHERE d.state = 'sent' AND d.led_by > 0")]
        assert texts == [
            "f/s: failed 4 times since 08:00, recovered 10:00 (4 runs lost) on host web-1",
            "f/s: ok, took 0 ms on host web-1",
        ]
        assert together == [*["given_up"] * 4, "success"]
        assert {0} == made.delays_ms("well")


FAILED = """
SELECT DISTINCT started_at FROM sends JOIN deliveries ON id = delivery_id
WHERE notifier = 'sick' AND outcome = 'retry' ORDER BY started_at
"""


def fate(row: Row, failed_at: Sequence[int], through_at: int) -> tuple[str, int]:
    """How a message has to end, and when: by the tries of its channel alone."""
    overdue = [at for at in failed_at if at >= row["expires_at"]]
    return ("expired", overdue[0]) if overdue else ("sent", max(row["at"], through_at))


def at_rest(made: Scene) -> bool:
    return not made.rows("WHERE d.state IN ('pending', 'sending')")


@pytest.mark.parametrize("by", [-30 * DAY_MS, 2 * 365 * DAY_MS], ids=["back", "ahead"])
async def test_a_clock_that_is_set_while_a_channel_rests(tmp_path: Path, by: int) -> None:
    """A rest of an hour that was measured by another clock is over: nothing waits for a month, and
    nothing is lost (rules R3)."""
    async with scene(tmp_path / "home") as made:
        made.sick.script(*[Answer(status=429, headers=(("Retry-After", "3600"),))] * 2)
        async with running(made.line):
            await made.until(lambda: len(made.sick.requests) >= 2)
            made.clock.step(by)
            await made.rest(hours=2)

        assert {"sent"} == set(made.ends("sick").values())
        assert {"sent"} == set(made.ends("well").values())
        assert by > 0 or [2] == made.line.values("SELECT count(*) FROM attempts")


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process writes to the database and does not come to an end."""
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('BEGIN IMMEDIATE'); print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert "locked\n" == other.stdout.readline()
        yield
        other.stdin.close()


async def test_a_database_that_another_process_locks(tmp_path: Path) -> None:
    """A run that ends meanwhile is kept in memory and nothing new is claimed; once the database is
    free it is settled and told as if nothing had been (rules R12)."""
    home = tmp_path / "home"
    waits = 'touch "$AGENT_HOME/here"; until test -e "$AGENT_HOME/go"; do sleep 0.02; done; exit 1'
    async with scene(home, scripts={"slow": waits}) as made, running(made.line):
        folder = home / "agents" / "slow"
        await made.see((folder / "here").exists)
        with locked(home / "state" / "dotagent.db"):
            (folder / "go").symlink_to("/")
            await made.see(lambda: made.line.parts.trouble.waiting)
            assert [] == made.rows()
        await made.see(lambda: made.clock.next_at)
        made.clock.go(made.clock.now() + 1_000)
        await made.see(lambda: not made.line.parts.trouble.waiting)
        await made.rest()

        assert {"attempt_failed": "sent", "given_up": "sent"} == made.ends("sick")
        assert [1] == made.line.values("SELECT count(*) FROM attempts")
        assert 2 == len([each for each in made.arrived(made.well) if each != "store_error"])


MANY = 10_000
PROBES = 6
MESSAGES = """
SELECT s.started_at, max(s.ended_at) AS ended_at, count(*) AS size, min(s.outcome) AS outcome
FROM sends s JOIN deliveries d ON d.id = s.delivery_id
WHERE d.notifier = 'sick' GROUP BY coalesce(s.led_by, s.delivery_id), s.started_at
ORDER BY s.started_at
"""


@pytest.mark.parametrize(
    ("channel", "first", "probe"), [(WEBHOOK, 1, 1), (PUSH, FOLDED_MOST, PROBE_MOST)]
)
async def test_ten_thousand_messages_for_a_dead_channel(
    tmp_path: Path, channel: str, first: int, probe: int
) -> None:
    """They cost one timer, and one probe of a bounded size at a time, never before the pause is
    over; all of them stay wanted. Another channel's message goes out before any time has passed."""
    async with scene(tmp_path / "home", scripts={}, channel=channel) as made:
        await made.proxy.stop()
        async with running(made.line):
            await made.see(lambda: made.line.rows("SELECT 1 FROM routing"))
            await told(made, *(bad_news(number) for number in range(MANY)), only={("", "sick")})
            await made.until(lambda: len({row["started_at"] for row in messages(made)}) > PROBES)

            at_once = [row for row in messages(made) if row["started_at"] == START]
            assert len(at_once) <= parallel(made)  # before the first of them has brought its answer
            assert max(row["size"] for row in at_once) == first
            probes = messages(made)[len(at_once) :]
            assert max(row["size"] for row in probes) == probe
            begun = [row["started_at"] - START for row in probes]
            assert [1_000 * (2**number - 1) for number in range(1, PROBES + 1)] == begun
            assert {"retry"} == {row["outcome"] for row in messages(made)}
            assert ["pending"] * MANY == [row["state"] for row in made.rows()]
            await made.until(lambda: made.clock.sleepers == 1)  # the audit file has its last line

            await made.proxy.start()
            made.proxy.troubles.append(Net.HALF_OPEN)
            assert made.clock.next_at is not None
            made.clock.go(made.clock.next_at)
            await made.see(lambda: made.line.engine.unfinished().sends)  # and it hangs
            await told(made, of_system(Kind.MANIFEST_INVALID, made.clock.now(), "it is not right"))
            await made.see(lambda: "manifest_invalid" in made.arrived(made.well))


def parallel(made: Scene) -> int:
    """Sends at once that the channel gets in good health."""
    (most,) = made.line.values("SELECT parallel FROM destinations WHERE name = 'sick'")
    return int(most)


def messages(made: Scene) -> list[Row]:
    return made.line.rows(MESSAGES)


def bad_news(number: int) -> Event:
    facts = {"number": 1, "code": 1, "words": "exit 1", "host": "web-1", "why": "attempts used up"}
    return Event(kind=Kind.GIVEN_UP, at=START, agent=f"a{number}", schedule_id="s", facts=facts)


async def told(made: Scene, *events: Event, only: Set[tuple[str, str]] | None = None) -> None:
    """This has happened."""
    parts = made.line.parts
    await parts.store.write(lambda tx: tell(tx, parts.actor, made.clock.now(), events, only=only))
    made.line.engine.poke()
