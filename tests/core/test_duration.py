"""Spans of time, written and read."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.duration import DAY_MS, HOUR_MS, LONGEST_MS, MINUTE_MS, human, parse, text


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("250ms", 250),
        ("5s", 5_000),
        ("90m", 90 * MINUTE_MS),
        ("2h", 2 * HOUR_MS),
        ("1d", DAY_MS),
        ("1h30m", 90 * MINUTE_MS),
        ("1d2h3m4s5ms", DAY_MS + 2 * HOUR_MS + 3 * MINUTE_MS + 4_005),
        ("1m500ms", 60_500),
        (" 5s ", 5_000),
        ("0s", 0),
        ("007s", 7_000),
        ("36500d", LONGEST_MS),
    ],
)
def test_parse(written: str, ms: int) -> None:
    """Every form of the manifest and its sums are read as milliseconds."""
    assert ms == parse(written)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "an empty text is not a span of time"),
        ("  ", "an empty text is not a span of time"),
        ("90", 'has no unit: "90s", "90m" or "90h"?'),
        ("-5s", "must not be negative"),
        ("1.5h", 'no fractions: write "1h30m"'),
        ("1,5h", "no fractions"),
        ("30m1h", "the largest first"),
        ("1m5m", "each unit once"),
        ("5x", 'write "250ms"'),
        ("5 s", 'write "250ms"'),
        ("5S", 'write "250ms"'),
        ("٣s", 'write "250ms"'),
        ("5s\n5", 'write "250ms"'),
        ("36501d", "100 years"),
        ("9999999999999999d", "100 years"),
        ("9" * 5_000 + "s", "…"),
    ],
)
def test_parse_refuses(written: str, says: str) -> None:
    """What is no span is refused with what to write instead, in a short message."""
    with pytest.raises(ValueError, match=re.escape(says)) as raised:
        parse(written)

    assert len(str(raised.value)) < 250


@given(st.integers(min_value=0, max_value=LONGEST_MS))
def test_round_trip(ms: int) -> None:
    """A written span is read back as it was."""
    assert ms == parse(text(ms))


@given(st.text())
def test_parse_only_raises_value_errors(written: str) -> None:
    """Any text is a span or a ``ValueError``."""
    try:
        ms = parse(written)
    except ValueError:
        return

    assert 0 <= ms <= LONGEST_MS


@pytest.mark.parametrize(
    ("ms", "written"),
    [(0, "0s"), (250, "250ms"), (90 * MINUTE_MS, "1h30m"), (DAY_MS, "1d"), (1_500, "1s500ms")],
)
def test_text(ms: int, written: str) -> None:
    """A span has one written form."""
    assert written == text(ms)


def test_text_refuses_negative() -> None:
    """There is no way to write a negative span."""
    with pytest.raises(ValueError, match="negative"):
        text(-1)


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (-5, "0 ms"),
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (4_200, "4.2 s"),
        (4_299, "4.2 s"),
        (9_999, "9.9 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (90_000, "1 min 30 s"),
        (3 * MINUTE_MS, "3 min"),
        (10 * MINUTE_MS + 59_000, "10 min"),
        (80 * MINUTE_MS, "1 h 20 min"),
        (2 * HOUR_MS, "2 h"),
        (DAY_MS, "1 day"),
        (2 * DAY_MS + 3 * HOUR_MS + 59 * MINUTE_MS, "2 days 3 h"),
    ],
)
def test_human(ms: int, said: str) -> None:
    """A message says a span in the one or two units that matter, never more than has passed."""
    assert said == human(ms)
