"""A daemon waits for the command that holds the home: meanwhile the command starts what is due.

Invariants: no schedule waits for a command (promise P3); the daemon takes over as soon as the
command's own work is settled: what was started for the daemon then has the grace of a planned stop
(rules R11). Nobody is stood in for who has died or waits no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dotagent.store import holders, requests
from dotagent.store.attempts import Run
from dotagent.store.requests import Request
from dotagent.system.identity import alive

if TYPE_CHECKING:
    from dotagent.engine.embedded import Engine

NOTE = "what is due is started meanwhile"
TAKES_OVER = "the daemon takes over"


class StandIn:
    """``wanted``: a daemon waits, as of this turn. ``on_begin`` is called once, when the first one
    does."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._begun: set[int] = set()
        self.wanted = False
        self.on_begin: Callable[[], object] = lambda: None

    async def look(self, request: Request, args: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Stand in while who asks still waits; a daemon that has come answers for itself."""
        engine, parts = self._engine, self._engine.parts
        if engine.mode.plan or not alive(int(args["pid"]), int(args["started_ticks"])):
            return {}
        if request.note != NOTE:
            self.on_begin()
            await engine.reload()
            await parts.store.write(lambda tx: holders.come_back(tx, parts.clock.now()))
            await parts.store.write(lambda tx: requests.note(tx, request.id, NOTE))
        self.wanted = True
        return None

    def began(self, runs: Iterable[Run]) -> None:
        """These were started because they are due, not because this command was asked for them."""
        if self.wanted:
            self._begun.update(run.attempt_id for run in runs)

    @property
    def own_work_runs(self) -> bool:
        """Whether an attempt is under way that this command has to wait for."""
        return not self._begun.issuperset(self._engine.attempts)
