"""What the record knows of this home's troubles, for ``doctor``.

Nothing here writes, not even the files that SQLite keeps beside a database that is read.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from dotagent.store import holders, look, migrations
from dotagent.store.due import DUE_AT, IS_UNSTARTED, UNSTARTED_MS
from dotagent.store.faults import classify
from dotagent.store.reading import IN_USE, Reader, quote, record, refuse_newer


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel in trouble. ``parked_at``: since when it is only tried once a day; ``dead``:
    messages lost since ``since_at``, when its trouble was announced."""

    name: str
    driver: str
    parked_at: int | None
    why: str
    dead: int
    since_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent that runs: where its file lies, and the hash of the copy that is in force.
    ``adopted_sha256``: of the one that was first seen, ``first_seen_at``; ``changed_at``: when it
    last became another, None for never."""

    path: str
    root: str
    sha256: str
    adopted_sha256: str = ""
    first_seen_at: int = 0
    changed_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """``agents`` run, by name; ``files``: the agent that a manifest file is or was the source of.
    ``late``: schedules that are overdue, since ``late_since_at``; of these ``unstarted``: those
    that nothing keeps from being started. ``crashed``: the role of the
    last holder, if it did not end by itself. ``deadman``: why the last dead-man ping failed;
    ``metrics``: why nobody can have them."""

    agents: Mapping[str, Agent]
    files: Mapping[str, str]
    channels: tuple[Channel, ...]
    late: int
    late_since_at: int | None
    unstarted: int
    unstarted_since_at: int | None
    crashed: str | None
    deadman: str = ""
    metrics: str = ""


NOTHING = Known(
    agents={},
    files={},
    channels=(),
    late=0,
    late_since_at=None,
    unstarted=0,
    unstarted_since_at=None,
    crashed=None,
)


@contextmanager
def untouched(path: str) -> Iterator[Reader | None]:
    """The record, as ``reading.record`` gives it. A database that was put away whole, without its
    write-ahead log, is read as a file that does not change: else SQLite would make a log
    (https://www.sqlite.org/wal.html#read_only_databases)."""
    still = _still(path)
    if still is None:
        with record(path) as reader:
            yield reader
        return
    try:
        yield still
    except sqlite3.Error as error:
        raise classify(error, path) from error
    finally:
        still.close()


def _still(path: str) -> Reader | None:
    if os.path.exists(f"{path}-wal") or not os.path.isfile(path):
        return None
    try:
        address = f"file:{quote(path)}?mode=ro&immutable=1"
        db = sqlite3.connect(address, uri=True, isolation_level=None)
        db.row_factory = sqlite3.Row
        if refuse_newer(db, path) == migrations.LATEST:
            return db
    except sqlite3.Error as error:
        raise classify(error, path) from error
    db.close()
    return None


def known(reader: Reader, now: int) -> Known:
    """Everything that ``doctor`` wants to know of the record."""
    agents = reader.execute(
        "SELECT name, path, root, sha256, adopted_sha256, first_seen_at, changed_at FROM agents"
        " WHERE gone_at IS NULL ORDER BY name"
    )
    files = reader.execute("SELECT path, agent FROM manifests WHERE agent IS NOT NULL")
    late = reader.execute(
        f"SELECT count(*) AS late, min({DUE_AT}) AS late_since_at,"
        f" count(*) FILTER (WHERE {IS_UNSTARTED}) AS unstarted,"
        f" min({DUE_AT}) FILTER (WHERE {IS_UNSTARTED}) AS unstarted_since_at FROM schedules s"
        f" WHERE gone_at IS NULL AND held_at IS NULL AND {DUE_AT} < :now - {UNSTARTED_MS}",
        {"now": now},
    ).fetchone()
    last = reader.execute("SELECT role FROM holders ORDER BY epoch DESC LIMIT 1").fetchone()
    return Known(
        agents={
            row["name"]: Agent(**{key: row[key] for key in row.keys() if key != "name"})  # noqa: SIM118
            for row in agents
        },
        files={row["path"]: row["agent"] for row in files},
        channels=_channels(reader),
        **{name: late[name] for name in late.keys()},  # noqa: SIM118
        crashed=last["role"] if last is not None and holders.last_crashed(reader) else None,
        deadman=look.fact(reader, "deadman_problem") or "",
        metrics=look.fact(reader, "metrics_problem") or "",
    )


def _channels(reader: Reader) -> tuple[Channel, ...]:
    rows = reader.execute(
        "SELECT name, driver, parked_at, coalesce(parked_why, '') AS why, dead, episode_at"
        " FROM destinations WHERE (parked_at IS NOT NULL OR dead > 0)"
        f" AND {IN_USE} ORDER BY name, driver"
    )
    return tuple(
        Channel(
            name=row["name"],
            driver=row["driver"],
            parked_at=row["parked_at"],
            why=row["why"],
            dead=row["dead"],
            since_at=row["episode_at"],
        )
        for row in rows
    )
