"""Acting through the one actor of the home (rules R1, R2).

A command commits its request, then either somebody holds the lock and carries it out, or nobody
does and the command itself takes the lock and runs the same engine until its own work is settled.
Whoever finds the lock free first acts; the request row says whether it is done. So two commands at
once never both act, and a holder that dies under a request is replaced by whoever waits for it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dotagent import app
from dotagent.core.errors import DotagentError, HeldError
from dotagent.store import database, requests
from dotagent.store.database import Reader
from dotagent.store.requests import Delivery, Request
from dotagent.system import bell
from dotagent.system.paths import Paths
from dotagent.system.waiting import now, pause

PATIENCE_MS = 30_000
"""A message that can be sent within this time is waited for; a later one is left to the next."""
POLL_MS = 50
TICK = "tick"

Watch = Callable[[Reader, Request], None]
"""Called again and again while the request is carried out: shows progress."""


class Refused(DotagentError):
    """The actor refused the request; ``exit_code`` is the one it named."""

    def __init__(self, message: str, hint: str | None, exit_code: int) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A request carried out: its answer, and who did it (``None``: this process)."""

    request_id: int
    answer: Mapping[str, Any]
    by: int | None


def act(
    paths: Paths,
    env: Mapping[str, str],
    kind: str,
    args: Mapping[str, Any],
    *,
    role: str,
    watch: Watch = lambda reader, row: None,
) -> Done:
    """Ask for ``kind`` and see it settled: the request itself, and the messages it caused, but for
    those that must wait longer. Raises ``Refused`` where the actor says no."""
    app.prepare_store(paths)
    request_id = database.append_request(paths.database, kind, json.dumps(dict(args)), now())
    reader = database.connect_reader(paths.database)
    by: int | None = None
    try:
        while not settled(reader, request_id, now()):
            by = _advance(paths, env, reader, request_id, role, watch)
        row = requests.request(reader, request_id)
        watch(reader, row)
    finally:
        reader.close()
    answer = row.answer or {}
    if "error" in answer:
        raise Refused(answer["error"], answer.get("hint"), answer["exit"])
    return Done(request_id=request_id, answer=answer, by=by)


def _advance(
    paths: Paths,
    env: Mapping[str, str],
    reader: Reader,
    request_id: int,
    role: str,
    watch: Watch,
) -> int | None:
    """Act ourselves if nobody does; else ring, and look for a moment. Who acts."""

    def until(inner: Reader) -> bool:
        row = requests.request(inner, request_id)
        watch(inner, row)
        return settled(inner, request_id, now()) and (row.kind != TICK or quiet(inner, now()))

    try:
        stopped = asyncio.run(app.hold(paths, env, app.Purpose(role=role, until=until)))
    except HeldError as held:
        bell.ring(paths.bell)
        watch(reader, requests.request(reader, request_id))
        pause(POLL_MS)
        return held.pid
    if stopped is not None:
        raise KeyboardInterrupt(stopped)
    return None


def settled(reader: Reader, request_id: int, at: int) -> bool:
    """Whether the request is done, and every message it caused is settled or waits long."""
    row = requests.request(reader, request_id)
    if row.state != "done":
        return False
    return not any(soon(delivery, at) for delivery in requests.caused(reader, row))


def quiet(reader: Reader, at: int) -> bool:
    """Whether nothing runs and nothing may be sent within our patience."""
    if requests.anything_runs(reader):
        return False
    return not any(soon(delivery, at) for delivery in requests.unsettled(reader))


def soon(delivery: Delivery, at: int) -> bool:
    """Whether this delivery is on its way or may go within our patience."""
    if delivery["state"] == "sending":
        return True
    wait_until: int = max(delivery["hold_until"], delivery["down_until"])
    return delivery["state"] == "pending" and wait_until <= at + PATIENCE_MS


def environment() -> dict[str, str]:
    """This process's environment, as the steps get it."""
    return dict(os.environ)
