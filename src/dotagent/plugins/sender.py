"""Sends a delivery through a plugin: ``driver = "plugin"`` and the legacy hooks (contract §10).

The plugin gets the ``message`` of dotagent 0.1.x; what is ours stands beside it. Invariant: what is
certain to have failed is tried again; a sink that may have done its work is not asked twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from dotagent.core.model import Outcome, RejectMessage, Retry, Sent, Unknown
from dotagent.core.secret import Redactor
from dotagent.core.shapes import FileName, JsonData
from dotagent.plugins import client, find
from dotagent.plugins.client import Answer, End, PluginKind
from dotagent.ports import Parcel, Speak

Heard = Callable[[str, str, Answer], Awaitable[None]]


async def _nobody(name: str, what: str, answer: Answer) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The keys of ``driver = "plugin"`` (contract §9)."""

    UNUSED: ClassVar = ("proxy", "ca_file")

    name: FileName
    config: JsonData = None


class PluginSender:
    """The ``Sender`` of plugins. ``env`` is all that a plugin inherits; ``heard`` takes what each
    of them said besides its answer: its name, what it was asked for, its answer."""

    def __init__(
        self, speak: Speak, dirs: Sequence[str], env: Mapping[str, str], heard: Heard = _nobody
    ) -> None:
        self._heard = heard
        self._speak = speak
        self._dirs = dirs
        self._env = env

    async def send(self, parcel: Parcel) -> Outcome:
        """One try, inside the parcel's total deadline."""
        settings, message = parcel.settings, parcel.message
        purpose = PluginKind(settings.get("purpose", "notify"))
        # A stat may wait for a network share that has gone away: not on the loop.
        name = str(settings["name"])
        found = await asyncio.to_thread(find.find, name, self._dirs)
        if isinstance(found, find.Missing):
            return Retry(why=found.why)
        extra: Mapping[str, Any] = {
            **parcel.facts,
            "delivery": message.key,
            "title": message.title,
            "text": message.line,
            "severity": message.severity,
        }
        payload = client.payload(
            kind=purpose,
            agent=message.agent or "dotagent",
            schedule=message.schedule_id,
            event=message.kind,
            message=message.legacy,
            config=settings.get("config"),
            extra=extra,
        )
        answer = await client.invoke(
            self._speak,
            found.path,
            payload,
            self._env if parcel.env is None else parcel.env,
            parcel.timeout_ms,
            redactor=Redactor((*parcel.secrets, *parcel.hidden()), parcel.withheld),
        )
        await self._heard(name, f"{purpose} {message.agent}/{message.schedule_id}", answer)
        return _outcome(answer, purpose)


def _outcome(answer: Answer, purpose: PluginKind) -> Outcome:
    why = answer.error or ""
    if answer.ok:
        return Sent()
    if answer.end in (End.NOT_STARTED, End.REFUSED):
        return Retry(why=why)
    if purpose is PluginKind.SINK:
        return RejectMessage(why=f"{why}; it may have been stored, so it is not sent again")
    return Unknown(why=why)
