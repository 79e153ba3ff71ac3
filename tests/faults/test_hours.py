"""What lasts: a network that is away for hours, a clock that is set, a database that is locked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dotagent.core.events import of_system
from dotagent.core.model import Event, Kind
from dotagent.store.tell import tell
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS
from tests.faults.lab import START, Scene, running, scene
from tests.support.http_server import Answer

FLAKY = 'echo >> "$AGENT_HOME/runs"; test "$(wc -l < "$AGENT_HOME/runs")" -gt 4'
"""Fails four times, then never again."""


async def test_a_network_that_returns_after_three_hours(tmp_path: Path) -> None:
    """Whatever is still wanted by then arrives, in order, within the longest pause between two
    tries; what was only worth an hour or less is a dead letter, of which the other channel hears
    once. It missed nothing itself."""
    back_at = START + 3 * HOUR_MS
    async with scene(tmp_path / "home", every="30m", scripts={"flaky": FLAKY}) as made:
        await made.proxy.stop()

        async def network() -> None:
            if made.clock.now() >= back_at and not made.proxy.is_up:
                await made.proxy.start()

        made.on_jump.append(network)
        async with running(made.line):
            await made.until(lambda: made.clock.now() > back_at + HOUR_MS // 2 and at_rest(made))

        sick = [row for row in made.rows("WHERE e.agent != ''") if row["notifier"] == "sick"]
        early = [row for row in sick if row["at"] < back_at - 45 * MINUTE_MS]
        wanted = [row for row in early if row["kind"] in ("given_up", "recovered")]
        assert {"sent"} == {row["state"] for row in wanted}
        assert 5 == len(wanted)
        lesser = [row for row in early if row not in wanted]
        fates = [(row["kind"], row["at"] - START, row["ended_at"] - START) for row in lesser]
        assert fates == [
            fate for row, fate in zip(lesser, fates, strict=True) if row["state"] == "expired"
        ]
        assert back_at <= min(row["ended_at"] for row in wanted)
        assert max(row["ended_at"] for row in wanted) <= back_at + 16 * MINUTE_MS
        arrived = [row["ended_at"] for row in sick if row["state"] == "sent"]
        assert arrived == sorted(arrived)
        assert ["delivery_expired"] == made.announced()
        assert {0} == made.delays_ms("well")


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
TRIES = (
    "SELECT DISTINCT outcome FROM sends JOIN deliveries ON id = delivery_id AND notifier = 'sick'"
)


async def test_ten_thousand_messages_for_a_dead_channel(tmp_path: Path) -> None:
    """They cost one timer and one probe at a time; another channel's message goes out at once."""
    async with scene(tmp_path / "home", scripts={}) as made:
        await made.proxy.stop()
        async with running(made.line):
            await made.see(lambda: made.line.rows("SELECT 1 FROM routing"))
            parts = made.line.parts
            line = "it was not right"
            only = {("", "sick")}
            crowd = [
                Event(
                    kind=Kind.GIVEN_UP,
                    at=START,
                    agent=f"a{number}",
                    schedule_id="s",
                    facts={"line": line},
                )
                for number in range(MANY)
            ]
            await parts.store.write(lambda tx: tell(tx, parts.actor, START, crowd, only=only))
            made.line.engine.poke()
            await made.until(lambda: made.line.rows("SELECT 1 FROM sends WHERE outcome = 'retry'"))
            said = of_system(Kind.MANIFEST_INVALID, made.clock.now(), line)
            await parts.store.write(lambda tx: tell(tx, parts.actor, made.clock.now(), [said]))
            made.line.engine.poke()
            await made.see(lambda: "manifest_invalid" in made.arrived(made.well))

            assert {"retry"} == set(made.line.values(TRIES)) - {None}
            assert MANY < len(made.rows("WHERE d.notifier = 'sick' AND d.state != 'sent'"))
            await made.see(lambda: made.clock.sleepers)
            assert 1 == made.clock.sleepers
