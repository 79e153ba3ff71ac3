"""What time alone makes worth telling: reminders, the ends of silences and of rate limits.

One look a turn, and one wake: the engine knows nothing of what is behind them.
"""

from __future__ import annotations

from dotagent.store import outages, owed, silences
from dotagent.store.actor import Actor
from dotagent.store.database import Tx


def look(tx: Tx, actor: Actor, now: int) -> set[str]:
    """Say what is due. First what silences held back, so that no reminder is lost in one that is
    over. Returns destinations with something to send."""
    touched = silences.expire(tx, actor, now) | outages.remind(tx, actor, now)
    return touched | owed.look(tx, actor, now)


def next_wake(tx: Tx) -> int | None:
    """When to look again, at the latest."""
    wakes = (silences.next_wake(tx), outages.next_wake(tx), owed.next_wake(tx))
    return min((at for at in wakes if at is not None), default=None)
