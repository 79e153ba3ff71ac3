"""What the engine does beside its line, when its time comes: the daily upkeep, the dead-man ping.

Invariant: no start, no message and no stop waits for any of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotagent.engine.deadman import Pinger
from dotagent.engine.upkeep import Upkeep

if TYPE_CHECKING:
    from dotagent.engine.embedded import Engine


class Chores:
    """``look`` once a turn; ``due_at`` is when they want to be looked at again."""

    def __init__(self) -> None:
        self._upkeep = Upkeep()
        self._pinger = Pinger()

    @property
    def due_at(self) -> int | None:
        return self._upkeep.due_at

    def look(self, engine: Engine) -> None:
        """Begin what is due. They are a daemon's: a command has other things to do."""
        if not engine.mode.plan or engine.mode.until is not None:
            return
        self._pinger.look(engine)
        if not engine.parts.trouble.waiting:
            self._upkeep.look(engine, engine.config)

    async def close(self) -> None:
        """Nothing more."""
        await self._pinger.close()
