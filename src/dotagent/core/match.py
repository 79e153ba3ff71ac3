"""Which notifiers hear of an event, which stay quiet, and why (product §4, rules R16, R20, R21).

Invariant (promise P1): for every notifier that asked, the answer is either ``tell`` or a recorded
reason; nobody is left out without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from dotagent.core.manifest_notifier import QuietHours
from dotagent.core.model import AGENT_EVENTS, Event, Kind, Severity
from dotagent.core.silence import Silence

ANNOUNCEMENTS = (Kind.DESTINATION_PARKED, Kind.DELIVERY_EXPIRED)
"""Events about a destination: they never breed another about themselves (rules R21)."""

_ENDS = (Kind.GIVEN_UP, Kind.MISSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One notifier, as the store's routing knows it. ``scope`` is an agent's name, or empty for
    a global notifier; ``events`` empty means all it can get; ``parked``: nothing arrives there;
    ``untold``: nor has that been said yet."""

    scope: str
    notifier: str
    name: str
    driver: str
    fingerprint: str
    events: frozenset[Kind] = frozenset()
    remind: tuple[int, ...] = ()
    quiet_hours: QuietHours | None = None
    parked: bool = False
    untold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A delivery to make: to be told, or kept quiet with the reason ``quiet``. ``silence``: the
    number of the silence that holds it back."""

    route: Route
    quiet: str | None = None
    silence: int | None = None
    stand_in: bool = False


def wants(route: Route, event: Event) -> bool:
    """Whether this notifier asked for this kind of event."""
    if event.kind not in AGENT_EVENTS:
        return not route.scope and (not route.events or event.kind in route.events)
    if route.scope and route.scope != event.agent:
        return False
    if event.kind is Kind.DAILY_SUMMARY:
        return not route.scope and (not route.events or event.kind in route.events)
    if event.kind is Kind.STILL_FAILING:
        asked = {Kind.STILL_FAILING, *_ENDS}
        return bool(route.remind) and (not route.events or bool(route.events & asked))
    return not route.events or event.kind in route.events


def match(
    event: Event,
    routes: Iterable[Route],
    *,
    end_told: bool = False,
    only: Set[tuple[str, str]] | None = None,
    owed: bool = False,
    silence: Silence | None = None,
) -> list[Match]:
    """Every notifier that asked, in the order of ``routes``, each with its answer.

    ``end_told``: an earlier ``given_up`` or ``missed`` of the same outage exists. ``only``: a
    reminder's own (scope, notifier)s; ``owed``: they get it whether they asked or not. ``silence``:
    what holds the event back.
    """
    routes = list(routes)
    found: list[Match] = []
    for route in routes:
        if only is not None and (route.scope, route.notifier) not in only:
            continue
        if owed or wants(route, event):
            found.append(_answer(route, event, end_told, silence))
    stand_in = _stand_in(event, routes, found)
    return [*found, stand_in] if stand_in is not None else found


def _answer(route: Route, event: Event, end_told: bool, silence: Silence | None) -> Match:
    """The first rule that keeps a notifier quiet gives the reason (product §6)."""
    if event.about is not None and event.about == route.fingerprint:
        return Match(route=route, quiet="it is about this very channel")
    if silence is not None:
        return Match(route=route, quiet=silence.words, silence=silence.id)
    if end_told and event.kind in _ENDS and route.remind:
        return Match(route=route, quiet="same outage")
    return Match(route=route)


def _stand_in(event: Event, routes: list[Route], found: list[Match]) -> Match | None:
    """While a destination is parked, critical events also go to a living global notifier, unless
    one of those has its own answer, for it asked or it is owed this one (rules R20)."""
    if event.severity is not Severity.CRITICAL:
        return None
    if not any(each.quiet is None and each.route.parked for each in found):
        return None
    living = [
        route
        for route in routes
        if not route.scope and not route.parked and route.fingerprint != event.about
    ]
    answered = [each.route for each in found]
    if not living or any(wants(route, event) or route in answered for route in living):
        return None
    return Match(route=living[0], stand_in=True)
