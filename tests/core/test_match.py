"""Who is told of what, who stays quiet and why, and who stands in for a dead channel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dotagent.core.match import Match, Route, match, wants
from dotagent.core.model import AGENT_EVENTS, FAILURES, SEVERITY, Event, Kind, Severity

SYSTEM = tuple(kind for kind in Kind if kind not in AGENT_EVENTS)
HOUR = 3_600_000


def own(notifier: str = "own", **other: Any) -> Route:
    """A notifier of the manifest of ``disk``."""
    base = Route(
        scope="disk", notifier=notifier, name=notifier, driver="slack", fingerprint="f-own"
    )
    return replace(base, **other)


def everywhere(notifier: str = "all", **other: Any) -> Route:
    """A global notifier."""
    return own(notifier, **{"scope": "", "fingerprint": "f-all", **other})


def event(kind: Kind, **other: Any) -> Event:
    agent = "disk" if kind in AGENT_EVENTS else ""
    return Event(kind=kind, at=1, **{"agent": agent, "schedule_id": "daily", **other})


def told(found: list[Match]) -> list[str]:
    return [each.route.notifier for each in found if each.quiet is None]


# ------------------------------------------------------------------------------------------ wants


def test_manifest_without_events() -> None:
    """Without ``events`` a manifest's notifier hears all of its agent, but for reminders that it
    did not ask for and the daily summary."""
    heard = {kind for kind in Kind if wants(own(), event(kind))}

    assert set(AGENT_EVENTS) - {Kind.STILL_FAILING, Kind.DAILY_SUMMARY} == heard


def test_global_without_events() -> None:
    """A global one hears every event there is; reminders where it has ``remind``."""
    heard = {kind for kind in Kind if wants(everywhere(remind=(HOUR,)), event(kind))}

    assert set(Kind) == heard


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("make", [own, everywhere])
def test_named_events(make: Any, kind: Kind) -> None:
    """Whoever names events hears these and no others."""
    named = make(events=frozenset({Kind.RECOVERED}))

    assert (kind is Kind.RECOVERED) is wants(named, event(kind))


@pytest.mark.parametrize("kind", SYSTEM)
def test_system_events_are_global(kind: Kind) -> None:
    """No manifest hears of dotagent's own trouble, even where it asks."""
    assert not wants(own(events=frozenset({kind})), event(kind, agent="disk"))
    assert wants(everywhere(events=frozenset({kind})), event(kind))


def test_daily_summary_is_global() -> None:
    """Nor of the summary over all agents."""
    summary = event(Kind.DAILY_SUMMARY, agent="")

    assert not wants(own(events=frozenset({Kind.DAILY_SUMMARY})), summary)
    assert wants(everywhere(), summary)


def test_other_agents_are_none_of_its_business() -> None:
    """A manifest's notifier hears of its own agent only."""
    assert not wants(own(), event(Kind.GIVEN_UP, agent="backup"))


@pytest.mark.parametrize("make", [own, everywhere])
@pytest.mark.parametrize(
    ("events", "hears"),
    [
        ((), True),
        ((Kind.GIVEN_UP,), True),
        ((Kind.MISSED,), True),
        ((Kind.STILL_FAILING,), True),
        ((Kind.ATTEMPT_FAILED, Kind.RECOVERED), False),
    ],
)
def test_reminders(make: Any, events: tuple[Kind, ...], hears: bool) -> None:
    """Reminders go to whoever has ``remind`` and asks for the end of a run or for them."""
    asked = frozenset(events)

    assert hears is wants(make(events=asked, remind=(HOUR,)), event(Kind.STILL_FAILING))
    assert not wants(make(events=asked), event(Kind.STILL_FAILING))


# ------------------------------------------------------------------------------------------ match


def test_in_the_order_of_routes() -> None:
    """Everyone who asked, in the order of the files."""
    routes = [own("b"), own("a"), everywhere()]

    assert ["b", "a", "all"] == told(match(event(Kind.GIVEN_UP), routes))


def test_nobody_asked() -> None:
    """Where nobody asked there is nothing to record."""
    routes = [own(events=frozenset({Kind.SUCCESS}))]

    assert [] == match(event(Kind.GIVEN_UP), routes)


@pytest.mark.parametrize("kind", [Kind.GIVEN_UP, Kind.MISSED])
def test_same_outage(kind: Kind) -> None:
    """Once an outage's end of a run was told, later ones stay quiet, with the reason, for those
    whom reminders tell; all others hear each (product §4)."""
    routes = [own("with", remind=(HOUR,)), own("without")]
    found = match(event(kind), routes, end_told=True)

    assert [("with", "same outage"), ("without", None)] == [
        (each.route.notifier, each.quiet) for each in found
    ]


@pytest.mark.parametrize("kind", [k for k in FAILURES if k not in (Kind.GIVEN_UP, Kind.MISSED)])
def test_same_outage_is_about_ends(kind: Kind) -> None:
    """Attempts and reminders of a known outage are told to everyone who asked."""
    found = match(event(kind), [own(remind=(HOUR,))], end_told=True)

    assert ["own"] == told(found)


def test_first_end_of_an_outage() -> None:
    """The first end is told to those with reminders too."""
    assert ["own"] == told(match(event(Kind.GIVEN_UP), [own(remind=(HOUR,))]))


