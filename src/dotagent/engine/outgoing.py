"""The messages that are on their way, each chain of them a task of its own.

Invariants: no more are on their way than ``SENDS_AT_ONCE``, but for one that may always follow the
one before it; nothing new begins once the engine ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dotagent.core.model import Sent
from dotagent.core.share import SENDS_AT_ONCE
from dotagent.core.targets import PLUGIN
from dotagent.steps.deliver import deliver
from dotagent.store.outbox import Claim

if TYPE_CHECKING:
    from dotagent.engine.embedded import Engine


class Outgoing:
    """Sends what was claimed, and what the settling of that claims."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.count = 0
        """So many are on their way."""

    @property
    def room(self) -> int:
        """How many more may be."""
        return SENDS_AT_ONCE - self.count

    def send(self, claims: Sequence[Claim]) -> None:
        """Send claimed deliveries."""
        for claim in claims:
            self.count += 1
            self._engine.beside(self._send(claim))

    async def _send(self, claim: Claim) -> None:
        """Send it, then what its settling claimed, for as long as that claims any: while messages
        follow one another, nothing is due that the loop would have to look for."""
        engine = self._engine
        following: Sequence[Claim] = (claim,)
        while following:
            claim, *others = following
            self.send(others)
            try:
                result = await deliver(engine.parts, engine.catalogue, claim, room=self.room_after)
            finally:
                self.count -= 1
            following = result.next
            self.count += bool(following)
            if claim.driver == PLUGIN:
                engine.beside(engine.folders.told(engine.parts, claim.event_seq))
            if engine.mode.until is not None or not isinstance(result.outcome, Sent):
                engine.poke()  # a person waits for it, or its destination rests

    def room_for_news(self) -> int:
        """What an attempt that settles now may send at once; not if it settles late: it claims by
        the time at which it ended."""
        return 0 if self._engine.parts.trouble.waiting else max(self.room, 1)

    def room_after(self) -> int:
        """What may be sent after a message that settles now."""
        return 0 if self._engine.is_ending else max(self.room, 1)
