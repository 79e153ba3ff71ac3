"""Which instants a schedule has, against a scan of the wall clock, over zones and clock changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotagent.core.schedule import (
    COUNT_LIMIT,
    Due,
    latest_due,
    next_after,
    period_ms,
    previous_before,
    spread_offset,
)
from dotagent.core.when import Calendar, Every, When, parse_cron
from tests.core.walls import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Fields,
    at,
    expected,
    expressions,
    scan,
    shown,
)

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")

# One clock change of every kind there has been since 1972: how far, at what local time, and, where
# several zones share it, the one that surprises most. The instant is the first one after it.
CHANGES = [
    ("Europe/Berlin", "2026-03-29T01:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00Z"),
    ("America/New_York", "2026-03-08T07:00Z"),
    ("America/New_York", "2026-11-01T06:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30Z"),
    ("America/Sao_Paulo", "2018-02-18T02:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00Z"),
    ("Asia/Beirut", "2026-03-28T22:00Z"),
    ("Asia/Beirut", "2026-10-24T21:00Z"),
    ("Africa/Casablanca", "2026-02-15T02:00Z"),
    ("Africa/Casablanca", "2026-03-22T02:00Z"),
    ("America/St_Johns", "2010-11-07T02:31Z"),
    ("America/St_Johns", "2011-03-13T03:31Z"),
    ("America/St_Johns", "1988-04-03T03:31Z"),
    ("America/St_Johns", "1988-10-30T01:31Z"),
    ("Pacific/Chatham", "2039-04-02T14:00Z"),
    ("Pacific/Chatham", "2039-09-24T14:00Z"),
    ("Pacific/Easter", "2039-04-03T03:00Z"),
    ("Pacific/Easter", "2039-09-04T04:00Z"),
    ("America/Nuuk", "2022-10-30T01:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00Z"),
    ("Pacific/Kwajalein", "1993-08-21T12:00Z"),
    ("Asia/Pyongyang", "2015-08-14T15:00Z"),
    ("Asia/Pyongyang", "2018-05-04T15:00Z"),
    ("Asia/Colombo", "2006-04-14T18:30Z"),
    ("Asia/Kathmandu", "1985-12-31T18:30Z"),
    ("America/Caracas", "2007-12-09T07:00Z"),
    ("America/Caracas", "2016-05-01T07:00Z"),
    ("Asia/Singapore", "1981-12-31T16:00Z"),
    ("Pacific/Kiritimati", "1979-10-01T10:40Z"),
    ("America/Guyana", "1975-08-01T03:45Z"),
    ("America/Montevideo", "1974-01-13T03:00Z"),
    ("Asia/Bishkek", "2004-10-30T20:30Z"),
    ("Asia/Bishkek", "2005-03-26T21:30Z"),
    ("Asia/Hong_Kong", "1979-10-20T18:30Z"),
    ("Asia/Magadan", "2014-10-25T14:00Z"),
    ("Asia/Baku", "1996-10-27T01:00Z"),
    ("Africa/Khartoum", "2000-01-15T10:00Z"),
    ("Antarctica/Troll", "2039-03-27T01:00Z"),
    ("Antarctica/Troll", "2039-10-30T01:00Z"),
    ("Antarctica/Casey", "2018-03-10T17:00Z"),
    ("Antarctica/Casey", "2022-10-01T16:01Z"),
    ("Antarctica/Vostok", "1994-01-31T17:00Z"),
    ("Antarctica/Vostok", "1994-11-01T00:00Z"),
]


def daily(text: str, minutes: set[int], hours: set[int], *, every_hour: bool) -> Fields:
    """Fields of an expression that names every day."""
    return Fields(
        text=f"{text} * * *",
        minutes=frozenset(minutes),
        hours=frozenset(hours),
        every_hour=every_hour,
        days=frozenset(range(1, 32)),
        months=frozenset(range(1, 13)),
        weekdays=frozenset(range(7)),
        both_days=True,
    )


ANY_HOUR = set(range(24))
TELLING = [
    daily("0 *", {0}, ANY_HOUR, every_hour=True),
    daily("*/30 *", {0, 30}, ANY_HOUR, every_hour=True),
    daily("20 */2", {20}, set(range(0, 24, 2)), every_hour=True),
    daily("*/20 1-23/2", {0, 20, 40}, set(range(1, 24, 2)), every_hour=True),
    daily("30 0,1,2,3,23", {30}, {0, 1, 2, 3, 23}, every_hour=False),
    daily("*/10 0-3", set(range(0, 60, 10)), {0, 1, 2, 3}, every_hour=False),
    daily("0,1,59 0-22", {0, 1, 59}, set(range(23)), every_hour=False),
    daily("45 12,22-23", {45}, {12, 22, 23}, every_hour=False),
]


def calendar(expression: str, spread_ms: int = 0) -> Calendar:
    canonical = parse_cron(expression)
    assert isinstance(canonical, str)
    return Calendar(expression=canonical, spread_ms=spread_ms)


def forward(when: When, after: int, zone: tzinfo) -> Iterator[int]:
    """The instants after ``after``, one question at a time."""
    instant = next_after(when, after, anchor_at=0, name="a/b", zone=zone)
    while instant is not None:
        yield instant
        instant = next_after(when, instant, anchor_at=0, name="a/b", zone=zone)


def backward(when: When, before: int, zone: tzinfo) -> Iterator[int]:
    """The instants before ``before``, the latest first."""
    instant = previous_before(when, before, anchor_at=0, name="a/b", zone=zone)
    while instant is not None:
        yield instant
        instant = previous_before(when, instant, anchor_at=0, name="a/b", zone=zone)


def between(when: When, first: int, last: int, zone: tzinfo) -> list[int]:
    """The instants from ``first`` to ``last``, which both directions must agree on."""
    found: list[int] = []
    for instant in forward(when, first - 1, zone):
        if instant > last:
            break
        found.append(instant)
    found_back: list[int] = []
    for instant in backward(when, last + 1, zone):
        if instant < first:
            break
        found_back.append(instant)

    assert found == found_back[::-1]
    return found


def walls(expression: str, zone: tzinfo, first: str, last: str) -> list[str]:
    """The instants of a span as wall times."""
    return [shown(i, zone) for i in between(calendar(expression), at(first), at(last), zone)]


# ---------------------------------------------------------------------------------- clock changes


@pytest.mark.parametrize(
    ("expression", "instants"),
    [
        ("30 2 * * *", ["2026-03-28T02:30+01:00", "2026-03-29T03:00+02:00"]),
        ("*/15 2 * * *", [*(f"2026-03-28T02:{m:02}+01:00" for m in (0, 15, 30, 45)),
                          "2026-03-29T03:00+02:00"]),
        ("0 2,3 * * *", ["2026-03-28T02:00+01:00", "2026-03-28T03:00+01:00",
                         "2026-03-29T03:00+02:00"]),
        ("30 2 29 3 *", ["2026-03-29T03:00+02:00"]),
        ("30 2 * * 0", ["2026-03-29T03:00+02:00"]),
    ],
)  # fmt: skip
def test_skipped_local_time(expression: str, instants: list[str]) -> None:
    """A plain local time that the spring gap skips comes once, at the gap's end, on that day."""
    found = walls(expression, BERLIN, "2026-03-28T00:00+01:00", "2026-03-29T23:59+02:00")

    assert instants == found


