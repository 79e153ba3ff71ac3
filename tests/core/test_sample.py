"""A test message: marked whatever it looks like, complete for every kind of event."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest

from dotagent.core import sample
from dotagent.core.model import AGENT_EVENTS, SEVERITY, Kind, Message
from dotagent.core.render import line_of, render

NOW = 1_790_000_000_000
KINDS = [kind for kind in Kind if kind is not Kind.TEST]


def message(shows: Kind | None, agent: str = "") -> Message:
    """What goes out."""
    event = sample.event(NOW, "web-1", agent=agent, schedule_id="daily", shows=shows)
    assert Kind.TEST is event.kind
    assert "" == event.agent + event.schedule_id
    return render(event, key="k", zone=UTC)


@pytest.mark.parametrize("shows", KINDS)
def test_every_kind(shows: Kind) -> None:
    """It has the kind, the gravity and the words of that event, after the mark; so has the text
    of 0.1.x."""
    found = message(shows, "disk")

    assert (shows, SEVERITY[shows], True) == (found.kind, found.severity, found.facts["test"])
    assert found.line.startswith(f"{sample.MARK}: ")
    assert found.legacy.startswith(f"{sample.MARK}: ")
    assert ("disk/daily" in found.line) == (shows in AGENT_EVENTS and shows != Kind.DAILY_SUMMARY)


def test_without_an_event() -> None:
    """It only says what it is, and for whom."""
    assert "This is a test message of dotagent on host web-1" == message(None).line
    assert (
        "This is a test message of dotagent on host web-1, for disk" == message(None, "disk").line
    )
    assert ("dotagent", "disk") == (message(None).title, message(None, "disk").title)


def test_in_the_inbox() -> None:
    """The record calls it what it is."""
    event = sample.event(NOW, "web-1", shows=Kind.GIVEN_UP)

    assert "This is a test message of dotagent on host web-1: how given_up looks" == line_of(
        event, UTC
    )


def test_marked_once() -> None:
    """A template's own words get the mark; words that have it keep it; real news gets none."""
    found = message(Kind.SUCCESS)
    own = replace(found, line="only a title")
    real = replace(own, facts={})

    assert found == sample.marked(found)
    assert "This is a test: only a title" == sample.marked(own).line
    assert real == sample.marked(real)
