"""A bubble on this machine's desktop: D-Bus on Linux, Cocoa on macOS; no helper program.

    [[notifiers]]
    driver = "desktop"
    title = "dotagent"           # default: the agent's name
    subtitle = "free space low"  # macOS only
    sound = true                 # macOS only
    urgency = "critical"         # Linux only: low, normal or critical
    icon = "dialog-warning"      # Linux only: the name of an icon, or an absolute path
    expire_ms = 5000             # Linux only: 0 stays until it is closed; default: the desktop's

Needs no account. The daemon must run as the user whose desktop it is: it looks for the session bus
at `$DBUS_SESSION_BUS_ADDRESS`, then at `$XDG_RUNTIME_DIR/bus`. Without a session bus the message is
rejected as unsupported, once, and the destination is parked until a daily probe finds a desktop.
While a session bus is there but nothing shows notifications, it is tried again.

The next message about the same schedule takes the place of the last one, also after a restart of
dotagent. Nobody confirms that a bubble was seen; that the desktop took it is all there is to know.

On macOS the Python that runs dotagent must be an application bundle, as those of python.org and
Homebrew are; otherwise it is unsupported. Written against the interface of the system and tested
with recorded doubles of it, but untested on hardware.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from dotagent.core.fit import fit, points, shorten
from dotagent.core.model import (
    Message,
    Outcome,
    RejectDestination,
    RejectMessage,
    Retry,
    Sent,
    Unsupported,
)
from dotagent.core.shapes import Text, Whole
from dotagent.drivers.kit.driver import Limit
from dotagent.drivers.kit.wire import link_of, plain_tail, title_of
from dotagent.ports import Bus, Pace, Reply, Tools

# The specification sets no limit; a bubble shows a few lines, and some desktops lay out every
# character that they are given before they cut.
BODY = Limit(
    of="body",
    most=1_000,
    unit="characters, escaped where the desktop reads markup",
    source="https://specifications.freedesktop.org/notification-spec/latest/",
)
LIMITS = (BODY,)
PACE = Pace(burst=20, every_ms=500, parallel=1)
TARGET: tuple[str, ...] = ()
SECRETS: tuple[str, ...] = ()
RECALLS = True
"""A send is told the receipt of the one before it."""

_TITLE = 200
_MOST_I32 = 2**31 - 1
_URGENCY = {"low": 0, "normal": 1, "critical": 2}
_SOUND = "Submarine"
_NAME, _PATH = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"
_BUS, _BUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
_RECEIPT = re.compile(r"\bbubble (\d+) of (\S+) on (\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    UNUSED: ClassVar = ("proxy", "ca_file")

    title: str | None = None
    subtitle: str | None = None
    sound: bool = False
    urgency: Literal["low", "normal", "critical"] | None = None
    icon: Text | None = None
    expire_ms: Annotated[int, Whole(what="a time", low=0, high=2**32 - 1)] | None = None


async def send(tools: Tools, config: Config, message: Message) -> Outcome:
    """One bubble, in the place of the last about this schedule."""
    if tools.platform == "darwin":
        return await tools.aside(lambda: _by_cocoa(tools, config, message))
    if tools.platform != "linux":
        return Unsupported(why=f"there are no desktop notifications on {tools.platform}")
    async with tools.bus() as bus:
        return await _by_bus(tools, bus, config, message)


def _body(message: Message, plain: bool, markup: bool) -> str:
    link = link_of(message)
    line = f"{message.line} {link}" if link and link not in message.line else message.line
    tail = plain_tail(message) if plain else message.tail
    return fit(line, tail, BODY.most, points, escape if markup else str)


def escape(text: str) -> str:
    """Literal text for a desktop that reads markup: its summary never is any, its body may be."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# ------------------------------------------------------------------------------------------ Linux


async def _by_bus(tools: Tools, bus: Bus, config: Config, message: Message) -> Outcome:
    asked = await bus.call(_NAME, _PATH, "GetCapabilities")
    if asked.error:
        return refused(asked)
    bus_id = await bus.call(_BUS, _BUS_PATH, "GetId")
    where = f"{asked.sender} on {bus_id.body[0] if bus_id.body else ''}"
    able = set(asked.body[0])
    summary, body = title_of(message, config.title, _TITLE), ""
    if "body" in able:
        body = _body(message, tools.plain, "body-markup" in able)
    else:
        summary = shorten(f"{summary}: {message.line}", 2 * _TITLE)
    tools.handing_over()
    shown = await bus.call(
        _NAME,
        _PATH,
        "Notify",
        "susssasa{sv}i",
        "dotagent",
        replaceable(tools.previous, where),
        config.icon or "",
        summary,
        body,
        [],
        {} if config.urgency is None else {"urgency": ("y", _URGENCY[config.urgency])},
        -1 if config.expire_ms is None else min(config.expire_ms, _MOST_I32),
    )
    return refused(shown) if shown.error else Sent(receipt=f"bubble {shown.body[0]} of {where}")


def replaceable(receipt: str | None, where: str) -> int:
    """The bubble that the new one replaces; 0 for none. The number means something only to the
    very program that gave it: another may have given it to somebody else's bubble."""
    found = _RECEIPT.search(receipt or "")
    return int(found[1]) if found and f"{found[2]} on {found[3]}" == where else 0


def refused(reply: Reply) -> Outcome:
    """What an error means (D-Bus specification, "Standard error names")."""
    word = (reply.error or "").rpartition(".")[2]
    if word in ("ServiceUnknown", "NameHasNoOwner") or "Spawn" in (reply.error or ""):
        return Retry(why="nothing on this desktop shows notifications")
    if word == "AccessDenied":
        return RejectDestination(why="the session bus does not let dotagent show notifications")
    if word == "InvalidArgs":
        return RejectMessage(why="the desktop refused the message (InvalidArgs)")
    return Retry(why=f"the desktop refused the message ({shorten(word, 60)})")


# ------------------------------------------------------------------------------------------ macOS


def _by_cocoa(tools: Tools, config: Config, message: Message) -> Outcome:
    """``NSUserNotification`` is deprecated and still the only way of a program without a bundle of
    its own: its successor ends a process that has none."""
    center = tools.cocoa("NSUserNotificationCenter", "defaultUserNotificationCenter")
    blank = tools.cocoa("NSUserNotification", "alloc")
    note = None if blank is None else tools.cocoa(blank, "init")
    if center is None or note is None:
        why = "macOS shows notifications only of an application bundle, which this Python is not"
        return Unsupported(why=why)
    fields = {
        "setTitle:": title_of(message, config.title, _TITLE),
        "setSubtitle:": shorten(config.subtitle or "", _TITLE),
        "setInformativeText:": _body(message, tools.plain, markup=False),
        "setSoundName:": _SOUND if config.sound else "",
        # The same identifier takes the place of the earlier one.
        "setIdentifier:": f"dotagent {message.agent}/{message.schedule_id}",
    }
    for selector, text in fields.items():
        if text:
            tools.cocoa(note, selector, text, answers=False)
    tools.cocoa(center, "deliverNotification:", note, answers=False)
    return Sent()
