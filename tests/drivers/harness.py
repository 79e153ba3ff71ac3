"""What driver tests share: a message, a parcel, a kit whose clock stands still."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from dotagent.core.model import SEVERITY, Kind, Message
from dotagent.drivers.kit import registry
from dotagent.drivers.kit.sender import Kit, Load
from dotagent.ports import Parcel, Spoken

NOW = 1_790_000_000_000


class StoppedClock:
    """Always the same moment."""

    def now(self) -> int:
        return NOW

    def monotonic(self) -> int:
        return 0

    async def sleep_until(self, at: int) -> None:
        raise AssertionError("no driver waits")


async def no_helper(
    argv: Sequence[str], stdin: bytes, env: Mapping[str, str] | None, deadline_ms: int
) -> Spoken:
    """For drivers that start no helper program."""
    raise AssertionError(f"started {argv[0]}")


def kit(env: Mapping[str, str] | None = None, load: Load = registry.load, **machine: Any) -> Kit:
    """A kit as the daemon has it, apart from its clock and what ``machine`` puts in its place."""
    parts: dict[str, Any] = {"clock": StoppedClock(), "speak": no_helper} | machine
    return Kit(env=env or {}, load=load, **parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a driver meets that is not plain HTTP: a kit in its surroundings, and its settings."""

    kit: Kit
    settings: Mapping[str, Any]
    parcel: Mapping[str, Any] = field(default_factory=dict)
    """What else the parcel needs."""


Stages = Mapping[str, Callable[[str], AbstractAsyncContextManager[Stage]]]
"""Surroundings by name, each made for a secret: ``well``, ``hangs`` once it has the message,
``refuses`` it, ``gone``."""


def message(
    line: str = "disk/daily: attempt 2 of 3 failed", tail: str = "", **more: Any
) -> Message:
    """A message as ``render`` makes it."""
    known = {"title": "disk", "agent": "disk", "schedule_id": "daily", "tried_at": NOW}
    facts: dict[str, Any] = known | more
    kind = facts.pop("kind", Kind.ATTEMPT_FAILED)
    return Message(
        key="01J0-delivery-1",
        kind=kind,
        severity=SEVERITY[kind],
        at=NOW,
        line=line,
        tail=tail,
        **facts,
    )


def parcel(driver: str, settings: Mapping[str, Any], **more: Any) -> Parcel:
    """A delivery that is ready to go out."""
    text = more.pop("message", message())
    return Parcel(driver=driver, settings=settings, message=text, **more)
