"""The table of messages holds ours against the peers' by the bounds of the specification."""

from __future__ import annotations

from bench.delivery import BOUNDS, DRAIN, DRAIN_APPRISE, PLUGGED, WHOLE, rows


def test_every_bound_has_its_peer() -> None:
    """Ten times as many as Apprise is a tenth of its time: better than the goal of a fifth."""
    names = {name.split(", against")[0] for name in BOUNDS} | {peer for peer, *_ in BOUNDS.values()}
    taken = {name: [1.0, 1.0] for name in names}
    taken[DRAIN] = [0.1, 0.1]
    taken[PLUGGED] = [20.0, 20.0]
    found = {row.name: row for row in rows(taken)}

    assert "goal reached" == found[f"{DRAIN}, against Apprise"].verdict
    assert "floor holds" == found[f"{WHOLE}, against a plugin"].verdict
    assert found[DRAIN_APPRISE].ratio is None
    assert {*names, *BOUNDS} - set(found) <= {name.split(", against")[0] for name in BOUNDS}
