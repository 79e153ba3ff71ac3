"""Requests: what other processes ask of the holder (rules R2).

A row is ``waiting`` until a holder takes it, ``running`` while it works, ``done`` with its answer.
Whoever asked follows the row; the bell only spares it waiting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from sqlite3 import Row
from typing import Any

from dotagent.store.actor import Actor
from dotagent.store.database import Reader, Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. ``answer`` is None until it is done."""

    id: int
    kind: str
    args: Mapping[str, Any]
    state: str
    note: str
    answer: Mapping[str, Any] | None


def _request(row: Row) -> Request:
    return Request(
        id=row["id"],
        kind=row["kind"],
        args=json.loads(row["args"]),
        state=row["state"],
        note=row["note"],
        answer=json.loads(row["answer"]) if row["answer"] is not None else None,
    )


def waiting(reader: Reader) -> list[Request]:
    """Requests that nobody has taken yet, in order."""
    rows = reader.execute("SELECT * FROM requests WHERE state = 'waiting' ORDER BY id")
    return [_request(row) for row in rows]


def request(reader: Reader, request_id: int) -> Request:
    """How a request stands."""
    found = "SELECT * FROM requests WHERE id = ?"
    return _request(reader.execute(found, (request_id,)).fetchone())


Delivery = Row
"""A row of ``deliveries`` with its event's ``kind`` and its destination's ``down_until``."""


def caused(reader: Reader, asked: Request) -> list[Delivery]:
    """The deliveries that a request made."""
    answer = asked.answer or {}
    ids = ",".join(str(int(each)) for each in answer.get("deliveries", ()))
    return reader.execute(
        "SELECT d.*, e.kind, t.down_until FROM deliveries d JOIN events e ON e.seq = d.event_seq"
        " JOIN destinations t USING (fingerprint)"
        f" WHERE e.attempt_id = ? OR d.id IN ({ids}) ORDER BY d.id",
        (answer.get("attempt"),),
    ).fetchall()


def unsettled(reader: Reader) -> list[Delivery]:
    """Every delivery on its way."""
    return reader.execute(
        "SELECT d.*, e.kind, t.down_until FROM deliveries d JOIN events e ON e.seq = d.event_seq"
        " JOIN destinations t USING (fingerprint) WHERE d.state IN ('pending', 'sending')"
    ).fetchall()


def anything_runs(reader: Reader) -> bool:
    """Whether an attempt is under way."""
    return bool(reader.execute("SELECT 1 FROM attempts WHERE ended_at IS NULL").fetchone())


def take(tx: Tx, actor: Actor, request_id: int) -> None:
    tx.run("UPDATE requests SET state = 'running', epoch = ? WHERE id = ?", actor.epoch, request_id)


def note(tx: Tx, request_id: int, text: str) -> None:
    """Tell the person who follows it what it waits for."""
    tx.run("UPDATE requests SET note = ? WHERE id = ?", text, request_id)


def finish(tx: Tx, now: int, request_id: int, answer: Mapping[str, Any]) -> None:
    tx.run(
        "UPDATE requests SET state = 'done', answer = ?, ended_at = ? WHERE id = ?",
        json.dumps(dict(answer), ensure_ascii=False),
        now,
        request_id,
    )


def recover(tx: Tx, actor: Actor, now: int) -> None:
    """Requests that a dead holder had taken: those whose attempt was made are answered by it, the
    others wait again."""
    for row in tx.all("SELECT * FROM requests WHERE state = 'running' AND epoch < ?", actor.epoch):
        attempt = tx.value("SELECT max(id) FROM attempts WHERE request_id = ?", row["id"])
        if attempt is None:
            tx.run("UPDATE requests SET state = 'waiting', epoch = NULL WHERE id = ?", row["id"])
        else:
            finish(tx, now, row["id"], {"attempt": attempt})
