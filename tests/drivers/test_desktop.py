"""Bubbles over D-Bus, on a real bus with a service made for the test; and Cocoa, as a double."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dotagent.core.model import (
    Outcome,
    RejectDestination,
    RejectMessage,
    Retry,
    Sent,
    Unknown,
    Unsupported,
)
from dotagent.core.structure import structure
from dotagent.drivers.desktop import Config, refused, replaceable
from dotagent.ports import Reply
from tests.drivers.harness import Stage, kit, message, parcel
from tests.support.desktop import bare_bus
from tests.support.notifications import Notifications, offered
from tests.support.system import linux_only

pytestmark = linux_only


@pytest.fixture
def bus() -> Iterator[Mapping[str, str]]:
    """A session bus without any service."""
    with bare_bus() as env:
        yield env


async def shown(env: Mapping[str, str], settings: dict[str, Any], **more: Any) -> Outcome:
    async with kit(env) as sender:
        return await sender.send(parcel("desktop", settings, **more))


@asynccontextmanager
async def stage(service: Notifications | None) -> AsyncIterator[Stage]:
    with bare_bus() as env:
        async with kit(env) as sender:
            if service is None:
                yield Stage(kit=sender, settings={})
                return
            with offered(env["DBUS_SESSION_BUS_ADDRESS"], service):
                yield Stage(kit=sender, settings={})


STAGES = {
    "well": lambda secret: stage(Notifications()),
    "hangs": lambda secret: stage(Notifications(silent=True)),
    "refuses": lambda secret: stage(Notifications(error="org.example.Error.Full")),
    "gone": lambda secret: stage(None),
}


# ------------------------------------------------------------------------------------ on the wire


async def test_every_argument(bus: Mapping[str, str]) -> None:
    """Notify is called as dotagent 0.1.x calls it, key by key (contract §9)."""
    settings = {
        "title": "Disk",
        "subtitle": "only macOS",
        "sound": True,
        "urgency": "low",
        "icon": "dialog-warning",
        "expire_ms": 5_000,
    }
    with offered(bus["DBUS_SESSION_BUS_ADDRESS"], Notifications()) as service:
        await shown(bus, settings, message=message("a <b> & c", "it's <i>full</i>"))
        await shown(bus, {}, message=message("plain"))

    assert [
        (
            "dotagent",
            0,
            "dialog-warning",
            "Disk",
            "a &lt;b&gt; &amp; c\nit's &lt;i&gt;full&lt;/i&gt;",
            [],
            {"urgency": ("y", 0)},
            5_000,
        ),
        ("dotagent", 0, "", "disk", "plain", [], {}, -1),
    ] == service.shown


@pytest.mark.parametrize(
    ("able", "summary", "body"),
    [
        (("body",), "disk", "a <b> & c\n<i>"),
        (("body", "body-markup"), "disk", "a &lt;b&gt; &amp; c\n&lt;i&gt;"),
        (("actions",), "disk: a <b> & c", ""),
    ],
)
async def test_capabilities(
    bus: Mapping[str, str], able: tuple[str, ...], summary: str, body: str
) -> None:
    """Text is escaped only where the desktop reads markup; one without bodies gets one line."""
    with offered(bus["DBUS_SESSION_BUS_ADDRESS"], Notifications(able=able)) as service:
        await shown(bus, {}, message=message("a <b> & c", "<i>"))

    assert (summary, body) == (service.shown[0][3], service.shown[0][4])


async def test_in_place(bus: Mapping[str, str]) -> None:
    """The receipt of the last bubble makes the next one replace it; that of another service, which
    may have given the same number to somebody else's bubble, does not."""
    with offered(bus["DBUS_SESSION_BUS_ADDRESS"], Notifications()) as service:
        first = await shown(bus, {})
        assert isinstance(first, Sent)
        await shown(bus, {}, previous=first.receipt)
    with offered(bus["DBUS_SESSION_BUS_ADDRESS"], Notifications()) as other:
        await shown(bus, {}, previous=first.receipt)

    assert [0, 7] == [each[1] for each in service.shown]
    assert [0] == [each[1] for each in other.shown]


@pytest.mark.parametrize("receipt", [None, "", "bubble x of :1.1 on ab", "bubble 3 of :1.2 on ab"])
def test_no_replacement(receipt: str | None) -> None:
    """Without a receipt, or with a strange one, a new bubble is made."""
    assert (0, 3) == (
        replaceable(receipt, ":1.1 on ab"),
        replaceable("bubble 3 of :1.1 on ab", ":1.1 on ab"),
    )


async def test_the_longest_expiry(bus: Mapping[str, str]) -> None:
    """What 0.1.x takes and D-Bus cannot carry is the longest that it can."""
    with offered(bus["DBUS_SESSION_BUS_ADDRESS"], Notifications()) as service:
        await shown(bus, {"expire_ms": 2**32 - 1})

    assert 2**31 - 1 == service.shown[0][7]


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"urgency": "critcal"}, "urgency"),
        ({"expire_ms": -1}, "expire_ms"),
        ({"expire_ms": 2**32}, "expire_ms"),
        ({"icon": "a\0b"}, "icon"),
    ],
)
def test_bad_settings(settings: dict[str, Any], path: str) -> None:
    """A value that means nothing is found when the manifest is read."""
    _, problems = structure(settings, Config)

    assert [path] == [problem.path for problem in problems]


