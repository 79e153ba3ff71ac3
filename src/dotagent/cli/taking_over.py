"""A daemon that has to wait: for a command that holds the home.

It asks the holder to start meanwhile what is due (``engine/standing_in.py``), says whom it waits
for, and waits as long as that takes: a service manager hears that it is well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress

from dotagent import app
from dotagent.core.errors import HeldError, StoreError
from dotagent.store import database
from dotagent.system import bell, notify
from dotagent.system.identity import identify
from dotagent.system.paths import Paths
from dotagent.system.waiting import now, pause

LOOK_AGAIN_MS = 100
ALIVE_MS = 10_000
"""How often a service manager hears of a daemon that waits: often enough for any watchdog."""


class TakingOver:
    """``wait`` again and again while somebody holds the home; ``give_up`` if it comes to nothing.
    ``say`` tells the person."""

    def __init__(self, paths: Paths, env: Mapping[str, str], say: Callable[[str], None]) -> None:
        self._paths = paths
        self._env = env
        self._say = say
        self._for: int | None = None
        self._request_id: int | None = None
        self._alive_at = 0

    def wait(self, held: HeldError) -> None:
        """For a moment; what is due is the holder's meanwhile."""
        if self._request_id is None:
            self._ask()
        if held.pid is not None and held.pid != self._for:
            self._for = held.pid
            bell.ring(self._paths.bell)
            who = f"{held.role}, process {held.pid}"
            self._say(f"dotagent: waiting for {who}, to end; it starts what is due meanwhile")
        if now() - self._alive_at >= ALIVE_MS:
            self._alive_at = now()
            notify.tell(self._env, notify.READY)
            notify.tell(self._env, notify.ALIVE)
        pause(LOOK_AGAIN_MS)

    def give_up(self) -> None:
        """Nobody waits any more."""
        if self._request_id is not None:
            self._append("stop", {"request": self._request_id, "why": "the daemon was stopped"})
            bell.ring(self._paths.bell)

    def _ask(self) -> None:
        me = identify()
        args = {"pid": me.pid, "started_ticks": me.started_ticks}
        self._request_id = self._append("stand_in", args)

    def _append(self, kind: str, args: Mapping[str, object]) -> int | None:
        """A store that takes no request now is its holder's to mend; the wait goes on."""
        with suppress(StoreError):
            app.prepare_store(self._paths)
            return database.append_request(self._paths.database, kind, json.dumps(args), now())
        return None
