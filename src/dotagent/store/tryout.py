"""A test message for chosen channels (product §9): an event and its deliveries, like any other.

What holds messages back does not hold a test: no quiet hours, no silence, no rate limit, no rest
of our own making. Invariants: it goes by itself and is tried once, now, parked channel or not; what
the service itself asked for is kept, and then said at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dotagent.core import sample
from dotagent.core.errors import NotFound, UsageError
from dotagent.core.fold import GRAVITY
from dotagent.core.match import Match, Route, wants
from dotagent.core.model import AGENT_EVENTS, Event, Kind
from dotagent.core.moment import clock
from dotagent.core.problems import nearest, one_of, quoted
from dotagent.store.actor import Actor
from dotagent.store.database import Tx
from dotagent.store.tell import deliver, insert, routes

PATIENCE_MS = 20_000
"""A channel that must be left alone for longer is not waited for."""
_FIRST = max(GRAVITY.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be tried. ``keys``: the (scope, key) of every notifier there is, without hooks;
    ``names``: the chosen ones, as people call them; none: all. ``shows``: a kind of event to look
    like, and then those that do not ask for it are left out unless they are chosen."""

    keys: Sequence[tuple[str, str]]
    names: Sequence[str] = ()
    agent: str = ""
    schedule_id: str = ""
    shows: Kind | None = None


def tryout(tx: Tx, actor: Actor, now: int, wish: Wish) -> Mapping[str, Any]:
    """One delivery for each channel; their ids, and the names of those that would not hear of such
    an event. Raises ``NotFound``, ``UsageError``."""
    chosen, others = _chosen(tx, wish)
    event = sample.event(
        now, actor.host, agent=wish.agent, schedule_id=wish.schedule_id, shows=wish.shows
    )
    seq = insert(tx, event)
    # In a queue of its own it waits for no other message, and none waits for it.
    apart = replace(event, schedule_id="test")
    made = []
    for route in chosen:
        quiet = _told_to_wait(tx, actor, now, route)
        made.append(deliver(tx, now, apart, seq, Match(route=route, quiet=quiet)))
        # Somebody waits for it: it overtakes what is not under way, and joins nothing.
        tx.run("UPDATE deliveries SET urgency = ?, apart = 1 WHERE id = ?", _FIRST, made[-1])
    return {"deliveries": made, "uninterested": [route.name for route in others]}


def _chosen(tx: Tx, wish: Wish) -> tuple[list[Route], list[Route]]:
    known = _known(tx, wish)
    names = [each.name for each in known]
    for name in wish.names:
        if name not in names:
            near = nearest(name, names)
            hint = f"Did you mean {quoted(near)}?" if near else f"There is: {one_of(names)}"
            raise NotFound(f"there is no notifier {quoted(name)} to try here", hint)
    if wish.names:
        return [each for each in known if each.name in wish.names], []
    others = [each for each in known if not _asks(each, wish)]
    chosen = [each for each in known if each not in others]
    if not chosen:
        hint = f"Name one that is to get it all the same: --notifier {names[0]}"
        raise UsageError(f"nobody here asks for {wish.shows}", hint)
    return chosen, others


def _known(tx: Tx, wish: Wish) -> list[Route]:
    about = Event(kind=Kind.SUCCESS if wish.agent else Kind.TEST, at=0, agent=wish.agent)
    known = [each for each in routes(tx, about) if (each.scope, each.notifier) in wish.keys]
    whose = f"{wish.agent} tells nobody" if wish.agent else "config.toml has no notifier"
    if not known and tx.value("SELECT value FROM facts WHERE name = 'config_problem'"):
        raise UsageError(
            "config.toml is not right, so it has no channel to try", "See: dotagent doctor"
        )
    if not known:
        raise UsageError(f"{whose}: there is no channel to try", "Set one up: dotagent connect")
    if wish.shows is not None and wish.agent and wish.shows not in AGENT_EVENTS:
        raise UsageError(f"{wish.shows} is never about an agent", "Leave the agent's name out.")
    return known


def _asks(route: Route, wish: Wish) -> bool:
    if wish.shows is None:
        return True
    return wants(route, Event(kind=wish.shows, at=0, agent=wish.agent or route.scope))


def _told_to_wait(tx: Tx, actor: Actor, now: int, route: Route) -> str | None:
    """Let the channel be tried now, as far as that is ours to say."""
    tx.run(
        "UPDATE destinations SET down_until = CASE WHEN told_until > ?1 THEN told_until ELSE 0 END"
        " WHERE fingerprint = ?2",
        now,
        route.fingerprint,
    )
    until = tx.value("SELECT down_until FROM destinations WHERE fingerprint = ?", route.fingerprint)
    if until is None or until <= now + PATIENCE_MS:
        return None
    return f"the service wants to hear nothing until {clock(until, now, actor.zone)}"
