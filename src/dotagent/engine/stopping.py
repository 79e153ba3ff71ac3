"""A person ends what runs of an agent (``dotagent stop``): TERM, grace, KILL, and no further try.

Invariants: who asked is answered when the processes are gone, not before; the windows end skipped,
by who and why, and that they did not succeed is no news.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dotagent.core import exits
from dotagent.core.errors import DotagentError
from dotagent.core.model import Interrupted, WindowState
from dotagent.store import overdue, record, requests, say, windows
from dotagent.store.attempts import Run
from dotagent.store.database import Tx
from dotagent.store.holders import Orphan
from dotagent.store.requests import Request

if TYPE_CHECKING:
    from dotagent.engine.embedded import Engine


class Stops:
    """The requests to stop runs, and the runs whose end each waits for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ending: dict[int, Sequence[Run | Orphan]] = {}

    @property
    def owes(self) -> bool:
        """Whether somebody has not been answered yet."""
        return bool(self._ending)

    async def look(self, request: Request, args: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Begin, or see how far it is: None as long as something still runs."""
        if request.id not in self._ending:
            self._ending[request.id] = await self._begin(request, args)
        runs = self._ending[request.id]
        if any(run.attempt_id in self._engine.attempts for run in runs):
            return None
        del self._ending[request.id]
        return {"stopped": sorted({f"{run.agent}/{run.schedule_id}" for run in runs})}

    async def _begin(self, request: Request, args: Mapping[str, Any]) -> Sequence[Run | Orphan]:
        """Raises ``NotFound`` for a name that nobody bears; where nothing runs, it has failed."""
        parts = self._engine.parts
        by, why = str(args["by"]), str(args.get("reason") or "")
        agent, schedule = str(args["agent"]), args.get("schedule")
        name = agent if schedule is None else f"{agent}/{schedule}"

        def is_meant(run: Run | Orphan) -> bool:
            return run.agent == agent and schedule in (None, run.schedule_id)

        found = [each for each in self._engine.attempts.values() if is_meant(each.run)]
        lost = [each for each in self._engine.lost if is_meant(each)]
        if (
            not found and not lost
        ):  # what was removed while it ran has no name any more, but can be ended
            await parts.store.write(lambda tx: say.named(tx, args))
            raise DotagentError(f"nothing of {name} runs now", f"See: dotagent why {agent}")

        def attest(tx: Tx) -> None:
            fields = {"agent": agent, "schedule": schedule or "", "by": by, "reason": why}
            record.append(tx, parts.actor, parts.clock.now(), "notice", "agent_stopped", **fields)
            note = f"{name} was told to end; what ignores that is killed"
            if lost:
                note = f"{name} ran on after the one who had started it died, and was killed"
            requests.note(tx, request.id, note)
            for each in lost:
                _no_further_try(tx, parts.clock.now(), each, Interrupted(why=why, by=by))

        await parts.store.write(attest)
        for attempt in found:
            attempt.stop(why, by)
        return [*(attempt.run for attempt in found), *lost]


def _no_further_try(tx: Tx, now: int, lost: Orphan, exit: Interrupted) -> None:
    """What the loss of an attempt left waiting is skipped, as the run itself would be."""
    waiting = windows.waiting(tx, lost.agent, lost.schedule_id)
    if waiting is not None:
        windows.shut(tx, now, waiting["id"], WindowState.SKIPPED, exits.words(exit))
        overdue.passed_over(tx, waiting["expected_at"], lost.agent, lost.schedule_id)
