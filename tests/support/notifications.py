"""A notification service made for a test, on a real session bus: it says what it can do and keeps
what it was asked to show. For what dunst cannot be made to do; ``desktop`` has the real thing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jeepney import HeaderFields, Message, MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, Proxy, open_dbus_connection

NAME = "org.freedesktop.Notifications"
OWNED = 1
"""The bus's answer to RequestName: the name is ours."""


@dataclass(slots=True)
class Notifications:
    """``able`` is what it can do; ``error`` is what it answers to Notify instead of showing."""

    able: Sequence[str] = ("body", "body-markup")
    error: str | None = None
    silent: bool = False
    """It reads and never answers a Notify."""
    shown: list[tuple[Any, ...]] = field(default_factory=list)
    next_id: int = 7

    def judge(self, asked: Message) -> Message | None:
        """The answer to one call; None for none."""
        if asked.header.fields[HeaderFields.member] == "GetCapabilities":
            return new_method_return(asked, "as", (list(self.able),))
        self.shown.append(asked.body)
        if self.silent:
            return None
        if self.error is not None:
            return new_error(asked, self.error, "s", ("it says so",))
        number = asked.body[1] or self.next_id
        self.next_id += 1
        return new_method_return(asked, "u", (number,))


@contextmanager
def offered(address: str, service: Notifications) -> Iterator[Notifications]:
    """The service, on the bus at ``address`` until the end of the block."""
    with open_dbus_connection(address) as bus:
        assert OWNED == Proxy(message_bus, bus).RequestName(NAME)[0]
        stopped = threading.Event()
        thread = threading.Thread(target=_serve, args=(bus, service, stopped))
        thread.start()
        try:
            yield service
        finally:
            stopped.set()
            thread.join()


def _serve(bus: DBusConnection, service: Notifications, stopped: threading.Event) -> None:
    while not stopped.is_set():
        try:
            asked = bus.receive(timeout=0.05)
        except TimeoutError:
            continue
        if asked.header.message_type is MessageType.method_call:
            answer = service.judge(asked)
            if answer is not None:
                bus.send(answer)
