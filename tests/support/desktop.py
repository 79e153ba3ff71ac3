"""A desktop of its own for a test: a private session bus, a virtual display, a real dunst on both.

Nothing of the person's own session is touched: bus, display number, home and configuration are the
test's. The bus starts no services by itself, so a bus without dunst is one without notifications.
Every process is one that this module started and is ended by its own handle.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from jeepney import DBusAddress, MatchRule, Properties, new_method_call
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, Proxy, open_dbus_connection

from tests.support.system import require

PATIENCE = 20.0
"""Seconds that any part may take to come up on a busy machine."""

NOTIFICATIONS = DBusAddress(
    "/org/freedesktop/Notifications",
    bus_name="org.freedesktop.Notifications",
    interface="org.freedesktop.Notifications",
)
DUNST = NOTIFICATIONS.with_interface("org.dunstproject.cmd0")

BUS_CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""

DUNST_CONFIG = """\
[global]
    font = Monospace 8
    history_length = 100
    idle_threshold = 0
    show_age_threshold = -1
[urgency_low]
    timeout = 0
    format = "low"
[urgency_normal]
    timeout = 0
    format = "normal"
[urgency_critical]
    timeout = 0
    format = "critical"
"""
"""No bubble leaves by itself. dunst 1.9 keeps no urgency in its history but it keeps the text as
formatted, so the format is the urgency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """One notification as the daemon keeps it."""

    id: int
    app: str
    summary: str
    body: str
    icon: str
    """The file shown; empty where no such icon was found."""
    urgency: str
    """``low``, ``normal`` or ``critical``."""
    timeout_ms: int
    """After how long it leaves by itself; 0 for never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesktopSession:
    """A running session: ``env`` is what a program in it must have in its environment."""

    bus_address: str
    display: str
    env: Mapping[str, str]
    bus: DBusConnection

    def displayed(self) -> int:
        """How many bubbles are on the screen now."""
        reply = self.bus.send_and_get_reply(Properties(DUNST).get("displayedLength"))
        return cast(int, reply.body[0][1])

    def close_all(self) -> None:
        """Take all bubbles off the screen; dunst moves them to its history."""
        self.bus.send_and_get_reply(new_method_call(DUNST, "NotificationCloseAll"))

    def history(self) -> list[Bubble]:
        """What ``dunstctl history`` prints, oldest first: every bubble that has left the screen."""
        reply = self.bus.send_and_get_reply(new_method_call(DUNST, "NotificationListHistory"))
        return sorted((_bubble(entry) for entry in reply.body[0]), key=lambda bubble: bubble.id)

    def seen(self) -> list[Bubble]:
        """Every bubble there was, oldest first; those still on the screen are closed by asking."""
        self.close_all()
        return self.history()


def _bubble(entry: Mapping[str, tuple[str, Any]]) -> Bubble:
    value = {key: content for key, (_, content) in entry.items()}
    return Bubble(
        id=value["id"],
        app=value["appname"],
        summary=value["summary"],
        body=value["body"],
        icon=value["icon_path"],
        urgency=value["message"],
        timeout_ms=value["timeout"] // 1_000,
    )


@contextmanager
def session() -> Iterator[DesktopSession]:
    """Start bus, display and daemon; yield once a notification can be shown; end all three."""
    require("dbus-daemon", "Xvfb", "dunst")
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="desktop-")))
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_RUNTIME_DIR": str(home)}
        env["DBUS_SESSION_BUS_ADDRESS"] = _bus(stack, home, env)
        env["DISPLAY"] = _display(stack, env)
        bus = stack.enter_context(open_dbus_connection(env["DBUS_SESSION_BUS_ADDRESS"]))
        _dunst(stack, home, env, bus)
        yield DesktopSession(
            bus_address=env["DBUS_SESSION_BUS_ADDRESS"],
            display=env["DISPLAY"],
            env=env,
            bus=bus,
        )


@contextmanager
def bare_bus() -> Iterator[Mapping[str, str]]:
    """A session bus on which nothing shows notifications: the environment of a program on it."""
    require("dbus-daemon")
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bus-")))
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_RUNTIME_DIR": str(home)}
        yield {**env, "DBUS_SESSION_BUS_ADDRESS": _bus(stack, home, env)}


def _bus(stack: ExitStack, home: Path, env: Mapping[str, str]) -> str:
    config = home / "bus.conf"
    config.write_text(BUS_CONFIG.format(socket=home / "bus"))
    argv = ["dbus-daemon", f"--config-file={config}", "--nofork", "--nosyslog"]
    return _announced(stack, home, env, argv, "--print-address={fd}")


def _display(stack: ExitStack, env: Mapping[str, str]) -> str:
    """``-displayfd`` lets the server take the first free number, whoever else runs at once."""
    argv = ["Xvfb", "-screen", "0", "800x600x24", "-nolisten", "tcp", "-displayfd"]
    return ":" + _announced(stack, Path(env["HOME"]), env, argv, "{fd}")


def _dunst(stack: ExitStack, home: Path, env: Mapping[str, str], bus: DBusConnection) -> None:
    config = home / "dunstrc"
    config.write_text(DUNST_CONFIG)
    name = NOTIFICATIONS.bus_name
    owned = MatchRule(type="signal", interface=message_bus.interface, member="NameOwnerChanged")
    owned.add_arg_condition(0, str(name))
    Proxy(message_bus, bus).AddMatch(owned)
    with bus.filter(owned) as arrivals:
        _start(stack, home, env, ["dunst", "-config", str(config)])
        bus.recv_until_filtered(arrivals, timeout=PATIENCE)


def _announced(
    stack: ExitStack, home: Path, env: Mapping[str, str], argv: list[str], flag: str
) -> str:
    """Start ``argv`` plus ``flag`` with a descriptor; return the line that it writes there."""
    read_end, write_end = os.pipe()
    try:
        _start(stack, home, env, [*argv, flag.format(fd=write_end)], pass_fd=write_end)
    finally:
        os.close(write_end)
    with os.fdopen(read_end) as lines:
        ready, _, _ = select.select([lines], [], [], PATIENCE)
        line = lines.readline().strip() if ready else ""
    if not line:
        raise RuntimeError(f"{argv[0]} did not come up: {_said(home, argv[0])}")
    return line


def _start(
    stack: ExitStack,
    home: Path,
    env: Mapping[str, str],
    argv: list[str],
    pass_fd: int | None = None,
) -> None:
    with (home / f"{argv[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            argv,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=() if pass_fd is None else (pass_fd,),
        )
    stack.callback(_end, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _said(home: Path, program: str) -> str:
    return (home / f"{program}.log").read_text(errors="replace").strip() or "it said nothing"
