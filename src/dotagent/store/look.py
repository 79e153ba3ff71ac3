"""Named look-ups on a reading connection, for the steps and the engine. Nothing here writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from sqlite3 import Row
from typing import Any

from dotagent.core.model import Event, Kind
from dotagent.store.adopt import FileRow
from dotagent.store.database import Reader
from dotagent.store.event_row import PRINTED, Content, content_of, event_of
from dotagent.store.facts import SYNCED


def home(reader: Reader) -> tuple[str, bytes]:
    """The home's id and its key for fingerprints."""
    row = reader.execute("SELECT id, key FROM home").fetchone()
    return row["id"], row["key"]


def manifests(reader: Reader) -> dict[str, FileRow]:
    """Every manifest file that the last pass knew, by path."""
    return {row["path"]: _file(row) for row in reader.execute("SELECT * FROM manifests")}


def _file(row: Row) -> FileRow:
    values = {name: row[name] for name in row.keys() if name != "fatal"}  # noqa: SIM118
    return FileRow(**values, fatal=bool(row["fatal"]), changed=False)


def root_devices(reader: Reader) -> dict[str, int | None]:
    """The device that each root was last seen on."""
    return {row["path"]: row["dev"] for row in reader.execute("SELECT path, dev FROM roots")}


def running(reader: Reader) -> dict[str, tuple[str, str]]:
    """What runs: the path and the hash of each agent's manifest, by name."""
    rows = reader.execute("SELECT name, path, sha256 FROM agents WHERE gone_at IS NULL")
    return {row["name"]: (row["path"], row["sha256"]) for row in rows}


def agent_names(reader: Reader) -> list[str]:
    """Every agent that is known, gone or not."""
    return [row["name"] for row in reader.execute("SELECT name FROM agents")]


def fact(reader: Reader, name: str) -> str | None:
    """A remembered fact."""
    row = reader.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row["value"])


def agent(reader: Reader, name: str) -> Row | None:
    """The agent's row (``path``, ``sha256``, ``gone_at``), gone or not."""
    row: Row | None = reader.execute("SELECT * FROM agents WHERE name = ?", (name,)).fetchone()
    return row


def last_success(reader: Reader, agent: str, schedule: str) -> int | None:
    """When the schedule last succeeded."""
    row = reader.execute(
        "SELECT last_success_at FROM schedules WHERE agent = ? AND id = ?", (agent, schedule)
    ).fetchone()
    return None if row is None else row["last_success_at"]


def event(reader: Reader, seq: int) -> Content:
    """An event, and what its attempt printed."""
    row = reader.execute(
        f"SELECT e.*, {PRINTED} FROM events e"
        " LEFT JOIN attempts a ON a.id = e.attempt_id WHERE e.seq = ?",
        (seq,),
    ).fetchone()
    return content_of(row)


def last_receipt(reader: Reader, delivery_id: int) -> str | None:
    """The receipt of what was last sent under the delivery's order key before it."""
    row = reader.execute(
        "SELECT p.reason FROM deliveries p WHERE p.state = 'sent' AND p.reason != ''"
        " AND p.order_key = (SELECT order_key FROM deliveries WHERE id = ?1)"
        " ORDER BY p.id DESC LIMIT 1",
        (delivery_id,),
    ).fetchone()
    return None if row is None else str(row["reason"])


def events(reader: Reader, seqs: Sequence[int]) -> list[Event]:
    """These events, in order, without what their attempts printed."""
    wanted = ",".join(str(int(each)) for each in seqs)
    rows = reader.execute(f"SELECT * FROM events WHERE seq IN ({wanted}) ORDER BY seq")
    return [event_of(row) for row in rows]


def last_event(reader: Reader) -> int:
    """The last event's number; 0 without one."""
    return int(reader.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])


def home_events(reader: Reader, after: int, to: int) -> list[tuple[Kind, str, int, Any]]:
    """Kind, severity, instant and facts of each event about the home itself after one and up to
    another."""
    rows = reader.execute(
        "SELECT kind, severity, at, facts FROM events WHERE seq > ? AND seq <= ?"
        " AND agent = '' ORDER BY seq",
        (after, to),
    )
    return [
        (Kind(row["kind"]), row["severity"], row["at"], json.loads(row["facts"])) for row in rows
    ]


# ---------------------------------------------------------------------------------------- the audit


def audit_after(reader: Reader, seq: int, limit: int) -> list[tuple[int, bytes]]:
    """The next audit rows: their number and line."""
    rows = reader.execute(
        "SELECT seq, line FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
    )
    return [(row["seq"], row["line"]) for row in rows]


def audit_head(reader: Reader) -> int:
    """The last audit row's number; 0 without one."""
    return int(reader.execute("SELECT coalesce(max(seq), 0) FROM audit").fetchone()[0])


def audit_first(reader: Reader) -> int:
    """The first audit row that is still here; 1 without one."""
    return int(reader.execute("SELECT coalesce(min(seq), 1) FROM audit").fetchone()[0])


def audit_synced(reader: Reader) -> int:
    """The row up to which the file was known to be complete; later ones may be there or not."""
    row = reader.execute("SELECT value FROM facts WHERE name = ?", (SYNCED,)).fetchone()
    return 0 if row is None else int(row["value"])


def audit_seq_of(reader: Reader, digest: str) -> int | None:
    """The row whose line has this hash; 0 for what the first row names as the one before it."""
    row = reader.execute("SELECT seq FROM audit WHERE hash = ?", (digest,)).fetchone()
    if row is not None:
        return int(row["seq"])
    return 0 if digest == reader.execute("SELECT anchor FROM home").fetchone()["anchor"] else None


def audit_anchor(reader: Reader) -> str:
    """What the first row names as the one before it."""
    anchor: str = reader.execute("SELECT anchor FROM home").fetchone()["anchor"]
    return anchor


def audit_hash(reader: Reader, seq: int) -> str | None:
    """The hash of a row's line; None if there is no such row."""
    row = reader.execute("SELECT hash FROM audit WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else row["hash"]
