"""The kinds of values in a manifest."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from dotagent.core.duration import LONGEST_MS
from dotagent.core.model import Kind
from dotagent.core.shapes import (
    DATETIME_KEY,
    Argument,
    EventName,
    Json,
    Name,
    Pattern,
    Span,
    TimeOfDay,
    Units,
    Url,
    Variable,
    Whole,
)
from dotagent.core.values import Rule, Wrong
from tests.core.test_structure import VALUES

ZONE = datetime.timezone(datetime.timedelta(hours=2))


@pytest.mark.parametrize(
    ("rule", "value", "taken"),
    [
        (Whole(what="an hour", low=0, high=23), 23, 23),
        (Whole(what="a size", low=1), 10**9, 10**9),
        (Units(unit="seconds"), 90, 90_000),
        (Units(unit="minutes"), 0, 0),
        (Units(unit="days"), 1, 86_400_000),
        (Units(unit="minutes"), 2**32 - 1, LONGEST_MS),
        (Units(unit="seconds"), 2**63 - 1, LONGEST_MS),
        (Span(), "1h30m", 5_400_000),
        (TimeOfDay(), "08:30", 510),
        (TimeOfDay(), " 8:05 ", 485),
        (TimeOfDay(), datetime.time(8, 30), 510),
        (TimeOfDay(), "00:00", 0),
        (TimeOfDay(), "23:59", 1_439),
        (Name(), "Überwachung 1/2", "Überwachung 1/2"),
        (Name(file=True), "disk-alert", "disk-alert"),
        (Name(file=True), "ä" * 100, "ä" * 100),
        (Argument(), "", ""),
        (Argument(empty=False), "./run.sh", "./run.sh"),
        (Variable(), "my.var-1", "my.var-1"),
        (Variable(portable=True), "API_KEY", "API_KEY"),
        (EventName(), "given_up", Kind.GIVEN_UP),
        (EventName(), "manifest_invalid", Kind.MANIFEST_INVALID),
        (Pattern(), r"\d+", r"\d+"),
        (Url(), "https://example.org/x", "https://example.org/x"),
        (Url(), "${PROXY}", "${PROXY}"),
        (Json(), {"a": [1, True, "x"]}, {"a": [1, True, "x"]}),
        (Json(), [float("nan"), float("inf"), 1.5], [None, None, 1.5]),
    ],
)
def test_taken(rule: Rule, value: Any, taken: Any) -> None:
    """Each kind of value is taken as the records hold it."""
    assert taken == rule.take(value)


@pytest.mark.parametrize(
    ("rule", "value", "message", "hint"),
    [
        (Whole(what="an hour", low=0, high=23), 25, "25 is not an hour; allowed: 0–23", None),
        (Whole(what="a size", low=1), 0, "0 is not a size; allowed: 1 or more", None),
        (
            Whole(what="a size", low=1, high=2),
            10**30,
            "a number beyond 64 bits is not a size; allowed: 1–2",
            None,
        ),
        (Units(unit="seconds", low=1), 0, "0 seconds are too few; at least 1", None),
        (Units(unit="minutes"), -1, "-1 minutes are too few; at least 0", None),
        (
            Units(unit="minutes"),
            "5",
            "text, where a whole number of minutes is needed",
            "write it without quotes",
        ),
        (
            Span(),
            90,
            'a whole number, where a text such as "1h30m" is needed',
            'write "90s", "90m" or "90h"',
        ),
        (Span(), True, 'true or false, where a text such as "1h30m" is needed', None),
        (Span(low_ms=1_000), "250ms", '"250ms" is too short; at least 1s', None),
        (Span(high_ms=86_400_000), "2d", '"2d" is too long; at most 1d', None),
        (TimeOfDay(), "25:00", '"25:00" is not a time of day; write "HH:MM", as "08:30"', None),
        (TimeOfDay(), "08:60", '"08:60" is not a time of day; write "HH:MM", as "08:30"', None),
        (TimeOfDay(), "8", '"8" is not a time of day; write "HH:MM", as "08:30"', None),
        (TimeOfDay(), 8, 'a whole number, where a text such as "08:30" is needed', None),
        (
            TimeOfDay(),
            datetime.time(8, 30, 15),
            'a date or time, where a text such as "08:30" is needed',
            None,
        ),
        (Name(), " ", "empty; a name is needed", None),
        (Name(), "a\nb", '"a\\nb" holds a control character', None),
        (Name(), "a\u2028b", '"a\\u2028b" holds a control character', None),
        (
            Name(file=True),
            "..",
            '".." is no file name: it must not start with . or contain /',
            None,
        ),
        (
            Name(file=True),
            "a/b",
            '"a/b" is no file name: it must not start with . or contain /',
            None,
        ),
        (Name(file=True), 5, "a whole number, where text is needed", "write it in quotes"),
        (Argument(), "a\0", "holds a NUL character, which no process can be given", None),
        (Argument(empty=False), " ", "empty; it must be set", None),
        (Variable(), "", '"" is not the name of an environment variable', None),
        (Variable(), "A=B", '"A=B" is not the name of an environment variable', None),
        (Variable(portable=True), "a-b", '"a-b" is not the name of an environment variable', None),
        (
            Pattern(),
            "(",
            '"(" is not a usable regular expression: missing ) at position 1',
            None,
        ),
        (Pattern(), 1, "a whole number, where text is needed", "write it in quotes"),
        (Url(), "ftp://x", 'not an address; it starts with "https://" or "http://"', None),
        (Url(), "https://", 'not an address; it starts with "https://" or "http://"', None),
        (Url(), "https://a b", "not an address: it holds a blank or a control character", None),
        (Json(), [10**20], "holds a number beyond 64 bits", None),
    ],
)
def test_refused(rule: Rule, value: Any, message: str, hint: str | None) -> None:
    """What is out of range is refused with what is allowed."""
    with pytest.raises(Wrong) as raised:
        rule.take(value)

    assert (message, hint) == (raised.value.message, raised.value.hint)


def test_long_name() -> None:
    """A name of 201 bytes is too long for the files it becomes part of."""
    with pytest.raises(Wrong, match="too long; at most 200 bytes"):
        Name(file=True).take("ä" * 100 + "x")


def test_mistyped_event() -> None:
    """A mistyped event name finds the right one."""
    with pytest.raises(
        Wrong, match='"give_up" is not an event; allowed: "attempt_failed"'
    ) as raised:
        EventName().take("give_up")

    assert raised.value.hint == "given_up"


def test_deep_configuration() -> None:
    """A plugin's configuration is not nested deeper than its JSON could be read."""
    with pytest.raises(Wrong, match="nested deeper than 64 levels"):
        Json().take(tomli.loads("a." * 500 + "b = 1"))


