"""Holders of the home's lock, and what a new one must settle of the old (rules R1, R5, R17).

Whoever holds the lock is alone: rows of an older epoch that are still open belong to a holder that
is dead, and are settled here before anything new is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Row

from dotagent.core import events
from dotagent.core.decide import POISON_CRASHES
from dotagent.core.model import Kind, Unknown
from dotagent.core.passage import Span
from dotagent.store import away, channels, facts, ledger, record, routing, spans
from dotagent.store.actor import Actor
from dotagent.store.database import Reader, Tx
from dotagent.store.tell import tell
from dotagent.store.turn import end as end_delivery

DAEMON = "daemon"
_DIED = "daemon_died"
"""The epoch of a daemon that did not end by itself and was not told of yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """An attempt that ran under a dead holder: whom to look for, and how to settle it."""

    attempt_id: int
    agent: str
    schedule_id: str
    marker: str
    pid: int | None
    started_ticks: int | None
    same_boot: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A new holder's first sight. ``crashed``: the holder before it did not end by itself."""

    epoch: int
    crashed: bool
    idle_since: int | None
    """When the last holder was known to act; None in a new home."""


def begin(
    tx: Tx,
    now: int,
    *,
    role: str,
    pid: int,
    started_ticks: int,
    boot_id: str,
    anchor: str | None = None,
) -> Beginning:
    """Open this holder's row. ``anchor``: the head of an older audit log, for a new home."""
    before = tx.one("SELECT * FROM holders ORDER BY epoch DESC LIMIT 1")
    if before is None and anchor is not None:
        tx.run("UPDATE home SET anchor = ?", anchor)
    crashed = before is not None and before["ended_at"] is None
    since = None if before is None else _last_sign(tx, before)
    if since is not None and since < now:
        why = "dotagent was not running" if not crashed else "dotagent had died"
        spans.add(tx, [Span(from_at=since, to_at=now, why=why)])
    if crashed:
        tx.run("UPDATE holders SET ended_at = ? WHERE ended_at IS NULL", since)
        if before is not None and before["role"] == DAEMON:
            facts.remember(tx, _DIED, str(before["epoch"]))
    if role == DAEMON:
        come_back(tx, now)
    epoch = tx.run(
        "INSERT INTO holders (role, pid, started_ticks, boot_id, began_at) VALUES (?, ?, ?, ?, ?)",
        role,
        pid,
        started_ticks,
        boot_id,
        now,
    )
    return Beginning(
        epoch=epoch,
        crashed=crashed,
        idle_since=since,
    )


def come_back(tx: Tx, now: int) -> None:
    """A daemon was away since anybody last started what schedules want; commands do not."""
    since = tx.value("SELECT max(ended_at) FROM holders WHERE role IN (?, 'tick')", DAEMON)
    if since is not None and since < now:
        away.over(tx, since, now)


def any_yet(reader: Reader) -> bool:
    """Whether this home was ever held."""
    return reader.execute("SELECT 1 FROM holders").fetchone() is not None


def last_crashed(reader: Reader) -> bool:
    """Whether the last holder did not end by itself; false for a database without holders yet."""
    if not reader.execute("SELECT 1 FROM sqlite_schema WHERE name = 'holders'").fetchone():
        return False
    row = reader.execute("SELECT ended_at FROM holders ORDER BY epoch DESC LIMIT 1").fetchone()
    return row is not None and row["ended_at"] is None


def _last_sign(tx: Tx, before: Row) -> int:
    """When the holder before was last known to act."""
    if before["ended_at"] is not None:
        return int(before["ended_at"])
    signs = (
        tx.value("SELECT max(at) FROM events"),
        tx.value("SELECT max(claimed_at) FROM attempts WHERE epoch = ?", before["epoch"]),
        tx.value("SELECT max(to_at) FROM spans WHERE from_at >= ?", before["began_at"]),
        tx.value("SELECT max(started_at) FROM sends WHERE epoch = ?", before["epoch"]),
        before["began_at"],
    )
    return max(int(sign) for sign in signs if sign is not None)


