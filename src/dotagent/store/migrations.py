"""Numbered migrations: ``sql/NNNN_name.sql``, each applied once, in order, in one transaction.

``PRAGMA user_version`` holds the number of the last one applied. A migration that has been
released is never edited; a change is a new number.
"""

import os
import sqlite3

LATEST = 1
"""The schema this program speaks; a test holds it against the folder."""

FOLDER = os.path.join(os.path.dirname(__file__), "sql")


def files() -> list[tuple[int, str]]:
    """``(number, path)`` of every migration, in order."""
    names = sorted(name for name in os.listdir(FOLDER) if name.endswith(".sql"))
    return [(int(name.split("_")[0]), os.path.join(FOLDER, name)) for name in names]


def apply(db: sqlite3.Connection, before: int) -> None:
    """Apply every migration after ``before``; all or nothing. Another process may be doing the
    same: the version is read again under the write lock."""
    db.execute("BEGIN IMMEDIATE")
    try:
        before = int(db.execute("PRAGMA user_version").fetchone()[0])
        for number, path in files():
            if number > before:
                with open(path, encoding="utf-8") as file:
                    for statement in statements(file.read()):
                        db.execute(statement)
                db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def statements(script: str) -> list[str]:
    """The script's statements. ``executescript`` would commit between them."""
    found, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found