@pytest.mark.parametrize(
    ("expression", "instants"),
    [
        ("30 2 * * *", ["2026-10-25T02:30+02:00"]),
        ("*/30 2 * * *", ["2026-10-25T02:00+02:00", "2026-10-25T02:30+02:00"]),
        ("0 2-4 * * *", ["2026-10-25T02:00+02:00", "2026-10-25T03:00+01:00",
                         "2026-10-25T04:00+01:00"]),
    ],
)  # fmt: skip
def test_repeated_local_time(expression: str, instants: list[str]) -> None:
    """A plain local time that the autumn night repeats comes once, the first time."""
    found = walls(expression, BERLIN, "2026-10-25T00:00+02:00", "2026-10-25T12:00+01:00")

    assert instants == found


def test_repeated_time_is_not_asked_for_again() -> None:
    """Asked in the second of two equal hours, a daily job is next due tomorrow."""
    second_time = at("2026-10-25T02:10+01:00")
    found = next_after(calendar("30 2 * * *"), second_time, anchor_at=0, name="", zone=BERLIN)

    assert "2026-10-26T02:30+01:00" == shown(found, BERLIN)


def test_every_real_hour() -> None:
    """Wildcard hours come 23 times in spring and 25 times in autumn, an hour apart."""
    spring = walls("0 * * * *", NEW_YORK, "2026-03-08T00:00-05:00", "2026-03-08T23:59-04:00")
    autumn = walls("0 * * * *", NEW_YORK, "2026-11-01T00:00-04:00", "2026-11-01T23:59-05:00")

    assert 23 == len(spring)
    assert 25 == len(autumn)
    assert ["2026-11-01T01:00-04:00", "2026-11-01T01:00-05:00"] == autumn[1:3]