def test_about() -> None:
    """What is about a channel never goes to that channel, and the record says why (rules R21)."""
    routes = [everywhere("dead", fingerprint="f-dead"), everywhere("other")]
    found = match(event(Kind.DESTINATION_PARKED, about="f-dead"), routes)

    assert [("dead", "it is about this very channel"), ("other", None)] == [
        (each.route.notifier, each.quiet) for each in found
    ]


def test_only() -> None:
    """A reminder speaks only to those whose reminder is due."""
    routes = [own("due", remind=(HOUR,)), own("later", remind=(HOUR,))]
    found = match(event(Kind.STILL_FAILING), routes, only={("disk", "due")})

    assert ["due"] == told(found)


# --------------------------------------------------------------------------------------- stand-in

CRITICAL = [kind for kind in AGENT_EVENTS if SEVERITY[kind] is Severity.CRITICAL]


def dead(routes: list[Route], *fingerprints: str) -> list[Route]:
    """The same notifiers, with these destinations parked."""
    return [replace(each, parked=each.fingerprint in fingerprints) for each in routes]


def stand_ins(found: list[Match]) -> list[str]:
    return [each.route.notifier for each in found if each.stand_in]


@pytest.mark.parametrize("kind", [Kind.GIVEN_UP, Kind.MISSED])
def test_stand_in(kind: Kind) -> None:
    """While a channel is parked, critical events also go to a living global one that had not asked
    for them; the parked one keeps its own."""
    routes = [own(), everywhere(events=frozenset({Kind.SUCCESS}))]
    found = match(event(kind), dead(routes, "f-own"))

    assert ["own", "all"] == told(found)
    assert ["all"] == stand_ins(found)


@pytest.mark.parametrize("kind", [k for k in AGENT_EVENTS if k not in CRITICAL])
def test_no_stand_in_for_lesser_events(kind: Kind) -> None:
    """What is not critical waits for its own channel."""
    routes = [own(), everywhere(events=frozenset({Kind.MISSED}))]

    assert [] == stand_ins(match(event(kind), dead(routes, "f-own")))


def test_no_stand_in_while_all_live() -> None:
    """While its channels live an event goes where it was asked for, and nowhere else."""
    routes = [own(), everywhere(events=frozenset({Kind.SUCCESS}))]

    assert [] == stand_ins(match(event(Kind.GIVEN_UP), routes))


def test_another_channel_of_the_manifest_is_no_stand_in() -> None:
    """Who reads one channel of an agent need not read the other: the stand-in is a global one."""
    routes = [
        own("dead", fingerprint="f-dead"),
        own("living"),
        everywhere(events=frozenset({Kind.SUCCESS})),
    ]
    found = match(event(Kind.GIVEN_UP), dead(routes, "f-dead"))

    assert ["all"] == stand_ins(found)


def test_global_that_asked_needs_no_stand_in() -> None:
    """A living global notifier that hears of it anyway is enough."""
    routes = [own(), everywhere(), everywhere("third", events=frozenset({Kind.SUCCESS}))]
    found = match(event(Kind.GIVEN_UP), dead(routes, "f-own"))

    assert ["own", "all"] == told(found)
    assert [] == stand_ins(found)


def test_global_that_is_owed_needs_no_stand_in() -> None:
    """A living global notifier that gets a reminder which it is owed, without having asked for
    reminders, is not told twice of the same event (rules R15, R20)."""
    routes = [own(), everywhere(events=frozenset({Kind.ATTEMPT_FAILED}))]
    owed = {("disk", "own"), ("", "all")}
    found = match(event(Kind.STILL_FAILING), dead(routes, "f-own"), only=owed, owed=True)

    assert ["own", "all"] == told(found)
    assert [] == stand_ins(found)


def test_global_that_is_quiet_is_no_stand_in() -> None:
    """A global notifier that was told of this outage and reminds of it is not told once more in
    another's place: one event makes one delivery to one notifier."""
    routes = [own(), everywhere(remind=(HOUR,))]
    found = match(event(Kind.GIVEN_UP), dead(routes, "f-own"), end_told=True)

    assert [("own", None), ("all", "same outage")] == [
        (each.route.notifier, each.quiet) for each in found
    ]


def test_reminder_of_its_own_is_no_stand_in() -> None:
    """Nor is one that has a reminder of its own, only later."""
    routes = [own(remind=(HOUR,)), everywhere(remind=(2 * HOUR,))]
    found = match(event(Kind.STILL_FAILING), dead(routes, "f-own"), only={("disk", "own")})

    assert ["own"] == told(found)


def test_parked_ones_do_not_stand_in() -> None:
    """Where all global channels are dead, there is no one to stand in."""
    routes = [own(), everywhere(events=frozenset({Kind.SUCCESS}))]

    assert [] == stand_ins(match(event(Kind.GIVEN_UP), dead(routes, "f-own", "f-all")))


def test_stand_in_is_never_the_channel_it_is_about() -> None:
    """Not even for want of another."""
    routes = [
        everywhere("dead", fingerprint="f-dead"),
        everywhere("about", fingerprint="f-about", events=frozenset({Kind.SUCCESS})),
    ]
    found = match(event(Kind.DELIVERY_EXPIRED, about="f-about"), dead(routes, "f-dead"))

    assert [] == stand_ins(found)
