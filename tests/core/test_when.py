"""Cron texts, zones and stored definitions."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotagent.core.when import (
    Calendar,
    CronProblem,
    Every,
    When,
    definition,
    from_definition,
    known_zone,
    never_fires,
    parse_cron,
    runs_every_real_hour,
    zone_named,
)
from tests.core.walls import Fields, expressions


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("30 8 * * 1-5", "30 8 * * 1-5"),
        ("  30\t8  * * MON-FRI\n", "30 8 * * 1-5"),
        ("0 9,8,8 * * *", "0 8,9 * * *"),
        ("*/15 * * * *", "0,15,30,45 * * * *"),
        ("0-59 0-23 1-31 1-12 0-6", "* * * * *"),
        ("0 0 * jan,MAR-may 7", "0 0 * 1,3-5 0"),
        ("0 0 * * fri-sun", "0 0 * * 0,5,6"),
        ("0 0 * * 5-7", "0 0 * * 0,5,6"),
        ("05 008 * * *", "5 8 * * *"),
        ("@hourly", "0 * * * *"),
        ("@Daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        (" @weekly ", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
    ],
)
def test_canonical(text: str, canonical: str) -> None:
    """Lists, ranges, steps, names, Sunday's second number and the words have one spelling each."""
    assert canonical == parse_cron(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0 */2 * * *", "0 */2 * * *"),
        ("0 0-23/2 * * *", "0 */2 * * *"),
        ("0 0,2,4,6,8,10,12,14,16,18,20,22 * * *", "0 0,2,4,6,8,10,12,14,16,18,20,22 * * *"),
        ("0 8-12/2 * * *", "0 8-12/2 * * *"),
        ("0 20,8-12/2 * * *", "0 8-12/2,20 * * *"),
        ("0 */12,3 * * *", "0 */12,3 * * *"),
        ("0 8-12/1 * * *", "0 8-12 * * *"),
        ("0 8-12/5 * * *", "0 8 * * *"),
        ("0 8-11/2 * * *", "0 8-10/2 * * *"),
    ],
)
def test_step_hours_stay_apart(text: str, canonical: str) -> None:
    """Step hours keep their step: they and plain hours differ when the clocks change."""
    assert canonical == parse_cron(text)
    assert ("/" in canonical) == runs_every_real_hour(canonical)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0 0 */2 * 1", "0 0 */2 * 1"),
        ("0 0 1-31/2 * 1", "0 0 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31 * 1"),
        ("0 0 13 * */5", "0 0 13 * */5"),
        ("0 0 */2 * *", "0 0 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31 * *"),
        ("0 0 1-31 * 1", "0 0 * * *"),
        ("0 0 1 * 0-7", "0 0 * * *"),
        ("0 0 * * 1", "0 0 * * 1"),
        ("0 0 13 * 5", "0 0 13 * 5"),
    ],
)
def test_day_fields(text: str, canonical: str) -> None:
    """A star in front of either day field means both must fit, none means either will do."""
    assert canonical == parse_cron(text)


