"""The last good routing (rules R16): which notifiers there are, what each asks for.

Invariant: what waits for a notifier follows it to its new address; no address stands here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from sqlite3 import Row

from dotagent.core.manifest_notifier import QuietHours
from dotagent.ports import Pace
from dotagent.store import outages
from dotagent.store.database import Tx
from dotagent.store.tell import order_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRow:
    notifier: str
    name: str
    driver: str
    events: Sequence[str]
    remind: Sequence[int]
    fingerprint: str
    pace: Pace
    quiet_hours: QuietHours | None = None
    rate_limit_ms: int = 0
    collapse: bool = False
    folds: bool = True


def set_routes(tx: Tx, now: int, scope: str, routes: Sequence[RouteRow]) -> None:
    """The notifiers of one agent, or (scope ``''``) of config.toml. What waits for a notifier
    whose address has changed follows it (rules R16)."""
    tx.run("DELETE FROM routing WHERE scope = ?", scope)
    for position, route in enumerate(routes):
        tx.run(
            "INSERT INTO routing (scope, notifier, name, driver, events, remind, quiet_hours,"
            " rate_limit_ms, collapse, folds, fingerprint, position)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            scope,
            route.notifier,
            route.name,
            route.driver,
            json.dumps(list(route.events)),
            json.dumps(list(route.remind)),
            json.dumps(None if route.quiet_hours is None else asdict(route.quiet_hours)),
            route.rate_limit_ms,
            int(route.collapse),
            int(route.folds),
            route.fingerprint,
            position,
        )
        tx.run(
            "INSERT INTO destinations (fingerprint, driver, name, burst, every_ms, parallel)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (fingerprint) DO UPDATE SET"
            " name = excluded.name, burst = excluded.burst, every_ms = excluded.every_ms,"
            " parallel = excluded.parallel",
            route.fingerprint,
            route.driver,
            route.name,
            route.pace.burst,
            route.pace.every_ms,
            route.pace.parallel,
        )
        _move(tx, scope, route.notifier, route.fingerprint)
    outages.reroute(tx, now, scope)


def follow(tx: Tx, row: Row, used: str) -> str:
    """Where a message goes on that was claimed for one address and just sent to ``used``. A
    notifier that was edited meanwhile has its new address (``routed_to``) already. One whose
    ``${NAME}`` means another address by now is learnt here, and what waits for it follows."""
    key = row["scope"], row["notifier"]
    current: str | None = row["routed_to"]
    if current is None:
        return used
    if used == current or current != row["fingerprint"]:
        return current
    tx.run("UPDATE routing SET fingerprint = ? WHERE scope = ? AND notifier = ?", used, *key)
    _move(tx, *key, used)
    return used


def _move(tx: Tx, scope: str, notifier: str, fingerprint: str) -> None:
    """What waits for the notifier goes there; found by the beginning of its order key."""
    tx.run(
        "UPDATE deliveries INDEXED BY deliveries_order SET fingerprint = ?1"
        " WHERE order_key > ?2 AND order_key < ?3 AND state IN ('pending', 'sending')"
        " AND +state = 'pending' AND fingerprint != ?1",
        fingerprint,
        *order_keys(scope, notifier),
    )


def realign(tx: Tx) -> None:
    """What a dead holder was sending when its notifier was given another address goes there."""
    tx.run(
        "UPDATE deliveries SET fingerprint = r.fingerprint FROM routing r"
        " WHERE deliveries.state = 'pending' AND deliveries.suspect = 1"
        " AND r.scope = deliveries.scope AND r.notifier = deliveries.notifier"
        " AND r.fingerprint != deliveries.fingerprint"
    )