def greet(tx: Tx, actor: Actor, now: int, *, version: str, pid: int) -> None:
    """The daemon's first words in the record, and to people if the daemon before it died, however
    many commands held the lock in between."""
    record.append(tx, actor, now, "info", "daemon_started", version=version, pid=pid)
    if facts.recall(tx, _DIED):
        facts.remember(tx, _DIED, "")
        line = "the daemon had ended without warning and runs again"
        event = events.of_system(Kind.DAEMON_UNCLEAN_RESTART, now, line)
        tell(tx, actor, now, [event])


def orphans(tx: Tx, actor: Actor, boot_id: str) -> list[Orphan]:
    """Attempts that an older holder left open."""
    home_id = tx.value("SELECT id FROM home")
    rows = tx.all(
        "SELECT a.*, h.boot_id FROM attempts a JOIN holders h USING (epoch)"
        " WHERE a.ended_at IS NULL AND a.epoch < ?",
        actor.epoch,
    )
    return [
        Orphan(
            attempt_id=row["id"],
            agent=row["agent"],
            schedule_id=row["schedule"],
            marker=f"{home_id}-{row['id']}",
            pid=row["pid"],
            started_ticks=row["started_ticks"],
            same_boot=row["boot_id"] == boot_id,
        )
        for row in rows
    ]


def recover_sends(tx: Tx, actor: Actor, now: int) -> None:
    """Deliveries found ``sending``: their answer is lost with their holder (rules R17). Those that
    went as one message are one suspect, which goes once more as it was; dies the holder of that
    too, it falls apart, so that the one which is poison is found."""
    found = tx.all(
        "SELECT d.*, e.agent FROM deliveries d JOIN events e ON e.seq = d.event_seq"
        " WHERE d.state = 'sending' AND d.epoch < ? ORDER BY d.id",
        actor.epoch,
    )
    units: dict[int, list[Row]] = {}
    for row in found:
        units.setdefault(row["led_by"] or row["id"], []).append(row)
    suspects = [unit for unit in units.values() if unit[0]["suspect"]] or [*units.values()]
    for lead_id, unit in units.items():
        lead = next((row for row in unit if row["id"] == lead_id), unit[0])
        others = [row["id"] for row in unit if row is not lead]
        ledger.attest(tx, actor, now, lead, lead["tries"], Unknown(why="crash"), others=others)
        blamed = suspects == [unit] and not others
        for row in unit:
            _recover_send(tx, actor, now, row, blamed=blamed, together=bool(others))
    tx.run("UPDATE destinations SET down_until = 0 WHERE unsupported = 1")
    routing.realign(tx)


def _recover_send(
    tx: Tx, actor: Actor, now: int, row: Row, *, blamed: bool, together: bool
) -> None:
    tx.run(
        "UPDATE sends SET ended_at = ?, outcome = 'unknown', why = 'crash'"
        " WHERE delivery_id = ? AND number = ? AND ended_at IS NULL",
        now,
        row["id"],
        row["tries"],
    )
    crashes = row["crashes"] + blamed
    tx.run(
        "UPDATE deliveries SET state = 'pending', epoch = NULL, suspect = 1, crashes = ?,"
        " doubtful = 1, apart = max(apart, ?), reason = 'its answer was lost in a crash'"
        " WHERE id = ?",
        crashes,
        int(together and row["suspect"]),
        row["id"],
    )
    if crashes >= POISON_CRASHES:
        end_delivery(tx, now, row, "rejected", "poison: dotagent died while it was sent, again")
        channels.dead(tx, actor, now, row["fingerprint"], [row], "dotagent dies sending it")


def end(tx: Tx, actor: Actor, now: int, *, reason: str | None, synced: int) -> None:
    """This holder ends by itself; ``reason`` for a daemon (the signal's name), ``synced`` the
    audit row that has reached the file."""
    facts.remember(tx, facts.SYNCED, str(synced))
    if reason is not None:
        record.append(tx, actor, now, "info", "daemon_stopped", reason=reason)
    tx.run("UPDATE holders SET ended_at = ? WHERE epoch = ?", now, actor.epoch)
