"""Who and where we are, in terms that survive the reuse of a pid: host, boot, pid, start time.

A pid names a process only together with its start time (clock ticks since boot) and the boot id.
Where the system has no ``/proc`` both are unknown, 0 and ``""``, and a pid alone has to do.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

PROC = "/proc"
DEAD = (b"Z", b"X", b"x")
"""States of ``/proc/<pid>/stat`` in which a process runs no more (proc(5))."""
BOOT_BY_MS = 2_000
"""How exactly the system says when it booted: in whole seconds, a little off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One process, for ever."""

    host: str
    boot_id: str
    pid: int
    started_ticks: int


def identify(proc: str = PROC) -> Identity:
    """This process."""
    pid = os.getpid()
    return Identity(
        host=host_name(),
        boot_id=boot_id(proc),
        pid=pid,
        started_ticks=started_ticks(pid, proc) or 0,
    )


def host_name() -> str:
    """The machine's own name for itself."""
    return os.uname().nodename


def boot_id(proc: str = PROC) -> str:
    """Changes with every boot; ``""`` where unknown."""
    try:
        with open(f"{proc}/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def started_ticks(pid: int, proc: str = PROC) -> int | None:
    """When the process ``pid`` started: field 22 of its ``stat``. 0 where the system does not say,
    None if there is no such process, or only what its parent has not collected yet."""
    try:
        with open(f"{proc}/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return 0 if _exists(pid) else None
    # The second field is the program's name in brackets, and may itself hold brackets and spaces.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in DEAD else int(fields[19])


def alive(pid: int, ticks: int, proc: str = PROC) -> bool:
    """Whether the process ``pid`` that started at ``ticks`` still runs. With ``ticks`` or the
    system's answer 0 (unknown), whether any process ``pid`` does."""
    now = started_ticks(pid, proc)
    return now is not None and (0 in (ticks, now) or now == ticks)


def gone(pid: int, at: int, proc: str = PROC) -> bool:
    """Whether the process that had this pid at an instant (ms of the wall clock) is dead: there is
    none, or one that began later. A clock that was set meanwhile may make a live one seem dead."""
    ticks = started_ticks(pid, proc)
    if ticks is None:
        return True
    booted_s = _booted_s(proc)
    if not ticks or booted_s is None:
        return False
    began_at = booted_s * 1_000 + ticks * 1_000 // os.sysconf("SC_CLK_TCK")
    return began_at > at + BOOT_BY_MS


def _booted_s(proc: str) -> int | None:
    """When the machine booted, by its wall clock (proc(5): ``btime``); None where unknown."""
    try:
        with open(f"{proc}/stat", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(b"btime ")), None)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
