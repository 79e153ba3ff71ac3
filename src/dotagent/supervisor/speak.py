"""Runs a short-lived helper program (a plugin, ``op``): says something to it, hears what it says.

Invariants: one deadline over writing, reading and waiting; memory bounded by the cap, whatever the
helper prints; nothing of its group is left afterwards, not even when the caller is cancelled;
never raises for what the helper does.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from subprocess import SubprocessError

from dotagent.core.model import Exited, Interrupted, NotStarted, Signaled, TimedOut
from dotagent.ports import Spoken
from dotagent.supervisor.kernel import Kernel
from dotagent.supervisor.launch import NOT_RUNNABLE, explain, launch, locate
from dotagent.supervisor.pack import Fate, Limits, Pack
from dotagent.supervisor.pump import Feeder

CAP_BYTES = 1024 * 1024
"""Of each of stdout and stderr."""

GRACE_MS = 5_000
DRAIN_MS = 500
PATIENCE_MS = 5_000
PROBE_MS = 10_000


class Heard:
    """The first ``CAP_BYTES`` of a stream; the rest is read and dropped."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.cut = False

    def feed(self, chunk: bytes) -> None:
        """The next chunk."""
        room = CAP_BYTES - len(self.data)
        self.data += chunk[:room]
        self.cut = self.cut or len(chunk) > room

    def end(self) -> None:
        """There will be no more."""


async def speak(
    argv: Sequence[str], stdin: bytes, env: Mapping[str, str] | None, deadline_ms: int
) -> Spoken:
    """Implements ``Speak`` (see ports). ``env`` None: our own environment."""
    found = await locate(argv[0] if argv else "", None, env, min(PROBE_MS, deadline_ms))
    if isinstance(found, NotStarted):
        return _unsaid(found)
    try:
        launched = launch(found, argv, None, env, stdin=True)
    except (OSError, ValueError, SubprocessError) as error:
        return _unsaid(explain(error, found, None))
    heard = (Heard(), Heard())
    done: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()
    limits = Limits(
        timeout_ms=deadline_ms, grace_ms=GRACE_MS, drain_ms=DRAIN_MS, patience_ms=PATIENCE_MS
    )
    try:
        pack = Pack(launched, heard, limits, Kernel(), done.set_result)
    except (OSError, RuntimeError) as error:
        launched.discard()
        why = f"{argv[0]} could not be supervised and was ended at once: {error}"
        return _unsaid(NotStarted(code=NOT_RUNNABLE, why=why))
    assert launched.stdin is not None
    feeder = Feeder(asyncio.get_running_loop(), launched.stdin, stdin)
    try:
        fate = await asyncio.shield(done)
    except asyncio.CancelledError:
        pack.kill(Interrupted(why="cancelled"))
        await asyncio.shield(done)
        raise
    finally:
        feeder.close()
    return _spoken(fate, *heard)


def _unsaid(reason: NotStarted) -> Spoken:
    return Spoken(exit_code=reason.code, stdout=b"", stderr=reason.why.encode("utf-8", "replace"))


def _spoken(fate: Fate, stdout: Heard, stderr: Heard) -> Spoken:
    match fate.exit:
        case Exited(code=code):
            status, timed_out = code, False
        case Signaled(number=number):
            status, timed_out = -number, False
        case other:
            status, timed_out = -signal.SIGKILL, isinstance(other, TimedOut)
    return Spoken(
        exit_code=status,
        stdout=bytes(stdout.data),
        stderr=bytes(stderr.data),
        timed_out=timed_out,
        cut=stdout.cut or stderr.cut,
    )
