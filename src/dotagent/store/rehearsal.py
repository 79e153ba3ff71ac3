"""A copy of the present in memory: what planning looks at and writes to, without the past.

For whoever asks what would happen: the same functions decide on the same rows, and nothing of it
touches the home. Invariant: looking leaves no file behind that was not there, not even SQLite's.
"""

from __future__ import annotations

import os
import sqlite3

from dotagent.core.errors import DotagentError
from dotagent.store import migrations
from dotagent.store.database import Tx
from dotagent.store.faults import classify
from dotagent.store.reading import quote, refuse_newer

PAST = ("audit", "deliveries", "events", "holders", "requests", "sends", "spans")
"""What planning never looks at; it may be large."""
PRESENT = {
    "attempts": "ended_at IS NULL OR id IN (SELECT max(id) FROM real.attempts"
    " GROUP BY agent, schedule)",
    "windows": "state IN ('waiting', 'running')",
}
"""Of these only what is open, and the last of each schedule."""


def copy(path: str) -> Tx:
    """The present of the database ``path``, of an empty one where there is none, in the schema of
    this program. Raises ``StoreError``."""
    db = sqlite3.connect("file::memory:", uri=True, isolation_level=None)
    db.row_factory = sqlite3.Row
    try:
        if os.path.exists(path):
            _fill(db, path)
        migrations.apply(db, refuse_newer(db, path))
    except sqlite3.Error as error:
        db.close()
        raise classify(error, path) from error
    except DotagentError:
        db.close()
        raise
    return Tx(db)


def _fill(db: sqlite3.Connection, path: str) -> None:
    # Without its log nobody has it open and the file is all there is; SQLite would make a log,
    # and leave it there, even for a connection that only reads (https://www.sqlite.org/wal.html).
    quiet = "" if os.path.exists(f"{path}-wal") else "&immutable=1"
    db.execute("ATTACH ? AS real", (f"file:{quote(path)}?mode=ro{quiet}",))
    db.execute("BEGIN")
    version = db.execute("PRAGMA real.user_version").fetchone()[0]
    made = db.execute(
        "SELECT type, name, sql FROM real.sqlite_schema WHERE sql IS NOT NULL"
        " AND name NOT LIKE 'sqlite_%' ORDER BY type = 'table' DESC"
    ).fetchall()
    for kind, name, sql in made:
        db.execute(sql)
        if kind == "table" and name not in PAST:
            which = f" WHERE {PRESENT[name]}" if name in PRESENT else ""
            db.execute(f"INSERT INTO main.{name} SELECT * FROM real.{name}{which}")
    db.execute(f"PRAGMA main.user_version = {version}")
    db.execute("COMMIT")
    db.execute("DETACH real")