@given(fields=expressions())
@settings(max_examples=150, deadline=None)
def test_canonical_is_stable(fields: Fields) -> None:
    """A canonical text is an expression that parses to itself."""
    canonical = parse_cron(fields.text)

    assert isinstance(canonical, str)
    assert canonical == parse_cron(canonical)
    assert fields.every_hour == runs_every_real_hour(canonical)


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 0, "five fields are needed"),
        (" \t", 0, "five fields are needed"),
        ("* * * *", 7, "4 of five fields: the weekday is missing"),
        ("  0 8  ", 5, "2 of five fields: the day of the month is missing"),
        ("0 25", 2, "hour 25: allowed 0–23"),
        ("0 30 8 * * 1-5", 11, "seconds field is not supported"),
        ("0 0 0 1 1 ? 2030", 10, "year field"),
        ("@reboot", 0, "@reboot is not supported: use every with run_at_start = true"),
        (" @every 5m", 1, "@every is not supported: use the key every"),
        ("@fortnightly", 0, "@fortnightly is no word of cron: allowed are @hourly, @daily"),
        ("@daily 5", 7, "nothing may follow @daily"),
        ("CRON_TZ=UTC 0 0 * * *", 0, "use the key timezone"),
        ("60 * * * *", 0, "minute 60: allowed 0–59"),
        ("0 25 * * *", 2, "hour 25: allowed 0–23"),
        ("0 8,9,24 * * *", 6, "hour 24: allowed 0–23"),
        ("0 8-24 * * *", 4, "hour 24: allowed 0–23"),
        ("0 0 0 * *", 4, "day of the month 0: allowed 1–31"),
        ("0 0 * 13 *", 6, "month 13: allowed 1–12 or jan–dec"),
        ("0 0 * * 8", 8, "weekday 8: allowed 0–7 or sun–sat"),
        ("0 0 * mon *", 6, "month 'mon': allowed 1–12 or jan–dec"),
        ("0 0 * december *", 6, "month december: write dec"),
        ("0 0 * * tuesday", 8, "weekday tuesday: write tue"),
        ("9" * 5_000 + " * * * *", 0, "minute 999999999: allowed 0–59"),
        ("-5 * * * *", 0, "minute: a value is missing here"),
        ("1,,2 * * * *", 2, "minute: a value is missing here"),
        ("5- * * * *", 2, "minute: a value is missing here"),
        ("5,\t* * * *", 2, "minute: a value is missing here"),
        ("0 22-4 * * *", 2, "the range ends before it begins: write 22-23,0-4"),
        ("0 0 * * fri-mon", 8, "the range ends before it begins: write fri-6,0-mon"),
        ("0 0 * * 6-0", 8, "at the end of a range Sunday is 7"),
        ("*/0 * * * *", 2, "minute step 0: allowed 1–59"),
        ("* */24 * * *", 4, "hour step 24: allowed 1–23"),
        ("*/ * * * *", 2, "a whole number is needed after '/'"),
        ("*/1/2 * * * *", 2, "a whole number is needed after '/'"),
        ("5/15 * * * *", 0, "a step needs a range: write 5-59/15"),
        ("*-5 * * * *", 0, "'*' stands alone or before a step"),
        ("** * * * *", 0, "'*' stands alone or before a step"),
        ("1-2-3 * * * *", 2, "minute '2-3': allowed 0–59"),
        ("0 0 L * *", 4, "'L' (the last day) is not supported"),
        ("0 0 LW * *", 4, "'L' (the last day) is not supported"),
        ("0 0 15W * *", 6, "'W' (the nearest working day) is not supported"),
        ("0 0 * * 5L", 9, "'L' (the last day) is not supported"),
        ("0 0 * * 5#2", 9, "'#' (the n-th weekday of a month) is not supported"),
        ("0 0 ? * *", 4, "'?' is not supported: write '*'"),
        ("H * * * *", 0, "'H' (a hashed value) is not supported: use the key spread"),
        ("0~59 * * * *", 1, "'~' (a random value) is not supported: use the key spread"),
        ("8:30 * * * *", 0, "minute '8:30': allowed 0–59"),
        ("٣ * * * *", 0, "minute '٣': allowed 0–59"),
        ("0.5 * * * *", 0, "minute '0.5': allowed 0–59"),
    ],
)
def test_problems(text: str, position: int, words: str) -> None:
    """What is no five-field expression is refused at its column, with what to write instead."""
    found = parse_cron(text)

    assert isinstance(found, CronProblem)
    assert position == found.position
    assert words in found.message


@given(text=st.text(alphabet="0123456789*/,-@# ?LWjanmonsu\t\n٣", max_size=24) | st.text())
@settings(max_examples=300, deadline=None)
def test_any_text(text: str) -> None:
    """Any text at all is an expression or a problem inside the text, and never an exception."""
    found = parse_cron(text)

    if isinstance(found, CronProblem):
        assert 0 <= found.position <= len(text)
        assert found.message
    else:
        assert 5 == len(found.split())


