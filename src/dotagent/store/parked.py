"""What is said of a channel that is in trouble: once an episode (rules R21).

Parked by a test alone it is nobody's news yet: who asked for the test has seen it. The first
message that must wait for it is told of.
"""

from __future__ import annotations

from sqlite3 import Row

from dotagent.core import events
from dotagent.core.model import Event, Kind
from dotagent.store.database import Tx


def news(tx: Tx, now: int, destination: Row, kind: Kind, line: str, detail: str) -> list[Event]:
    """Open the episode with one event; within an episode nothing more is said."""
    fingerprint = destination["fingerprint"]
    opened = tx.change(
        "UPDATE destinations SET episode_at = ? WHERE fingerprint = ? AND episode_at IS NULL",
        now,
        fingerprint,
    )
    return [events.of_system(kind, now, line, detail, about=fingerprint)] if opened else []


def of_parked(tx: Tx, now: int, fingerprint: str) -> list[Event]:
    """That the channel is parked, and why, unless that was said."""
    destination = tx.one("SELECT * FROM destinations WHERE fingerprint = ?", fingerprint)
    assert destination is not None
    why = destination["parked_why"]
    line = f"the channel {called(tx, destination)} does not accept messages: {why}"
    detail = "It is tried once a day. Mend it, then: dotagent deliveries retry --parked"
    return news(tx, now, destination, Kind.DESTINATION_PARKED, line, detail)


def called(tx: Tx, destination: Row) -> str:
    """What people call it: its name, and whose it is where it is one agent's."""
    scopes = tx.all(
        "SELECT DISTINCT scope FROM routing WHERE fingerprint = ?", destination["fingerprint"]
    )
    whose = f" of {scopes[0]['scope']}" if len(scopes) == 1 and scopes[0]["scope"] else ""
    return f"“{destination['name']}”{whose}"
