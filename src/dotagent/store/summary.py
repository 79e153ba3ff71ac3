"""The daily summary in the store: which day had its own, and how everything stands."""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Row

from dotagent.core import events
from dotagent.core import summary as core
from dotagent.core.config import Summary
from dotagent.core.model import Kind
from dotagent.core.moment import local
from dotagent.core.summary import Standing
from dotagent.store import facts
from dotagent.store.actor import Actor
from dotagent.store.database import Tx
from dotagent.store.reading import Reader
from dotagent.store.tell import tell

_DAY = "summary_day"

_STANDINGS = """
SELECT s.agent, s.id, s.health, s.reason FROM schedules s JOIN agents g ON g.name = s.agent
WHERE g.gone_at IS NULL AND s.gone_at IS NULL ORDER BY s.agent, s.id
"""
_LOST = """
SELECT count(*) FROM deliveries d WHERE state IN ('expired', 'rejected')
AND NOT EXISTS (SELECT 1 FROM deliveries r WHERE r.resend_of = d.id)
"""


def tell_due(tx: Tx, actor: Actor, now: int, settings: Summary) -> set[str]:
    """Tell the day's summary if its time has come. Returns destinations with something to send."""
    if not settings.enabled:
        return set()
    last = facts.recall(tx, _DAY)
    due = core.due(now, actor.zone, settings.at_minute, settings.grace_ms, last)
    if due is None:
        return set()
    facts.remember(tx, _DAY, due.day)
    return say(tx, actor, now, settings, due.day) if due.send else set()


def say(tx: Tx, actor: Actor, now: int, settings: Summary, day: str | None = None) -> set[str]:
    """Tell how everything stands: those that the configuration names, else all that ask for it."""
    day = day or local(now, actor.zone).date().isoformat()
    line, below = core.text(_standings(tx.all(_STANDINGS)), day, int(tx.value(_LOST)))
    event = events.of_system(Kind.DAILY_SUMMARY, now, line, below)
    only = {("", name) for name in settings.notifiers} or None
    return tell(tx, actor, now, [event], only=only, owed=only is not None)


def preview(reader: Reader, day: str) -> tuple[str, str]:
    """The same text, told to nobody."""
    standings = _standings(reader.execute(_STANDINGS))
    return core.text(standings, day, int(reader.execute(_LOST).fetchone()[0]))


def _standings(rows: Iterable[Row]) -> list[Standing]:
    return [
        Standing(name=f"{row['agent']}/{row['id']}", health=row["health"], reason=row["reason"])
        for row in rows
    ]


def next_wake(actor: Actor, now: int, settings: Summary) -> int | None:
    """When the next one is to go out."""
    if not settings.enabled:
        return None
    return core.next_at(now, actor.zone, settings.at_minute)
