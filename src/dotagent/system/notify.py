"""Words to the service manager that started us (sd_notify(3)); silence where there is none."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress

READY = "READY=1"
STOPPING = "STOPPING=1"


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
