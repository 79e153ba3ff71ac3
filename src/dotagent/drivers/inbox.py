"""The local record of events, which needs no account and is always on.

    [[notifiers]]
    driver = "inbox"
    events = ["given_up", "recovered"]

`dotagent inbox` shows every event anyway, so there is nothing left to send: a delivery to the inbox
arrives with the commit that makes it. Naming it in a manifest records who was meant to be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dotagent.core.model import Message, Outcome, Sent
from dotagent.ports import Pace, Tools

TARGET: tuple[str, ...] = ()
SECRETS: tuple[str, ...] = ()
PACE = Pace()
LIMITS = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """There is nothing to set."""

    UNUSED: ClassVar = ("proxy", "ca_file")


async def send(tools: Tools, config: Config, message: Message) -> Outcome:
    """Arrived already."""
    return Sent()
