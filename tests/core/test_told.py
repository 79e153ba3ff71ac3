"""Who was told, as the last clause of a sentence: every state of a message, several channels."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest

from dotagent.core.case import Case, News, Telling
from dotagent.core.model import DeliveryState, Event, Kind, WindowState
from dotagent.core.told import telling
from tests.core.test_why import NOW, STANDING, at, window

SENT = Telling(
    id=1,
    name="slack",
    driver="slack",
    state=DeliveryState.SENT,
    reason="",
    ended_at=at("08:47"),
    next_at=None,
)


def told(name: str, state: DeliveryState, reason: str = "", next_at: int | None = None) -> Telling:
    """A message to that channel."""
    ended = None if state in (DeliveryState.PENDING, DeliveryState.SENDING) else at("08:47")
    return replace(
        SENT, name=name, driver=name, state=state, reason=reason, next_at=next_at, ended_at=ended
    )


def news(kind: Kind, *tellings: Telling) -> News:
    """An event and its messages."""
    return News(event=Event(kind=kind, at=at("08:47")), told=tellings)


def said(state: WindowState, *events: News) -> str:
    """The clause for a window that ended so."""
    case = Case(standing=STANDING, window=window(state), news=events, actor="daemon")
    return telling(case, NOW, UTC)


EACH = {
    "slack was told at 08:47": SENT,
    "slack is being told": told("slack", DeliveryState.SENDING),
    "slack has not been told yet": told("slack", DeliveryState.PENDING),
    "slack has not been told yet (HTTP 503; next try 12:10)": told(
        "slack", DeliveryState.PENDING, "HTTP 503", at("12:10")
    ),
    "slack has not been told yet (HTTP 503)": told(
        "slack", DeliveryState.PENDING, "HTTP 503.", at("11:10")
    ),
    "slack stayed quiet (same outage)": told("slack", DeliveryState.SUPPRESSED, "same outage"),
    "slack could not be told (HTTP 404)": told("slack", DeliveryState.REJECTED, "HTTP 404"),
    "slack could not be told (no answer)": told("slack", DeliveryState.EXPIRED, "no answer"),
    "slack was not told (cancelled by hand)": told(
        "slack", DeliveryState.CANCELLED, "cancelled by hand"
    ),
}


@pytest.mark.parametrize(("expected", "one"), EACH.items())
def test_every_state_of_a_message(expected: str, one: Telling) -> None:
    """Told, not yet, kept quiet, lost or cancelled: each says so, with the reason."""
    assert expected == said(WindowState.GIVEN_UP, news(Kind.GIVEN_UP, one))


def test_a_message_that_nobody_sends_any_more() -> None:
    """Nobody holds the home: what was on its way is not any more, and is not said to be."""
    sending = news(Kind.GIVEN_UP, told("slack", DeliveryState.SENDING))
    case = Case(standing=STANDING, window=window(WindowState.GIVEN_UP), news=(sending,))

    assert "slack was being told when dotagent died" == telling(case, NOW, UTC)


def test_channels_with_one_fate_share_a_verb() -> None:
    """Two are joined, of many only three are named, other fates follow."""
    two = (SENT, told("ntfy", DeliveryState.SENT))
    many = [told(name, DeliveryState.SENT) for name in ("a", "b", "c", "d", "e")]
    quiet = told("email", DeliveryState.SUPPRESSED, "same outage")

    assert "slack and ntfy were told at 08:47" == said(
        WindowState.GIVEN_UP, news(Kind.GIVEN_UP, *two)
    )
    assert "a, b, c and 2 more were told at 08:47, email stayed quiet (same outage)" == said(
        WindowState.GIVEN_UP, news(Kind.GIVEN_UP, *many, quiet)
    )


def test_the_last_message_to_a_channel_counts() -> None:
    """A channel that asked for less hears of less; one that asked for all is named once."""
    first = news(Kind.ATTEMPT_FAILED, replace(SENT, ended_at=at("08:30")), told("ntfy", SENT.state))
    last = news(Kind.GIVEN_UP, SENT)

    assert "slack and ntfy were told at 08:47" == said(WindowState.GIVEN_UP, first, last)


def test_two_channels_of_one_name_are_two() -> None:
    """The agent's own and that of config.toml: what became of one hides nothing of the other."""
    own = replace(told("ntfy", DeliveryState.PENDING, "HTTP 503"), scope="disk-alert")
    everywhere = replace(SENT, name="ntfy", driver=own.driver)

    assert ("ntfy has not been told yet (HTTP 503), ntfy of config.toml was told at 08:47") == said(
        WindowState.GIVEN_UP, news(Kind.GIVEN_UP, own, everywhere)
    )


def test_a_success_tells_of_its_success_only() -> None:
    """Who heard of its failed attempts is not who heard of its end."""
    failed = news(Kind.ATTEMPT_FAILED, told("ntfy", DeliveryState.SENT))

    assert "" == said(WindowState.SUCCEEDED, failed, news(Kind.SUCCESS))
    assert "slack was told at 08:47" == said(
        WindowState.SUCCEEDED, failed, news(Kind.SUCCESS), news(Kind.RECOVERED, SENT)
    )


def test_silence_is_said_where_something_went_wrong() -> None:
    """Nobody asked: worth a word for a failure, not where there was nothing to tell."""
    assert "nobody asked to be told" == said(WindowState.MISSED, news(Kind.MISSED))
    assert "" == said(WindowState.SKIPPED)
