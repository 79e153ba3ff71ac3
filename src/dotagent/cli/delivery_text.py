"""A delivery in one line for a person, or as data for a program."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

from dotagent.cli.layout import Page, plain
from dotagent.core.duration import human
from dotagent.core.fit import clean
from dotagent.core.model import DeliveryState, Message
from dotagent.core.moment import clock, stamp
from dotagent.store.outbox_view import WAITING, Delivery, Send

STYLES = {
    DeliveryState.SENT: "good",
    DeliveryState.EXPIRED: "bad",
    DeliveryState.REJECTED: "bad",
    DeliveryState.PENDING: "doubtful",
}


def line(delivery: Delivery, now: int, zone: tzinfo, page: Page) -> str:
    """``ops (slack): attempt_failed sent after 120 ms``, and the like."""
    channel = delivery.name
    if delivery.driver not in channel:
        channel = f"{channel} ({delivery.driver})"
    state = page.paint(_state(delivery, now, zone), STYLES.get(delivery.state, ""))
    return f"{channel}: {delivery.kind} {state}{_details(delivery)}"


def _state(delivery: Delivery, now: int, zone: tzinfo) -> str:
    match delivery.state:
        case DeliveryState.PENDING if delivery.parked_why is not None:
            return "waits for a channel that accepts no messages"
        case DeliveryState.PENDING if delivery.free_at is None or delivery.free_at <= now:
            return "waits for its turn"
        case DeliveryState.PENDING:
            return f"waits until {clock(delivery.free_at or now, now, zone)}"
        case DeliveryState.SENDING:
            return "is being sent"
        case DeliveryState.SUPPRESSED:
            return "stayed quiet"
        case state:
            return str(state)


def _details(delivery: Delivery) -> str:
    tries = "" if delivery.tries < 2 else f", {delivery.tries} tries"
    if delivery.state is DeliveryState.SENT:
        folded = f" ({delivery.folded})" if delivery.folded else ""
        return f" after {human(delivery.took_ms or 0)}{tries}{folded}"
    # What waits for a parked channel waits for that; what has ended says why it ended.
    waits = delivery.parked_why if delivery.state in WAITING else ""
    why = waits or delivery.reason or delivery.parked_why or delivery.tried_why
    return f"{tries} ({plain(why)})" if why else tries


def entry(delivery: Delivery, now: int, zone: tzinfo, page: Page) -> str:
    """The line with when it was, and whose run."""
    when = clock(delivery.at, now, zone)
    whose = f"{delivery.agent}/{delivery.schedule_id}  " if delivery.agent else ""
    return f"{when}  {whose}{line(delivery, now, zone, page)}"


def full(
    delivery: Delivery,
    message: Message,
    sends: Sequence[Send],
    now: int,
    zone: tzinfo,
    page: Page,
) -> str:
    """All there is to say of it: the message as it reads, then the ledger."""
    lines = [f"{delivery.id}  {entry(delivery, now, zone, page)}"]
    if delivery.resend_of is not None:
        lines.append(f"Sent again by hand, for {delivery.resend_of}.")
    lines += ["", page.paint(plain(message.title), "head"), f"  {plain(message.line)}"]
    lines += [f"  {each}" for each in clean(message.tail).splitlines()]
    lines += ["", page.paint("Tries", "head")]
    lines += [_try(send, now, zone) for send in sends] or ["  none yet"]
    return "\n".join(lines)


def _try(send: Send, now: int, zone: tzinfo) -> str:
    came = "under way" if send.outcome is None else send.outcome.replace("_", " ")
    took = "" if send.ended_at is None else f" after {human(send.ended_at - send.started_at)}"
    why = f": {plain(send.why)}" if send.why else ""
    doubt = " (may have been a repeat)" if send.may_repeat else ""
    return f"  {send.number}  {clock(send.started_at, now, zone)}  {came}{took}{why}{doubt}"


def send_data(send: Send, zone: tzinfo) -> dict[str, Any]:
    """One try for programs; instants as ``data`` has them."""

    def iso(at: int | None) -> str | None:
        return None if at is None else stamp(at, zone)

    return {
        "number": send.number,
        "started": iso(send.started_at),
        "ended": iso(send.ended_at),
        "outcome": send.outcome,
        "why": send.why,
        "may_repeat": send.may_repeat,
    }


def data(delivery: Delivery, zone: tzinfo) -> dict[str, Any]:
    """For programs, with the names of ``why --json``; instants are ISO 8601 in local time."""

    def iso(at: int | None) -> str | None:
        return None if at is None else stamp(at, zone)

    return {
        "id": delivery.id,
        "event": delivery.kind,
        "event_seq": delivery.event_seq,
        "agent": delivery.agent,
        "schedule": delivery.schedule_id,
        "notifier": delivery.name,
        "driver": delivery.driver,
        "state": delivery.state,
        "reason": delivery.reason,
        "tries": delivery.tries,
        "created": iso(delivery.created_at),
        "ended": iso(delivery.ended_at),
        "took_ms": delivery.took_ms,
        "next_try": iso(delivery.free_at),
        "expires": iso(delivery.expires_at),
        "last_failure": delivery.tried_why,
        "may_repeat": delivery.doubtful,
        "resend_of": delivery.resend_of,
        "held_until": iso(delivery.hold_until or None),
        "folded": delivery.folded,
    }
