"""What a network or a service may do, and what becomes of each message: one entry a fault.

Whatever happens to one channel, the other one gets all of its messages at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.core.walls import DAY_MS, HOUR_MS
from tests.faults.lab import START, Scene, running, scene
from tests.faults.proxy import Net
from tests.support.http_server import Answer, Fault

Make = Callable[[Scene], None]
ALL_SENT = {"attempt_failed": "sent", "given_up": "sent", "success": "sent"}
"""A run that failed makes two messages, one that succeeded makes one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A fault. ``make`` puts it in place; ``ends``: what becomes of the sick channel's messages;
    ``waits_ms``: between which delays they arrive; ``repeats``: whether one may have come twice;
    ``announced``: what the other channel is told about this one."""

    name: str
    make: Make
    ends: Mapping[str, str]
    waits_ms: tuple[int, int] = (0, 60_000)
    repeats: bool = False
    announced: Sequence[str] = ()

    def __str__(self) -> str:
        return self.name


def net(trouble: Net, times: int = 2) -> Make:
    """The network does this to the next connections."""
    return lambda scene: scene.proxy.troubles.extend([trouble] * times)


def answers(*scripted: Answer | Fault) -> Make:
    """The service says or does this to the next messages."""
    return lambda scene: scene.sick.script(*scripted)


def always(answer: Answer) -> Make:
    """The service says this to every message."""
    return lambda scene: scene.sick.script(*[answer] * 100)


def refused(status: int, **headers: str) -> Answer:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(status=status, headers=named)


BUSY = refused(429, Retry_After="90")
UNTIL = formatdate((START + HOUR_MS // 4) / 1_000, usegmt=True)
HUGE = Answer(status=200, body=b"x" * 10_000_000)

TABLE = (
    Entry(name="no fault", make=lambda scene: None, ends=ALL_SENT, waits_ms=(0, 0)),
    # -- the network
    Entry(name="delays", make=net(Net.DELAYS), ends=ALL_SENT, waits_ms=(0, 0)),
    Entry(name="resets", make=net(Net.RESETS), ends=ALL_SENT, repeats=True),
    Entry(name="loses answers", make=net(Net.LOSES), ends=ALL_SENT, repeats=True),
    Entry(name="truncates", make=net(Net.TRUNCATES), ends=ALL_SENT, repeats=True),
    Entry(name="trickles", make=net(Net.TRICKLES), ends=ALL_SENT, repeats=True),
    Entry(name="half-open", make=net(Net.HALF_OPEN), ends=ALL_SENT, repeats=True),
    # -- the service
    Entry(
        name="429 for 90 seconds",
        make=answers(BUSY, BUSY),
        ends=ALL_SENT,
        waits_ms=(90_000, 120_000),
    ),
    Entry(
        name="429 until a date",
        make=answers(refused(429, Retry_After=UNTIL), refused(429, Retry_After=UNTIL)),
        ends=ALL_SENT,
        waits_ms=(HOUR_MS // 4, HOUR_MS // 4 + 60_000),
    ),
    Entry(name="500", make=answers(refused(500), refused(500)), ends=ALL_SENT),
    Entry(name="503 for a moment", make=answers(refused(503, Retry_After="0")), ends=ALL_SENT),
    Entry(name="garbage", make=answers(Fault.GARBAGE, Fault.GARBAGE), ends=ALL_SENT, repeats=True),
    Entry(name="a huge answer", make=answers(HUGE, HUGE, HUGE), ends=ALL_SENT, waits_ms=(0, 0)),
    Entry(name="an endless head", make=answers(Fault.DRIP), ends=ALL_SENT, repeats=True),
    Entry(name="taken, then reset", make=answers(Fault.TAKEN), ends=ALL_SENT, repeats=True),
    Entry(
        name="moved away",
        make=answers(refused(302, Location="https://elsewhere.example/"), refused(302)),
        ends=ALL_SENT,
        waits_ms=(DAY_MS, DAY_MS + 60_000),
        announced=["destination_parked"],
    ),
    Entry(
        name="a message that it never takes",
        make=always(refused(400)),
        ends=dict.fromkeys(ALL_SENT, "rejected"),
        announced=["delivery_expired"],
    ),
)


@pytest.mark.parametrize("entry", TABLE, ids=str)
async def test_fault(tmp_path: Path, entry: Entry) -> None:
    """Each message has the end that the table says, and the other channel notices nothing."""
    async with scene(tmp_path / "home") as made:
        entry.make(made)
        async with running(made.line):
            await made.rest()

        assert dict(entry.ends) == made.ends("sick")
        least, most = entry.waits_ms
        assert least <= max(made.delays_ms("sick")) <= most
        assert entry.repeats is any(flag for _, flag, _ in made.flags())
        assert list(entry.announced) == made.announced()
        nothing_else_is_delayed(made)


def nothing_else_is_delayed(made: Scene) -> None:
    """The channel without a fault has every message at the very moment of its event."""
    assert ALL_SENT == made.ends("well")
    assert {0} == made.delays_ms("well")
    assert set(ALL_SENT) <= set(made.arrived(made.well))