def test_step_hours_on_a_half_hour_change() -> None:
    """Lord Howe turns back by 30 minutes at 02:00: the step hour 2 still comes."""
    found = walls(
        "0 */2 * * *",
        ZoneInfo("Australia/Lord_Howe"),
        "2026-04-05T00:00+11:00",
        "2026-04-05T05:00+10:30",
    )

    assert ["2026-04-05T00:00+11:00", "2026-04-05T02:00+10:30", "2026-04-05T04:00+10:30"] == found


def test_midnight_that_does_not_exist() -> None:
    """Where the gap swallows midnight, a plain 00:00 comes at 01:00, a step hour 0 not at all."""
    zone = ZoneInfo("Asia/Beirut")
    plain = walls("0 0 * * *", zone, "2026-03-28T12:00+02:00", "2026-03-30T12:00+03:00")
    steps = walls("*/30 */12 * * *", zone, "2026-03-28T13:00+02:00", "2026-03-29T12:00+03:00")

    assert ["2026-03-29T01:00+03:00", "2026-03-30T00:00+03:00"] == plain
    assert ["2026-03-29T12:00+03:00"] == steps


def test_day_that_does_not_exist() -> None:
    """Samoa had no 30 December 2011: what was planned for it came as the 31st began."""
    found = walls(
        "30 8 * * *", ZoneInfo("Pacific/Apia"), "2011-12-29T00:00-10:00", "2012-01-01T00:00+14:00"
    )

    assert [
        "2011-12-29T08:30-10:00",
        "2011-12-31T00:00+14:00",
        "2011-12-31T08:30+14:00",
    ] == found


@pytest.mark.parametrize(("name", "instant"), CHANGES)
def test_around_a_change(name: str, instant: str) -> None:
    """Around every kind of clock change, every question finds what a scan of the wall finds."""
    zone, change = ZoneInfo(name), at(instant)
    minutes = scan(zone, change - 54 * HOUR_MS, change + 28 * HOUR_MS)
    first, last = change - 28 * HOUR_MS, change + 6 * HOUR_MS
    for fields in TELLING:
        when = calendar(fields.text)
        known = expected(fields, minutes, first)

        assert [i for i in known if i <= last] == between(when, first, last, zone)
        for moment in range(change - 2 * HOUR_MS, change + 2 * HOUR_MS, 17 * MINUTE_MS):
            later = min(i for i in known if i > moment)
            earlier = max(i for i in known if i < moment)

            assert later == next_after(when, moment, anchor_at=0, name="", zone=zone)
            assert earlier == previous_before(when, moment, anchor_at=0, name="", zone=zone)


def changes_of(year: int) -> dict[tuple[timedelta, datetime], str]:
    """One zone for every different clock change of a year: by how far, and the local time."""
    found: dict[tuple[timedelta, datetime], str] = {}
    days = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=5 * n) for n in range(74)]
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        offsets = [day.astimezone(zone).utcoffset() or timedelta() for day in days]
        for (day, old), (later, new) in pairwise(zip(days, offsets, strict=True)):
            if old == new:
                continue
            before, after = day, later
            while after - before > timedelta(minutes=1):
                middle = before + (after - before) // 2
                middle -= timedelta(seconds=middle.second, microseconds=middle.microsecond)
                stays = middle.astimezone(zone).utcoffset() == old
                before, after = (middle, after) if stays else (before, middle)
            found.setdefault((new - old, after + old), name)
    return found


