"""What came of a test message, channel by channel: for ``notify test`` and ``connect``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dotagent import app
from dotagent.cli.acting import act, environment
from dotagent.cli.layout import Page, page_for, plain
from dotagent.cli.live import Live
from dotagent.cli.screen import Screen
from dotagent.core.duration import human
from dotagent.core.model import DeliveryState
from dotagent.drivers.kit import registry
from dotagent.drivers.kit.driver import advice
from dotagent.store import outbox_view
from dotagent.store.outbox_view import WAITING, Delivery
from dotagent.store.reading import Reader, connect_reader
from dotagent.store.requests import Request
from dotagent.system import lock
from dotagent.system.paths import Paths
from dotagent.system.signals import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """``deliveries``: one for each channel; ``uninterested``: those that would not hear of such an
    event; ``by_daemon``: whether a daemon sent them."""

    deliveries: Sequence[Delivery]
    uninterested: Sequence[str]
    by_daemon: bool

    @property
    def failed(self) -> list[Delivery]:
        return [each for each in self.deliveries if not arrived(each)]


def arrived(delivery: Delivery) -> bool:
    """Whether the service took it, or its driver says that it need not."""
    quiet = delivery.state is DeliveryState.SUPPRESSED and delivery.tries > 0
    return quiet or delivery.state is DeliveryState.SENT


def send_test(
    paths: Paths,
    env: Mapping[str, str],
    args: Mapping[str, Any],
    signals: Signals,
    *,
    quiet: bool = False,
) -> Tried:
    """Have it sent, and see it settled; each result is said as it comes, unless ``quiet``."""
    screen = Screen()
    teller = _Teller(paths, screen, quiet=quiet)
    try:
        watch, say = teller.watch, screen.note
        done = act(paths, env, "test", args, role="notify", watch=watch, say=say, signals=signals)
        reader = connect_reader(paths.database)
        try:
            found = outbox_view.of_ids(reader, done.answer["deliveries"])
        finally:
            reader.close()
        for each in found:
            teller.tell(each)
        holder = lock.peek(paths.lock)
        by_daemon = holder is not None and holder.role in ("daemon", None)
        return Tried(
            deliveries=found, uninterested=done.answer["uninterested"], by_daemon=by_daemon
        )
    finally:
        screen.close(lambda: signals.stop is not None)


class _Teller:
    """Says each result once, as soon as there is one."""

    def __init__(self, paths: Paths, screen: Screen, *, quiet: bool) -> None:
        self._screen = screen
        self._quiet = quiet
        self._live = Live(paths, screen, tee=False)
        self._page = page_for(sys.stdout, environment())
        self._told: set[int] = set()

    def watch(self, reader: Reader, request: Request) -> None:
        self._live.watch(reader, request)
        for each in outbox_view.of_ids(reader, (request.answer or {}).get("deliveries", ())):
            if each.state not in WAITING:
                self.tell(each)

    def tell(self, delivery: Delivery) -> None:
        if not self._quiet and delivery.id not in self._told:
            self._told.add(delivery.id)
            self._screen.say("\n".join(result(self._page, delivery)))


def result(page: Page, delivery: Delivery) -> list[str]:
    """``✓ ops (slack): sent after 120 ms``; for what did not arrive, why, in the driver's words."""
    name = plain(delivery.name)
    if delivery.driver not in name:
        name = f"{name} ({delivery.driver})"
    took = "" if delivery.took_ms is None else f" after {human(delivery.took_ms)}"
    why = plain(delivery.tried_why or delivery.reason)
    if delivery.state is DeliveryState.SENT:
        return page.paragraph(f"✓ {name}: sent{took}", "good")
    if arrived(delivery):
        return page.paragraph(f"✓ {name}: not sent on purpose{took}: {why}", "good")
    if delivery.state in WAITING:
        return page.paragraph(f"✗ {name}: still on its way: {why or 'no answer yet'}", "bad")
    return page.paragraph(f"✗ {name}: did not arrive{took}: {why}", "bad")


def to_check(driver: str) -> list[str]:
    """What the driver itself says about its settings and what its failures mean."""
    known = registry.load(driver) if driver in registry.names() else None
    return [] if known is None else advice(known)


def paths_of(env: Mapping[str, str]) -> Paths:
    """The home, its store ready for a request."""
    paths = app.paths_of(env)
    app.prepare_store(paths)
    return paths