@pytest.mark.parametrize(
    ("expression", "never"),
    [
        ("0 0 30 2 *", True),
        ("0 0 31 2,4,6,9,11 *", True),
        ("0 0 30,31 2 */2", True),
        ("0 0 29 2 *", False),
        ("0 0 30 2 1", False),
        ("0 0 31 4-5 *", False),
        ("* * * * *", False),
    ],
)
def test_never_fires(expression: str, never: bool) -> None:
    """A date that no year has is found before anybody waits for it."""
    assert never == never_fires(expression)


@pytest.mark.parametrize(
    "name", ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/Argentina/Buenos_Aires", "Etc/GMT+5"]
)
def test_known_zone(name: str) -> None:
    """An IANA name is a zone."""
    assert known_zone(name)
    assert name == zone_named(name).key


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../../etc/passwd", "/etc/localtime", "Europe", "Europe/"),
        *("Europe/Berlin ", "Mars/Olympus", "a\0b", "é", "x" * 5_000, "zone.tab", "tzdata.zi"),
        *("localtime", "posixrules", "right/UTC", "posix/UTC", "Factory"),
    ],
)
def test_unknown_zone(name: str) -> None:
    """Everything else, paths, folders and leap-second zones included, is not."""
    assert not known_zone(name)


@pytest.mark.parametrize(
    ("when", "text"),
    [
        (Every(every_ms=90_000), '{"every_ms":90000}'),
        (Every(every_ms=1, run_at_start=True, spread_ms=5), '{"every_ms":1,"spread_ms":5}'),
        (Calendar(expression="30 8 * * 1-5"), '{"cron":"30 8 * * 1-5"}'),
        (
            Calendar(expression="0 * * * *", timezone="Europe/Berlin", spread_ms=600_000),
            '{"cron":"0 * * * *","spread_ms":600000,"timezone":"Europe/Berlin"}',
        ),
    ],
)
def test_definition_text(when: When, text: str) -> None:
    """The stored text is fixed: a new version must not take an old schedule for a changed one."""
    assert text == definition(when)


@given(
    when=st.builds(Every, every_ms=st.integers(1, 10**13), spread_ms=st.integers(0, 10**9))
    | st.builds(
        Calendar,
        expression=expressions().map(lambda fields: fields.text),
        timezone=st.sampled_from([None, "UTC", "Asia/Kolkata"]),
        spread_ms=st.integers(0, 10**9),
    )
)
@settings(max_examples=60, deadline=None)
def test_definition_round_trip(when: When) -> None:
    """What is stored is enough to plan by."""
    assert when == from_definition(definition(when))


def test_run_at_start_is_no_change() -> None:
    """``run_at_start`` speaks of the first sight only: setting it later changes no definition."""
    plain, at_start = Every(every_ms=1_000), Every(every_ms=1_000, run_at_start=True)

    assert definition(plain) == definition(at_start)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"every_ms":0}', '{"every_ms":1,"cron":"* * * * *"}', '{"spread_ms":1}'],
)
def test_foreign_definition(text: str) -> None:
    """A text that is no definition is refused."""
    with pytest.raises((ValueError, json.JSONDecodeError)):
        from_definition(text)


@pytest.mark.parametrize(("every_ms", "spread_ms"), [(0, 0), (-5, 0), (5, -1)])
def test_no_grid(every_ms: int, spread_ms: int) -> None:
    """An interval of nothing cannot be made, so that nobody ever divides by it."""
    with pytest.raises(ValueError, match="at least 1 ms"):
        Every(every_ms=every_ms, spread_ms=spread_ms)


def test_no_negative_spread() -> None:
    """A calendar's spread cannot be negative either."""
    with pytest.raises(ValueError, match="at least 0"):
        Calendar(expression="* * * * *", spread_ms=-1)