@pytest.mark.parametrize("year", [2011, 2026])
def test_every_change_of_a_year(year: int) -> None:
    """Every clock change of any IANA zone in a year obeys the rule."""
    changes = changes_of(year)

    assert changes
    for (shift, wall), name in changes.items():
        zone = ZoneInfo(name)
        change = (wall.replace(tzinfo=zone, fold=int(shift < timedelta())).astimezone(UTC)
                  - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)  # fmt: skip
        minutes = scan(zone, change - 38 * HOUR_MS, change + 12 * HOUR_MS)
        first, last = change - 12 * HOUR_MS, change + 12 * HOUR_MS
        for fields in TELLING[2:6]:
            known = [i for i in expected(fields, minutes, first) if i <= last]

            assert known == between(calendar(fields.text), first, last, zone), (name, fields.text)


@given(
    fields=expressions(any_date=True),
    change=st.sampled_from(CHANGES),
    start=st.integers(-30 * 60, 6 * 60),
)
@settings(max_examples=40, deadline=None)
def test_any_expression_around_a_change(
    fields: Fields, change: tuple[str, str], start: int
) -> None:
    """Any expression, asked from any minute near any clock change."""
    zone = ZoneInfo(change[0])
    first = at(change[1]) + start * MINUTE_MS
    last = first + 4 * HOUR_MS
    known = expected(fields, scan(zone, first - 2 * DAY_MS, last), first)

    assert known == between(calendar(fields.text), first, last, zone)


@given(
    fields=expressions(),
    name=st.sampled_from(sorted(available_timezones())),
    start=st.integers(at("1972-01-08T00:00Z") // MINUTE_MS, at("2120-01-01T00:00Z") // MINUTE_MS),
)
@settings(max_examples=40, deadline=None)
def test_any_expression_anywhere(fields: Fields, name: str, start: int) -> None:
    """Any expression in any zone at any time: no instant too many and none too few."""
    zone = ZoneInfo(name)
    first = start * MINUTE_MS
    last = first + 6 * HOUR_MS
    known = expected(fields, scan(zone, first - 2 * DAY_MS, last), first)

    assert known == between(calendar(fields.text), first, last, zone)


# ----------------------------------------------------------------------------------------- dates


@pytest.mark.parametrize(
    ("expression", "instants"),
    [
        ("0 0 29 2 *", ["2028-02-29", "2032-02-29", "2036-02-29"]),
        ("0 0 29 2 */7", ["2032-02-29", "2060-02-29", "2088-02-29", "2128-02-29"]),
        ("0 0 31 * *", ["2026-01-31", "2026-03-31", "2026-05-31", "2026-07-31"]),
        ("0 0 13 * 5", ["2026-01-02", "2026-01-09", "2026-01-13", "2026-01-16"]),
        ("0 0 */13 * 5", ["2026-02-27", "2026-03-27", "2026-05-01", "2026-08-14"]),
        ("0 0 1 1 *", ["2027-01-01", "2028-01-01"]),
    ],
)
def test_dates(expression: str, instants: list[str]) -> None:
    """Leap days, short months, and the two day fields in cron's AND and OR."""
    first = at("2026-01-01T00:00Z")
    found = list(islice(forward(calendar(expression), first, UTC), len(instants)))

    assert instants == [shown(i, UTC)[:10] for i in found]
    assert found[::-1] == list(
        islice(backward(calendar(expression), found[-1] + 1, UTC), len(found))
    )


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "0 0 31 2,4 *"])
def test_never(expression: str) -> None:
    """A date that never comes has no instants, in either direction."""
    when = calendar(expression)

    assert next_after(when, 0, anchor_at=0, name="", zone=BERLIN) is None
    assert previous_before(when, 0, anchor_at=0, name="", zone=BERLIN) is None
    assert latest_due(when, 0, 10**13, anchor_at=0, name="", zone=BERLIN) is None
    assert 0 == period_ms(when, 0, anchor_at=0, name="", zone=BERLIN)


