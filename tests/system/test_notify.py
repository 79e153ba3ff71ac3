"""Words to a service manager."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

from dotagent.system import notify


def test_socket_in_the_file_system(tmp_path: Path) -> None:
    """A path is a socket of the file system."""
    address = str(tmp_path / "socket")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(address)
        notify.tell({"NOTIFY_SOCKET": address}, notify.READY)

        assert b"READY=1" == manager.recv(100)


def test_abstract_socket() -> None:
    """An @ stands for the NUL byte of an abstract address (unix(7))."""
    name = f"dotagent-test-{os.getpid()}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(f"\0{name}")
        notify.tell({"NOTIFY_SOCKET": f"@{name}"}, notify.STOPPING)

        assert b"STOPPING=1" == manager.recv(100)


def test_nobody_listens(tmp_path: Path) -> None:
    """No manager, one that has gone, or an address of another kind: nothing happens."""
    for named in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}, {"NOTIFY_SOCKET": "vsock:2:1"}):
        notify.tell(named, notify.READY)

    assert [] == list(tmp_path.iterdir())


def test_watchdog_is_for_one_process() -> None:
    """Half a minute in microseconds; nothing where another process is watched, or nobody."""
    watched = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}

    assert 30_000 == notify.watchdog_ms(watched, 7)
    assert 30_000 == notify.watchdog_ms({"WATCHDOG_USEC": "30000000"}, 7)
    assert [None] * 3 == [
        notify.watchdog_ms(watched, 8),
        notify.watchdog_ms({}, 7),
        notify.watchdog_ms({"WATCHDOG_USEC": "soon"}, 7),
    ]
