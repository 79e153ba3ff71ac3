"""Who was told of a run, as the last clause of its sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo

from dotagent.core.case import Case, News, Telling
from dotagent.core.fit import shorten
from dotagent.core.model import DeliveryState, Kind, WindowState
from dotagent.core.moment import clock, when

NAMED = 3
"""So many channels are named; of more, only how many."""

_GOOD = (Kind.SUCCESS, Kind.RECOVERED)


def telling(case: Case, now: int, zone: tzinfo) -> str:
    """``slack and ntfy were told at 08:47, email stayed quiet (same outage)``; empty where there
    was nothing to tell."""
    relevant = list(_relevant(case))
    last = {told.channel: told for news in relevant for told in news.told}
    if not last:
        bad = any(news.event.kind not in _GOOD for news in relevant)
        return "nobody asked to be told" if bad else ""
    names = channel_names(case)
    groups: dict[_How, list[str]] = {}
    for told in last.values():
        groups.setdefault(_how(told, now, zone, case.actor), []).append(
            shorten(names[told.channel], 60)
        )
    return ", ".join(_clause(how, names) for how, names in groups.items())


def channel_names(case: Case) -> Mapping[tuple[str, str, str], str]:
    """What each channel of the case is called: by its name, and where two bear the same, that of
    config.toml says so."""
    channels = {told.channel for news in case.news for told in news.told}
    bearers = Counter(name for _, _, name in channels)
    return {
        (scope, driver, name): f"{name} of config.toml" if bearers[name] > 1 and not scope else name
        for scope, driver, name in channels
    }


def _relevant(case: Case) -> Iterable[News]:
    """The events whose messages answer the question: a success's own, or what went wrong."""
    window = case.window
    good = window is not None and window.state is WindowState.SUCCEEDED
    if case.attempt is not None:
        good = any(news.event.kind in _GOOD for news in case.news)
    return (news for news in case.news if (news.event.kind in _GOOD) == good)


@dataclass(frozen=True, slots=True)
class _How:
    """The verb after one name, after several, and the rest of the clause."""

    one: str
    many: str
    rest: str


def _how(told: Telling, now: int, zone: tzinfo, actor: str | None) -> _How:
    reason = shorten(told.reason, 100).rstrip(".")
    because = f" ({reason})" if reason else ""
    match told.state:
        case DeliveryState.SENT:
            return _How("was", "were", f"told {when(told.ended_at or now, now, zone)}")
        case DeliveryState.SENDING if actor is None:
            return _How("was", "were", "being told when dotagent died")
        case DeliveryState.SENDING:
            return _How("is", "are", "being told")
        case DeliveryState.PENDING:
            again = ""
            if told.next_at is not None and told.next_at > now:
                again = f"next try {clock(told.next_at, now, zone)}"
            notes = "; ".join(note for note in (reason, again) if note)
            return _How("has", "have", f"not been told yet{f' ({notes})' if notes else ''}")
        case DeliveryState.SUPPRESSED:
            return _How("stayed", "stayed", f"quiet{because}")
        case DeliveryState.EXPIRED | DeliveryState.REJECTED:
            return _How("could", "could", f"not be told{because}")
        case DeliveryState.CANCELLED:
            return _How("was", "were", f"not told{because}")


def _clause(how: _How, names: list[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} {how.one} {how.rest}"
    if len(names) > NAMED:
        names = [*names[:NAMED], f"{len(names) - NAMED} more"]
    return f"{', '.join(names[:-1])} and {names[-1]} {how.many} {how.rest}"
