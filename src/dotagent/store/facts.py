"""Single remembered facts: a name and a text."""

from __future__ import annotations

from dotagent.store.database import Tx

SYNCED = "audit_synced"
"""The audit row that is known to have reached the file."""


def recall(tx: Tx, name: str) -> str | None:
    value: str | None = tx.value("SELECT value FROM facts WHERE name = ?", name)
    return value


def remember(tx: Tx, name: str, value: str) -> bool:
    """Remember; whether it is news."""
    if recall(tx, name) == value:
        return False
    tx.run("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", name, value)
    return True
