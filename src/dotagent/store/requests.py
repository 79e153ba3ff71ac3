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

from dotagent.core.decide import Verdict
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
    ended_at: int | None


def _request(row: Row) -> Request:
    return Request(
        id=row["id"],
        kind=row["kind"],
        args=_args(row["args"]),
        state=row["state"],
        note=row["note"],
        answer=json.loads(row["answer"]) if row["answer"] is not None else None,
        ended_at=row["ended_at"],
    )


def _args(text: str) -> Mapping[str, Any]:
    """Anybody of this home may write a row; what is no JSON object names nothing."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def waiting(reader: Reader) -> list[Request]:
    """Requests that nobody has taken yet, in order; first those that call another one off."""
    # As the index of what is open has it, so that SQLite sees that it will do; the plus keeps the
    # one condition from being folded into the other.
    rows = reader.execute(
        "SELECT * FROM requests WHERE state != 'done' AND +state = 'waiting'"
        " ORDER BY kind != 'stop', id"
    )
    return [_request(row) for row in rows]


def request(reader: Reader, request_id: int) -> Request:
    """How a request stands."""
    found = "SELECT * FROM requests WHERE id = ?"
    return _request(reader.execute(found, (request_id,)).fetchone())


def unfinished(reader: Reader) -> set[int]:
    """Requests that are not done."""
    return {row["id"] for row in reader.execute("SELECT id FROM requests WHERE state != 'done'")}


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


def ran(tx: Tx, now: int, request_id: int, attempt_id: int, *, is_final: bool) -> None:
    """The attempt that was asked for has ended. Was it only interrupted, and not ``is_final``, then
    the request waits again."""
    verdict = tx.value("SELECT verdict FROM attempts WHERE id = ?", attempt_id)
    if verdict != Verdict.INTERRUPTED or is_final:
        finish(tx, now, request_id, {"attempt": attempt_id})
        return
    why = tx.value("SELECT words FROM attempts WHERE id = ?", attempt_id)
    tx.run(
        "UPDATE requests SET state = 'waiting', epoch = NULL, note = ? WHERE id = ?",
        f"{why}; it starts again",
        request_id,
    )


def call_off(tx: Tx, now: int, request_id: int, why: str) -> None:
    """Whoever asked does not want it any more. What has begun is not undone."""
    if tx.value("SELECT 1 FROM requests WHERE id = ? AND state = 'waiting'", request_id):
        answer = {"error": f"called off before it began ({why})", "hint": None, "exit": 1}
        finish(tx, now, request_id, answer)


def recover(tx: Tx, actor: Actor, now: int) -> None:
    """Requests that a dead holder had taken: those whose attempt was made are answered by it, the
    others wait again."""
    for row in tx.all("SELECT * FROM requests WHERE state = 'running' AND epoch < ?", actor.epoch):
        attempt = tx.value("SELECT max(id) FROM attempts WHERE request_id = ?", row["id"])
        if attempt is None:
            tx.run("UPDATE requests SET state = 'waiting', epoch = NULL WHERE id = ?", row["id"])
        else:
            ran(tx, now, row["id"], attempt, is_final=False)
