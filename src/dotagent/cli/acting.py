"""Acting through the one actor of the home (rules R1, R2).

A command commits its request, then either somebody holds the lock and carries it out, or nobody
does and the command itself takes the lock and runs the same engine until its own work is settled.
Whoever finds the lock free first acts; the request row says whether it is done. So two commands at
once never both act, and a holder that dies under a request is replaced by whoever waits for it.
A signal calls off what was asked for: whatever acts next must not do what nobody waits for.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dotagent import app
from dotagent.core.errors import DotagentError, HeldError
from dotagent.core.hindrance import STOPPED
from dotagent.store import database, outbox_view, requests
from dotagent.store.outbox_view import WAITING, Delivery
from dotagent.store.reading import Reader
from dotagent.store.requests import Request
from dotagent.system import bell, lock
from dotagent.system.hindrance import hindrance
from dotagent.system.paths import Paths
from dotagent.system.signals import Signals
from dotagent.system.waiting import now, pause

PATIENCE_MS = 30_000
"""A message that can be sent within this time is waited for; a later one is left to the next."""
POLL_MS = (20, 250)
"""How often a request in other hands is looked at: at first, and after a while."""
SILENCE_MS = 2_000
"""A request that nobody takes for so long needs a word to whoever waits."""
RUN, TICK, STOP = "run", "tick", "stop"

Watch = Callable[[Reader, Request], None]
"""Called again and again while the request is carried out: shows progress."""


class Refused(DotagentError):
    """The actor refused the request; ``exit_code`` is the one it named."""

    def __init__(self, message: str, hint: str | None, exit_code: int) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code


class Stopped(DotagentError):
    """A signal cut the command short; ``exit_code`` is what a shell shows for it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"stopped by {name}")
        self.exit_code = 128 + signal.Signals[name]


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
    say: Callable[[str], None] = lambda text: None,
    signals: Signals | None = None,
) -> Done:
    """Ask for ``kind`` and see it settled: the request itself, and the messages it caused, but for
    those that must wait longer. ``say`` tells the person what is not the request's own doing.
    Raises ``Refused`` where the actor says no, ``Stopped`` after a signal."""
    heard = Signals().listen() if signals is None else signals
    app.prepare_store(paths)
    if heard.stop is not None:
        raise Stopped(heard.stop)
    request_id = database.append_request(paths.database, kind, json.dumps(dict(args)), now())
    reader = database.connect_reader(paths.database)
    try:
        errand = _Errand(paths, env, request_id, role, reader, watch, say, heard)
        errand.see_through()
        request = errand.look(reader)
    finally:
        reader.close()
    if errand.cut is not None:
        raise Stopped(errand.cut)
    answer = request.answer or {}
    if "error" in answer:
        raise Refused(answer["error"], answer.get("hint"), answer["exit"])
    return Done(request_id=request_id, answer=answer, by=errand.by)


class _Errand:
    """One request on its way."""

    def __init__(
        self,
        paths: Paths,
        env: Mapping[str, str],
        request_id: int,
        role: str,
        reader: Reader,
        watch: Watch,
        say: Callable[[str], None],
        signals: Signals,
    ) -> None:
        self.by: int | None = None
        """Who acts; None for ourselves."""
        self.cut: str | None = None
        """The signal that came before all was settled."""
        self._paths = paths
        self._env = env
        self._request_id = request_id
        self._role = role
        self._reader = reader
        self._watch = watch
        self._say = say
        self._signals = signals
        self._since = now()
        self._called_off_at: int | None = None
        self._is_settled = False
        self._has_said = False

    def look(self, reader: Reader) -> Request:
        """How the request stands; whoever watches sees it too."""
        request = requests.request(reader, self._request_id)
        self._watch(reader, request)
        return request

    def see_through(self) -> None:
        """Act or follow, until all is settled or a signal has ended it."""
        while not self._settled(self._reader):
            holder = lock.peek(self._paths.lock)
            if self._signals.stop is not None and not self._wait_for_the_end(holder is not None):
                return
            if holder is None:
                self._act()
            else:
                self._follow(holder)

    # ------------------------------------------------------------------------------------ two ways

    def _act(self) -> None:
        """Take the lock, if nobody is quicker, and run the engine."""
        purpose = app.Purpose(role=self._role, until=self._settled, own=self._request_id)
        try:
            hold = app.hold(self._paths, self._env, purpose, signals=self._signals)
            stopped = asyncio.run(hold)
        except HeldError:
            pause(POLL_MS[0])
            return
        self.by = None
        if stopped is not None and not self._is_settled:
            self.cut = stopped

    def _follow(self, holder: lock.Holder) -> None:
        """Ring, and look for a moment."""
        self.by = holder.pid
        bell.ring(self._paths.bell)
        request = self.look(self._reader)
        waited = now() - self._since
        if not _is_heard(request) and waited > SILENCE_MS and not self._has_said:
            self._has_said = True
            stopped = hindrance(self._paths.reserve, holder, now()) == STOPPED
            hint = f", which is stopped (kill -CONT {holder.pid} lets it go on)" if stopped else ""
            self._say(f"waiting for {holder.role}, process {holder.pid}{hint}, to take it up")
        pause(min(max(waited // 50, POLL_MS[0]), POLL_MS[1]))

    def _wait_for_the_end(self, is_held: bool) -> bool:
        """After a signal: call the request off, and stay to see a run end, but not if asked twice,
        if nobody is there to end it, or if whoever is there does not hear."""
        request = requests.request(self._reader, self._request_id)
        self.cut = self._signals.stop
        if request.state == "done":
            return False
        if self._called_off_at is None:
            self._called_off_at = now()
            args = json.dumps({"request": self._request_id, "why": self.cut})
            database.append_request(self._paths.database, STOP, args, now())
        is_patient = _is_heard(request) or now() - self._called_off_at <= SILENCE_MS
        return is_held and request.kind == RUN and self._signals.stops < 2 and is_patient

    # ------------------------------------------------------------------------------------- settled

    def _settled(self, reader: Reader) -> bool:
        """Whether the request is done, and every message it caused is settled or waits long."""
        request = self.look(reader)
        self._is_settled = request.state == "done" and not self._awaits(reader, request)
        return self._is_settled

    def _awaits(self, reader: Reader, request: Request) -> bool:
        done_at = request.ended_at or now()
        if request.kind == TICK and outbox_view.may_go(reader, now(), done_at, PATIENCE_MS):
            return True
        return any(_soon(delivery, done_at) for delivery in caused(reader, request))


def _is_heard(request: Request) -> bool:
    """Whether the holder has taken it up, or has said why it does not yet."""
    return request.state != "waiting" or bool(request.note)


def caused(reader: Reader, request: Request) -> list[Delivery]:
    """The deliveries that a request made."""
    answer = request.answer or {}
    if "attempt" in answer:
        return outbox_view.of_attempt(reader, answer["attempt"])
    return outbox_view.of_ids(reader, answer.get("deliveries", ()))


def _soon(delivery: Delivery, done_at: int) -> bool:
    """Whether this delivery is on its way, or may go within our patience."""
    if delivery.state not in WAITING:
        return False
    until = max(delivery.created_at, done_at) + PATIENCE_MS
    return delivery.free_at is None or max(delivery.free_at, now()) <= until


def environment() -> dict[str, str]:
    """This process's environment, as the steps get it."""
    return dict(os.environ)