# -------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("org.freedesktop.DBus.Error.ServiceUnknown", Retry),
        ("org.freedesktop.DBus.Error.NameHasNoOwner", Retry),
        ("org.freedesktop.DBus.Error.Spawn.ExecFailed", Retry),
        ("org.freedesktop.DBus.Error.AccessDenied", RejectDestination),
        ("org.freedesktop.DBus.Error.InvalidArgs", RejectMessage),
        ("org.freedesktop.Notifications.Error.ExcessNotificationGeneration", Retry),
        ("", Retry),
    ],
)
def test_errors(error: str, kind: type[Outcome]) -> None:
    """Each error of bus and service means something."""
    assert isinstance(refused(Reply(error=error)), kind)


async def test_bus_without_a_service(bus: Mapping[str, str]) -> None:
    """A desktop that is still starting, or whose panel has crashed, is tried again."""
    assert Retry(why="nothing on this desktop shows notifications") == await shown(bus, {})


async def test_no_bus(tmp_path: Path) -> None:
    """Without a session bus, whatever the variables say, it is unsupported and says where it
    looked."""
    for named in ("", "unix:path=/nowhere", "tcp:host=x,port=1", "nonsense", "unix:x"):
        env = {"XDG_RUNTIME_DIR": str(tmp_path), "DBUS_SESSION_BUS_ADDRESS": named}
        outcome = await shown(env, {})

        assert isinstance(outcome, Unsupported)
        assert "no session bus at $DBUS_SESSION_BUS_ADDRESS or $XDG_RUNTIME_DIR/bus" in outcome.why


async def test_stale_variable(bus: Mapping[str, str]) -> None:
    """An address from an earlier login is no obstacle where systemd's bus is there."""
    env = {**bus, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/gone"}
    with offered(bus["DBUS_SESSION_BUS_ADDRESS"], Notifications()) as service:
        assert isinstance(await shown(env, {}), Sent)

    assert 1 == len(service.shown)


@pytest.mark.parametrize("says", [b"", b"REJECTED EXTERNAL\r\n"])
async def test_strange_bus(tmp_path: Path, says: bytes) -> None:
    """A bus that hangs up, or that lets in others only, is no crash."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(says)
        writer.close()

    async with await asyncio.start_unix_server(greet, tmp_path / "bus"):
        outcome = await shown({"XDG_RUNTIME_DIR": str(tmp_path)}, {})

    assert isinstance(outcome, Unsupported if says else Retry)


async def test_abandoned_bus(tmp_path: Path) -> None:
    """A socket that nobody listens to any more is tried again: a bus may just be starting."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "bus"))
        outcome = await shown({"XDG_RUNTIME_DIR": str(tmp_path)}, {})

    assert Retry(why="the session bus refuses connections") == outcome


async def test_late_before_and_after(bus: Mapping[str, str], tmp_path: Path) -> None:
    """A bus that never answers is a retry; a service that took the message and never answers
    leaves open whether it was shown."""
    stuck, over = asyncio.Event(), asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stuck.wait()
        writer.close()
        over.set()

    with offered(bus["DBUS_SESSION_BUS_ADDRESS"], Notifications(silent=True)):
        after = await shown(bus, {}, timeout_ms=500)
    async with await asyncio.start_unix_server(hang, tmp_path / "bus"):
        before = await shown({"XDG_RUNTIME_DIR": str(tmp_path)}, {}, timeout_ms=100)
        stuck.set()
        await over.wait()

    assert Retry(why="the session bus did not take the message within 0.1 s") == before
    assert Unknown(why="no answer from the session bus within 0.5 s") == after


# ------------------------------------------------------------------------------------------ macOS


@dataclass(slots=True)
class CocoaDouble:
    """Records the messages that Objective-C would get; ``lacks`` answers nil."""

    lacks: str = ""
    sent: list[tuple[Any, ...]] = field(default_factory=list)

    def __call__(
        self, receiver: Any, selector: str, *arguments: Any, answers: bool = True
    ) -> Any | None:
        self.sent.append((receiver, selector, *arguments))
        return f"{receiver} {selector}" if answers and selector != self.lacks else None


async def on_macos(cocoa: CocoaDouble, settings: dict[str, Any]) -> Outcome:
    async with kit(platform="darwin", cocoa=cocoa) as sender:
        return await sender.send(parcel("desktop", settings, message=message("a <b>", "<i>")))


async def test_macos() -> None:
    """A notification with every key of macOS, literal text, and the schedule as its identifier."""
    cocoa = CocoaDouble()
    settings = {"title": "Disk", "subtitle": "low", "sound": True, "urgency": "low", "icon": "x"}
    outcome = await on_macos(cocoa, settings)
    note = "NSUserNotification alloc init"

    assert Sent() == outcome
    assert [
        (note, "setTitle:", "Disk"),
        (note, "setSubtitle:", "low"),
        (note, "setInformativeText:", "a <b>\n<i>"),
        (note, "setSoundName:", "Submarine"),
        (note, "setIdentifier:", "dotagent disk/daily"),
        ("NSUserNotificationCenter defaultUserNotificationCenter", "deliverNotification:", note),
    ] == cocoa.sent[3:]


async def test_quiet_macos() -> None:
    """Without sound and subtitle neither is set."""
    cocoa = CocoaDouble()
    await on_macos(cocoa, {})

    assert {"setSoundName:", "setSubtitle:"}.isdisjoint(each[1] for each in cocoa.sent)


async def test_macos_without_a_bundle() -> None:
    """Where macOS has no notification center for this program, that is said."""
    outcome = await on_macos(CocoaDouble(lacks="defaultUserNotificationCenter"), {})

    assert isinstance(outcome, Unsupported)
    assert "application bundle" in outcome.why


async def test_elsewhere() -> None:
    """Other systems have neither bus nor Cocoa."""
    async with kit(platform="freebsd14") as sender:
        outcome = await sender.send(parcel("desktop", {}))

    assert Unsupported(why="there are no desktop notifications on freebsd14") == outcome
