"""Words to the service manager that started us (sd_notify(3)); silence where there is none."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"


def tell(env: Mapping[str, str], word: str) -> None:
    """Send ``word`` to the socket that ``NOTIFY_SOCKET`` names. A manager that does not listen any
    more is no fault of ours."""
    name = env.get("NOTIFY_SOCKET", "")
    if name[:1] not in ("/", "@"):
        return
    address = "\0" + name[1:] if name.startswith("@") else name
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        to.setblocking(False)
        to.sendto(word.encode(), address)


def watchdog_ms(env: Mapping[str, str], pid: int) -> int | None:
    """How long the manager lets process ``pid`` be silent (sd_watchdog_enabled(3)); None if it
    does not watch it."""
    span, whom = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", str(pid))
    if not span.isdecimal() or whom != str(pid):
        return None
    return int(span) // 1_000 or None