@pytest.mark.parametrize("expression", ["* * * * *", "30 8 * * *", "0 */3 29 2 *", "0 0 30 2 *"])
@pytest.mark.parametrize(
    "zone", [UTC, BERLIN, ZoneInfo("Pacific/Apia"), timezone(timedelta(hours=5))]
)
@given(moment=st.integers(-(10**18), 10**18) | st.integers(-(10**13), 10**13))
@settings(max_examples=25, deadline=None)
def test_any_time_at_all(expression: str, zone: tzinfo, moment: int) -> None:
    """Instants of any size, before 1970 and after 9999 included, are answered, in order."""
    when = calendar(expression)
    later = next_after(when, moment, anchor_at=0, name="a", zone=zone)
    earlier = previous_before(when, moment, anchor_at=0, name="a", zone=zone)

    assert later is None or later > moment
    assert earlier is None or earlier < moment
    assert 0 <= period_ms(when, moment, anchor_at=0, name="a", zone=zone)


def test_own_zone_wins() -> None:
    """A schedule's own zone counts, wherever the machine is."""
    when = Calendar(expression="30 8 * * *", timezone="Asia/Kolkata")
    found = next_after(when, at("2026-06-01T00:00Z"), anchor_at=0, name="", zone=NEW_YORK)

    assert at("2026-06-01T03:00Z") == found


def test_machine_moves() -> None:
    """Without a zone of its own a schedule follows the machine from one zone to the next."""
    when = calendar("30 8 * * *")
    after = at("2026-06-01T12:00Z")

    assert at("2026-06-02T06:30Z") == next_after(when, after, anchor_at=0, name="", zone=BERLIN)
    assert at("2026-06-01T12:30Z") == next_after(when, after, anchor_at=0, name="", zone=NEW_YORK)


# -------------------------------------------------------------------------------------- intervals


@given(
    every_ms=st.integers(1, 10**10),
    spread_ms=st.integers(0, 10**7),
    anchor_at=st.integers(-(10**13), 10**13),
    moment=st.integers(-(10**14), 10**14),
)
@settings(max_examples=100, deadline=None)
def test_grid(every_ms: int, spread_ms: int, anchor_at: int, moment: int) -> None:
    """An interval's instants lie on its grid, one interval apart, from one after its anchor on."""
    when = Every(every_ms=every_ms, spread_ms=spread_ms)
    first = anchor_at + every_ms + spread_offset("a/b", spread_ms)
    later = next_after(when, moment, anchor_at=anchor_at, name="a/b", zone=UTC)
    earlier = previous_before(when, moment, anchor_at=anchor_at, name="a/b", zone=UTC)

    assert later is not None
    assert later > moment
    assert 0 == (later - first) % every_ms
    if moment <= first:
        assert earlier is None
    else:
        assert earlier is not None
        assert 1 <= moment - earlier <= every_ms
        assert later - earlier in (every_ms, 2 * every_ms)


def test_first_of_the_grid() -> None:
    """The first instant is one interval after the anchor, however early the question."""
    when = Every(every_ms=HOUR_MS)

    assert HOUR_MS + 5 == next_after(when, 5, anchor_at=5, name="", zone=UTC)
    assert HOUR_MS + 5 == next_after(when, -(10**9), anchor_at=5, name="", zone=UTC)
    assert previous_before(when, HOUR_MS + 5, anchor_at=5, name="", zone=UTC) is None


# -------------------------------------------------------------------------------------------- due


def test_due_of_an_interval() -> None:
    """An interval counts its due instants exactly, however many."""
    when = Every(every_ms=1_000)
    found = latest_due(when, 0, 10**15, anchor_at=0, name="", zone=UTC)

    assert Due(first_at=1_000, latest_at=10**15, count=10**12, count_is_exact=True) == found


def test_due_of_a_long_absence() -> None:
    """A calendar is counted up to the limit; first and latest are right all the same."""
    until = at("2026-06-01T12:34:56Z")
    found = latest_due(calendar("* * * * *"), 0, until, anchor_at=0, name="", zone=UTC)

    assert (
        Due(
            first_at=MINUTE_MS,
            latest_at=at("2026-06-01T12:34:00Z"),
            count=COUNT_LIMIT,
            count_is_exact=False,
        )
        == found
    )


@pytest.mark.parametrize(("minutes", "exact"), [(COUNT_LIMIT, True), (COUNT_LIMIT + 1, False)])
def test_limit_of_the_count(minutes: int, exact: bool) -> None:
    """The limit itself is still an exact count."""
    until = minutes * MINUTE_MS
    found = latest_due(calendar("* * * * *"), 0, until, anchor_at=0, name="", zone=UTC)

    assert found is not None
    assert (COUNT_LIMIT, exact) == (found.count, found.count_is_exact)


