"""What time alone makes worth telling: reminders, absences, the daily summary, and what silences
and rate limits held back.

One look a turn, and one wake: the engine knows nothing of what is behind them.
"""

from __future__ import annotations

from dotagent.core.config import Summary
from dotagent.store import away, outages, owed, silences, summary
from dotagent.store.actor import Actor
from dotagent.store.database import Tx


def look(tx: Tx, actor: Actor, now: int, settings: Summary, *, planned: bool = True) -> set[str]:
    """Say what is due. First what silences held back, so that no reminder is lost in one that is
    over. ``planned``: all that fell due is a window by now. Returns destinations with something to
    send."""
    touched = silences.expire(tx, actor, now) | outages.remind(tx, actor, now)
    touched |= owed.look(tx, actor, now)
    if planned:
        touched |= away.settle(tx, actor, now)
    return touched | summary.tell_due(tx, actor, now, settings)


def next_wake(tx: Tx, actor: Actor, now: int, settings: Summary) -> int | None:
    """When to look again, at the latest."""
    wakes = (
        silences.next_wake(tx),
        outages.next_wake(tx),
        owed.next_wake(tx),
        summary.next_wake(actor, now, settings),
    )
    return min((at for at in wakes if at is not None), default=None)