@pytest.mark.parametrize(
    ("written", "forwarded"),
    [
        ("1979-05-27T07:32:00Z", "1979-05-27T07:32:00Z"),
        ("1979-05-27 07:32:00.500+02:00", "1979-05-27T07:32:00.5+02:00"),
        ("1979-05-27T07:32:00.123456-00:30", "1979-05-27T07:32:00.123456-00:30"),
        ("1979-05-27T07:32:00", "1979-05-27T07:32:00"),
        ("1979-05-27", "1979-05-27"),
        ("07:32:00.25", "07:32:00.25"),
        ("07:32", "07:32:00"),
    ],
)
def test_dates(written: str, forwarded: str) -> None:
    """A plugin gets TOML's dates and times as dotagent 0.1.x hands them over."""
    value = tomli.loads(f"x = {written}")["x"]

    assert {DATETIME_KEY: forwarded} == Json().take(value)


RULES = (
    Whole(what="an hour", low=0, high=23),
    Units(unit="minutes"),
    Span(),
    TimeOfDay(),
    Name(file=True),
    Argument(),
    Variable(),
    EventName(),
    Url(),
    Json(),
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(RULES), VALUES)
def test_any_value(rule: Rule, value: Any) -> None:
    """Each rule takes a value or says what is wrong; what is taken is JSON where it should be."""
    try:
        taken = rule.take(value)
    except Wrong:
        return

    if isinstance(rule, Json):
        json.dumps(taken, allow_nan=False)
