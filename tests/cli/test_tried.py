"""What came of a test, as it reads on a wide and on a narrow page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dotagent.cli.layout import Page
from dotagent.cli.tried import arrived, result, to_check
from dotagent.core.model import DeliveryState, Kind
from dotagent.store.outbox_view import Delivery
from tests.cli.golden import check_golden

SENT = Delivery(
    id=1,
    event_seq=1,
    kind=Kind.TEST,
    at=0,
    agent="",
    schedule_id="",
    scope="",
    notifier="ops",
    name="ops",
    driver="slack",
    state=DeliveryState.SENT,
    reason="",
    tries=1,
    created_at=0,
    ended_at=120,
    expires_at=0,
    free_at=None,
    tried_why="",
    parked_why=None,
    doubtful=False,
    resend_of=None,
    hold_until=0,
    folded="",
)
REFUSED = replace(
    SENT,
    name="phone",
    driver="ntfy",
    state=DeliveryState.EXPIRED,
    tried_why="ntfy answered 403 Forbidden: forbidden (40301)",
)
SKIPPED = replace(SENT, state=DeliveryState.SUPPRESSED, reason="the same as before")
HELD = replace(
    SENT, state=DeliveryState.SUPPRESSED, tries=0, reason="the service wants to hear nothing"
)
UNDER_WAY = replace(SENT, state=DeliveryState.PENDING, ended_at=None)


@pytest.mark.parametrize("width", [80, 40])
def test_results(width: int) -> None:
    """Arrived, refused with the service's words, left out by the driver, held off, under way."""
    each = (SENT, REFUSED, SKIPPED, HELD, UNDER_WAY)
    lines = [line for delivery in each for line in result(Page(width), delivery)]

    check_golden(f"notify-{width}", "\n".join(lines) + "\n")


def test_what_counts_as_arrived() -> None:
    """What the service took, and what its driver left out on purpose; nothing else."""
    each = (SENT, REFUSED, SKIPPED, HELD, UNDER_WAY)

    assert [True, False, True, False, False] == [arrived(delivery) for delivery in each]


def test_what_to_check() -> None:
    """The driver's own words, without its example; nothing for what is no driver."""
    words = to_check("ntfy")

    assert any("A wrong token" in each for each in words)
    assert not any("[[notifiers]]" in each for each in words)
    assert [] == to_check("plugin")
