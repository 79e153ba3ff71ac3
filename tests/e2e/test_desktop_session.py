"""The desktop of the end-to-end tests is a real one: what is sent over its bus is shown."""

from __future__ import annotations

import os
from collections.abc import Callable

from jeepney import new_method_call
from jeepney.io.blocking import open_dbus_connection

from tests.support import desktop

NO_ACTIONS: list[str] = []


def notify(address: str, summary: str, body: str) -> int:
    """Show a bubble as any program would, over a connection of its own; return its id."""
    hints = {"urgency": ("y", 2)}
    arguments = ("dotagent", 0, "", summary, body, NO_ACTIONS, hints, -1)
    call = new_method_call(desktop.NOTIFICATIONS, "Notify", "susssasa{sv}i", arguments)
    with open_dbus_connection(address) as bus:
        return int(bus.send_and_get_reply(call).body[0])


def test_a_notification_is_shown_and_kept(desktop_session: desktop.DesktopSession) -> None:
    """A Notify call puts a bubble on the screen, and closed it is in dunst's history."""
    number = notify(desktop_session.bus_address, "backup", "attempt 2 of 3 failed, exit 1")
    on_screen = desktop_session.displayed()
    desktop_session.close_all()

    expected = desktop.Bubble(
        id=number,
        app="dotagent",
        summary="backup",
        body="attempt 2 of 3 failed, exit 1",
        icon="",
        urgency="critical",
        timeout_ms=0,
    )
    assert (on_screen, [expected]) == (1, desktop_session.history())


def test_two_sessions_do_not_meet(
    desktop_session: desktop.DesktopSession, open_desktop: Callable[[], desktop.DesktopSession]
) -> None:
    """Two sessions at once, as parallel tests have them, differ in bus, display and bubbles."""
    other = open_desktop()
    notify(other.bus_address, "only there", "")

    assert ([], ["only there"]) == (
        desktop_session.seen(),
        [bubble.summary for bubble in other.seen()],
    )
    assert desktop_session.display != other.display


def test_nothing_is_left_running() -> None:
    """When a session ends, every process that carried its bus address is gone."""
    with desktop.session() as session:
        marker = f"DBUS_SESSION_BUS_ADDRESS={session.bus_address}".encode()
        during = carriers(marker)

    assert (True, []) == (len(during) >= 2, carriers(marker))


def carriers(marker: bytes) -> list[str]:
    """The processes that have ``marker`` in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as environ:
                variables = environ.read().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if marker in variables:
            found.append(pid)
    return found
