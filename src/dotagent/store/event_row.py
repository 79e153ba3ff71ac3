"""An event as its row holds it, with what its attempt printed: all that a message is made of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from sqlite3 import Row

from dotagent.core.model import Event, Kind, Tail

PRINTED = "a.stdout_tail, a.stderr_tail, a.dropped"
"""The columns of the event's attempt, which may not be there any more, or never was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """An event, and the tails of its attempt's output and error output."""

    event: Event
    stdout: Tail
    stderr: Tail


def event_of(row: Row) -> Event:
    """The event in a row of ``events``."""
    return Event(
        kind=Kind(row["kind"]),
        at=row["at"],
        agent=row["agent"],
        schedule_id=row["schedule"],
        seq=row["seq"],
        window_id=row["window_id"],
        attempt_id=row["attempt_id"],
        outage_id=row["outage_id"],
        about=row["about"],
        facts=json.loads(row["facts"]),
    )


def content_of(row: Row) -> Content:
    """The same, where the row has what was ``PRINTED`` too."""
    out, err = json.loads(row["dropped"] or "[0,0]")
    return Content(
        event=event_of(row),
        stdout=Tail(text=row["stdout_tail"] or "", dropped=out),
        stderr=Tail(text=row["stderr_tail"] or "", dropped=err),
    )