def test_nothing_due() -> None:
    """Both ends count as the cursor means them: later than the first, not later than the second."""
    when, hour = calendar("0 * * * *"), HOUR_MS
    one = Due(first_at=2 * hour, latest_at=2 * hour, count=1, count_is_exact=True)

    assert latest_due(when, hour, 2 * hour - 1, anchor_at=0, name="", zone=UTC) is None
    assert one == latest_due(when, hour, 2 * hour, anchor_at=0, name="", zone=UTC)
    assert latest_due(when, 2 * hour, hour, anchor_at=0, name="", zone=UTC) is None


@given(
    fields=expressions(any_date=True),
    change=st.sampled_from(CHANGES),
    start=st.integers(-30 * 60, 60),
    length=st.integers(0, 12 * 60),
    spread_ms=st.sampled_from([0, 0, 1_500, 600_000]),
)
@settings(max_examples=40, deadline=None)
def test_due_matches_the_walk(
    fields: Fields, change: tuple[str, str], start: int, length: int, spread_ms: int
) -> None:
    """First, latest and count are those of the instants themselves, clock changes included."""
    zone, when = ZoneInfo(change[0]), calendar(fields.text, spread_ms)
    after = at(change[1]) + start * MINUTE_MS
    until = after + length * MINUTE_MS
    instants = between(when, after + 1, until, zone)
    found = latest_due(when, after, until, anchor_at=0, name="a/b", zone=zone)

    assert (found is None) == (not instants)
    if found is not None:
        assert (instants[0], instants[-1]) == (found.first_at, found.latest_at)
        assert min(len(instants), COUNT_LIMIT) == found.count


# ---------------------------------------------------------------------------- periods and spread


@pytest.mark.parametrize(
    ("expression", "moment", "hours"),
    [
        ("30 8 * * 1-5", "2026-06-03T12:00+02:00", 24),
        ("30 8 * * 1-5", "2026-06-06T12:00+02:00", 72),
        ("30 8 * * *", "2026-03-28T12:00+01:00", 23),
        ("30 8 * * *", "2026-06-03T08:30+02:00", 24),
        ("0 0 1 1 *", "2028-06-01T00:00+02:00", 366 * 24),
    ],
)
def test_period(expression: str, moment: str, hours: int) -> None:
    """The period is the distance between the instants around the moment asked about."""
    found = period_ms(calendar(expression), at(moment), anchor_at=0, name="", zone=BERLIN)

    assert hours * HOUR_MS == found


def test_period_of_an_interval() -> None:
    """The period of an interval is the interval, before its first instant too."""
    found = period_ms(Every(every_ms=7_000), 0, anchor_at=10**9, name="", zone=UTC)

    assert 7_000 == found


def test_spread_shifts_every_instant() -> None:
    """The spread moves all instants of a schedule by the same stable part of it."""
    plain, spread = calendar("0 8 * * *"), calendar("0 8 * * *", spread_ms=10 * MINUTE_MS)
    place = spread_offset("a/b", 10 * MINUTE_MS)
    some = list(islice(forward(plain, 0, BERLIN), 5))

    assert [i + place for i in some] == list(islice(forward(spread, 0, BERLIN), 5))
    assert 0 == place % 1_000


def test_spread_is_stable() -> None:
    """A name's place is fixed over versions: a new one must not shift anybody's schedule."""
    assert [0, 0, 26, 276_000] == [
        spread_offset("backup/daily", spread_ms) for spread_ms in (0, 1, 30, 600_000)
    ]


@given(name=st.text(max_size=30), spread_ms=st.integers(0, 10**9))
@settings(max_examples=40, deadline=None)
def test_spread_stays_inside(name: str, spread_ms: int) -> None:
    """The place lies inside the spread."""
    assert 0 <= spread_offset(name, spread_ms) < max(1, spread_ms)


def test_spread_spreads() -> None:
    """A thousand jobs of the same minute start at many different moments."""
    places = [spread_offset(f"agent-{n}/daily", 600_000) for n in range(1_000)]

    assert len(set(places)) > 400
    assert 280_000 < sum(places) / len(places) < 320_000
