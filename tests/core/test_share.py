"""How many sends a destination gets, so that hung ones leave room for all others."""

from __future__ import annotations

import pytest

from dotagent.core.share import CROWDED, SENDS_AT_ONCE, SICK_AT_ONCE, Flow, slots


@pytest.mark.parametrize(
    ("sick", "sending", "probing", "most"),
    [
        (False, 0, 0, 8),
        (False, CROWDED - 1, 0, 8),
        (False, CROWDED, 0, 1),
        (False, SENDS_AT_ONCE, SICK_AT_ONCE, 1),
        (True, 0, 0, 1),
        (True, 200, SICK_AT_ONCE - 1, 1),
        (True, 200, SICK_AT_ONCE, 0),
    ],
)
def test_slots(sick: bool, sending: int, probing: int, most: int) -> None:
    """All that it takes while there is room; one where it is crowded; one probe while it is down,
    and not too many of these at once."""
    assert most == slots(Flow(sending=sending, probing=probing), parallel=8, sick=sick)


@pytest.mark.parametrize("hung", [1, 32, 100, CROWDED])
def test_hung_ones_leave_room(hung: int) -> None:
    """However many messages wait for hung destinations, another one still gets its slot."""
    flow = Flow(sending=0, probing=0)
    for _ in range(hung):
        busy = 0
        while busy < slots(flow, parallel=8, sick=False):
            busy += 1
            flow.more(1, sick=False)

    assert flow.sending < SENDS_AT_ONCE
    assert 1 <= slots(flow, parallel=8, sick=False)


def test_probes_are_counted() -> None:
    """What goes to a destination that is down is a probe; all of it is on its way."""
    flow = Flow(sending=3, probing=1)
    flow.more(2, sick=True)
    flow.more(4, sick=False)

    assert Flow(sending=9, probing=3) == flow
