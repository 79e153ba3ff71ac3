"""Bubbles on a real desktop, made by the real daemon: what is configured is what is shown."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path

from tests.e2e.home import Home
from tests.support.daemon import daemon
from tests.support.desktop import DesktopSession
from tests.support.patience import until

MANIFEST = """
[[schedules]]
id = "daily"
daily = "04:00"

[[notifiers]]
driver = "desktop"
title = "Disk & more"
urgency = "critical"
icon = "{icon}"
expire_ms = 900000
events = ["attempt_failed"]
"""
SCRIPT = 'echo "round $(cat round): <b>bold</b> & <i>more</i> are full" >&2; exit 3'


def picture(path: Path) -> Path:
    """A red square that any image library reads."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\xff\0\0" * 16) * 16)
    signature = b"\x89PNG\r\n\x1a\n"
    path.write_bytes(signature + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


def fail(home: Home, number: int) -> None:
    """One run that fails and says which it is; its messages are on their way or there."""
    (home.path / "agents" / "disk" / "round").write_text(str(number))
    assert 3 == home.run("run-now", "disk").returncode
    until(home.settled, what="the message to be settled")


def test_bubbles_are_as_configured(tmp_path: Path, desktop_session: DesktopSession) -> None:
    """Title, body, urgency, icon and expiry are shown as configured and markup literally; the next
    message about the schedule takes the place of the last, also over a restart of the daemon."""
    icon = picture(tmp_path / "disk.png")
    home = Home(tmp_path / "home", **desktop_session.env)
    home.agent("disk", MANIFEST.format(icon=icon), SCRIPT)
    with daemon(home.path, env=home.env):
        fail(home, 1)
        fail(home, 2)
        on_screen = desktop_session.displayed()
    with daemon(home.path, env=home.env):
        fail(home, 3)
    bubbles = desktop_session.seen()
    bubble = bubbles[-1]

    line, _, tail = bubble.body.partition("\n")
    assert [bubble] == bubbles
    assert (1, "round 3: <b>bold</b> & <i>more</i> are full") == (on_screen, tail)
    assert line.startswith("disk/daily: manual run failed, exit 3")
    assert bubble == replace(
        bubble,
        app="dotagent",
        summary="Disk & more",
        icon=str(icon),
        urgency="critical",
        timeout_ms=900_000,
    )


def test_a_daemon_without_the_variable_finds_the_bus(
    tmp_path: Path, desktop_session: DesktopSession
) -> None:
    """A daemon that was started by no desktop knows only its runtime folder: that is enough."""
    folder = desktop_session.env["XDG_RUNTIME_DIR"]
    home = Home(tmp_path / "home", XDG_RUNTIME_DIR=folder)
    home.agent("disk", MANIFEST.format(icon="dialog-warning"), SCRIPT)
    fail(home, 1)

    assert ["Disk & more"] == [bubble.summary for bubble in desktop_session.seen()]


def test_without_a_desktop_it_is_said_once(tmp_path: Path) -> None:
    """No session bus: the message is rejected with the reason, one event announces it, and what
    comes after it waits for the daily probe in silence."""
    home = Home(tmp_path / "home", XDG_RUNTIME_DIR=str(tmp_path))
    home.agent("disk", MANIFEST.format(icon=""), SCRIPT)
    with daemon(home.path, env=home.env):
        fail(home, 1)
        assert 3 == home.run("run-now", "disk").returncode

    first, *others = home.rows("SELECT state, reason FROM deliveries ORDER BY id")
    parked = home.rows("SELECT facts FROM events WHERE kind = 'destination_parked'")
    assert "rejected" == first["state"]
    assert first["reason"].startswith("there is no desktop session here: no session bus at")
    assert {"pending"} == {each["state"] for each in others}
    assert 1 == len(parked)
    assert "no session bus" in parked[0]["facts"]
