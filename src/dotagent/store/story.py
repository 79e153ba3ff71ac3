"""What has happened since the last look, in order: for who follows a home as it lives."""

from __future__ import annotations

from dataclasses import dataclass, field

from dotagent.core.model import Event
from dotagent.store import look
from dotagent.store.reading import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """An attempt was claimed and is about to start."""

    at: int
    agent: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A send failed and its message is kept; ``again_at`` is when its channel is next tried."""

    at: int
    agent: str
    why: str
    again_at: int


News = Started | Refused | Event


@dataclass(slots=True, kw_only=True)
class Follower:
    """Reads on from where it stopped."""

    _attempt: int = 0
    _event: int = 0
    _refusals: set[tuple[int, int]] = field(default_factory=set)

    def news(self, reader: Reader) -> list[News]:
        """Everything new, oldest first."""
        found: list[News] = [
            *self._events(reader),
            *self._refused(reader),
            *self._starts(reader),
        ]
        return sorted(found, key=lambda each: each.at)

    def _starts(self, reader: Reader) -> list[Started]:
        rows = reader.execute(
            "SELECT id, agent, number, claimed_at FROM attempts WHERE id > ? ORDER BY id",
            (self._attempt,),
        ).fetchall()
        self._attempt = rows[-1]["id"] if rows else self._attempt
        return [
            Started(at=row["claimed_at"], agent=row["agent"], number=row["number"]) for row in rows
        ]

    def _events(self, reader: Reader) -> list[Event]:
        rows = reader.execute(
            "SELECT seq FROM events WHERE seq > ? ORDER BY seq", (self._event,)
        ).fetchall()
        self._event = rows[-1]["seq"] if rows else self._event
        return [look.event(reader, row["seq"]).event for row in rows]

    def _refused(self, reader: Reader) -> list[Refused]:
        rows = reader.execute(
            "SELECT s.delivery_id, s.number, s.ended_at, s.why, e.agent, t.down_until"
            " FROM sends s JOIN deliveries d ON d.id = s.delivery_id"
            " JOIN events e ON e.seq = d.event_seq"
            " JOIN destinations t ON t.fingerprint = s.fingerprint"
            " WHERE s.outcome = 'retry' ORDER BY s.ended_at"
        ).fetchall()
        fresh = [row for row in rows if (row["delivery_id"], row["number"]) not in self._refusals]
        self._refusals |= {(row["delivery_id"], row["number"]) for row in fresh}
        return [
            Refused(
                at=row["ended_at"], agent=row["agent"], why=row["why"], again_at=row["down_until"]
            )
            for row in fresh
        ]


def told(reader: Reader, agent: str) -> list[Event]:
    """The events of ``agent`` that somebody is told of, in their order."""
    rows = reader.execute(
        "SELECT DISTINCT e.seq FROM events e JOIN deliveries d ON d.event_seq = e.seq"
        " WHERE e.agent = ? ORDER BY e.seq",
        (agent,),
    ).fetchall()
    return [look.event(reader, row["seq"]).event for row in rows]


def unfinished(reader: Reader) -> list[tuple[str, int | None, int | None]]:
    """Attempts that have not ended: the marker that their processes bear, the leader's pid and
    start time."""
    home_id, _ = look.home(reader)
    rows = reader.execute("SELECT id, pid, started_ticks FROM attempts WHERE ended_at IS NULL")
    return [(f"{home_id}-{row['id']}", row["pid"], row["started_ticks"]) for row in rows]
