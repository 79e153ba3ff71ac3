"""The steps of the line at which a daemon is killed, and the tracer that does it.

Python's own tracing watches the real, unchanged functions; when the chosen one is entered, or has
just done its work, the process sends itself SIGKILL. Between the steps, a count of all function
calls of dotagent reaches everything else.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import dotagent
from dotagent.drivers.kit.sender import Kit
from dotagent.store import adopt, attempts, holders, outbox, plan, settle_attempt, settle_send
from dotagent.store.database import Store
from dotagent.supervisor import launch
from dotagent.supervisor.record import Record
from dotagent.system import goodcopy, heartbeat
from dotagent.system.auditfile import AuditFile

STEPS: dict[str, Callable[..., Any]] = {
    "begin": holders.begin,
    "keep the good copy": goodcopy.write_many,
    "adopt": adopt.adopt,
    "plan": plan.plan_due,
    "claim the window": attempts.claim_due,
    "start the child": launch.launch,
    "remember the child": attempts.spawned,
    "end the output": Record.close,
    "write the heartbeat": heartbeat.write,
    "settle the attempt": settle_attempt.settle,
    "claim the delivery": outbox.claim,
    "send": Kit.send,
    "settle the send": settle_send.settle,
    "commit": Store._commit,
    "write the audit file": AuditFile.append,
}
"""In the order of the line."""

FEW, MANY = (1, 2), (1, 2, 4)
PASSED = {
    "begin": (1,),
    "keep the good copy": (1,),
    "adopt": (1,),
    "end the output": FEW,
    "commit": tuple(range(1, 15)),
    "write the audit file": FEW,
}
"""Which passing of a step kills: the first, and later ones when there is more to lose. No story is
so short that it does not pass a step so often."""

BEFORE, AFTER = "call", "return"
ANY = "any function"
"""A point ``any function/call/1200`` is the 1,200th call of a function of dotagent."""
_OURS = os.path.dirname(dotagent.__file__) + os.sep


def watch(point: str | None, report: str) -> None:
    """Kill this process at ``point`` (``step/when/nth``), or just count: what was passed, and
    where it died, goes to the file ``report``, a line each."""
    names: dict[CodeType, str] = {step.__code__: name for name, step in STEPS.items()}
    passed: Counter[str] = Counter()
    out = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    last = int(point.rpartition("/")[2]) if point is not None and point.startswith(ANY) else 0
    calls = itertools.count(1)

    def pass_(name: str, when: str) -> None:
        passed[f"{name}/{when}"] += 1
        here = f"{name}/{when}/{passed[f'{name}/{when}']}"
        os.write(out, f"{here}\n".encode())
        if here == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def local(frame: FrameType, event: str, arg: object) -> Any:
        if event == AFTER:
            pass_(names[frame.f_code], AFTER)
        return local

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        if last and frame.f_code.co_filename.startswith(_OURS) and next(calls) == last:
            os.write(out, f"{point}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)
        if frame.f_code not in names:
            return None
        frame.f_trace_lines = False
        pass_(names[frame.f_code], BEFORE)
        return local

    threading.settrace(trace)
    sys.settrace(trace)
