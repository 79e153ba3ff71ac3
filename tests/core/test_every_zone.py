"""Any expression, in any zone, however the passes fall: against a plain scan of the wall clock."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given, settings
from hypothesis import strategies as st

from dotagent.core.model import WindowState
from dotagent.core.planning import Cursor, Policy, Sighting, plan
from dotagent.core.schedule import next_after
from dotagent.core.when import Calendar, parse_cron
from tests.core.walls import DAY_MS, HOUR_MS, MINUTE_MS, Fields, at, expected, expressions, scan

ZONES = sorted(available_timezones())
FIRST, LAST = at("1972-01-08T00:00Z") // MINUTE_MS, at("2120-01-01T00:00Z") // MINUTE_MS
# Around the clock changes of 2026, where most mistakes would be.
STARTS = st.one_of(
    st.integers(FIRST, LAST),
    st.sampled_from(["2026-03-28T20:00Z", "2026-10-24T20:00Z", "2026-04-04T13:00Z"])
    .map(lambda text: at(text) // MINUTE_MS)
    .flatmap(lambda minute: st.integers(minute - 300, minute + 600)),
)
WAKES = st.lists(st.integers(1, 4 * HOUR_MS), min_size=1, max_size=10)
SPAN_MS = 6 * HOUR_MS


def sighting(fields: Fields, zone: ZoneInfo, start: int, policy: Policy) -> Sighting:
    canonical = parse_cron(fields.text)
    assert isinstance(canonical, str)
    return Sighting(
        when=Calendar(expression=canonical),
        name="a/s",
        zone=zone,
        policy=policy,
        cursor=Cursor(planned_through=start, plan_epoch=0, anchor_at=start),
    )


def followed(seen: Sighting, start: int, wakes: list[int]) -> list[int]:
    """Every instant that the passes up to the end of the span decide, in their order."""
    decided: list[int] = []
    now = start
    for wake in [*wakes, SPAN_MS]:
        now = min(now + wake, start + SPAN_MS)
        made = plan(seen, now)
        if made.gap is not None:
            assert made.gap.state in (WindowState.MISSED, WindowState.SKIPPED)
            decided += _between(seen, made.gap.first_at, made.gap.latest_at)
            assert made.gap.count == len(_between(seen, made.gap.first_at, made.gap.latest_at))
        if made.new_window is not None:
            decided.append(made.new_window.expected_at)
        seen = replace(seen, cursor=made.cursor)
    return decided


def _between(seen: Sighting, first: int, latest: int) -> list[int]:
    found, after = list[int](), first - 1
    while (
        at_ := next_after(seen.when, after, anchor_at=0, name="a/s", zone=seen.zone)
    ) is not None:
        if at_ > latest:
            break
        found.append(at_)
        after = at_
    return found


@given(
    fields=expressions(),
    name=st.sampled_from(ZONES),
    minute=STARTS,
    wakes=WAKES,
    others=WAKES,
    catch_up=st.sampled_from(["last", "none"]),
)
@settings(max_examples=60, deadline=None)
def test_no_window_twice_and_none_left_out(
    fields: Fields, name: str, minute: int, wakes: list[int], others: list[int], catch_up: str
) -> None:
    """What the passes decide is what the wall clock shows, by the letter of product §7: nothing
    twice, nothing left out but by the rule of clock changes, and the same however they fall."""
    zone, start = ZoneInfo(name), minute * MINUTE_MS
    policy = Policy(catch_up="last" if catch_up == "last" else "none")
    seen = sighting(fields, zone, start, policy)
    minutes = scan(zone, start - 2 * DAY_MS, start + SPAN_MS)
    known = expected(fields, minutes, start + 1)

    assert known == followed(seen, start, wakes) == followed(seen, start, others)
