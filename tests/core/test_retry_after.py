"""Reading Retry-After."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.retry_after import LONGEST_MS, instant, parse

NOW = 784_111_777_000  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("30", 30_000),
        (" 1 ", 1_000),
        ("0.5", 500),
        ("1.25", 1_250),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60_000),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60_000),
        ("Sun Nov  6 08:50:37 1994", 60_000),
        ("999999999999999999", LONGEST_MS),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_MS),
    ],
)
def test_reads_both_forms(value: str, wait: int) -> None:
    """Seconds, whole or not, and dates in all three spellings; the absurd is bounded."""
    assert wait == parse(value, NOW)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "0",
        "0.0",
        "-5",
        "1e9",
        "inf",
        "nan",
        "٣",
        "soon",
        "30 s",
        "9" * 400,
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 07:00:00 GMT",
        "Sun, 99 Nov 1994 08:49:37 GMT",
    ],
)
def test_says_nothing_useful(value: str | None) -> None:
    """Missing, malformed, zero, negative and past values leave the wait to our own backoff."""
    assert parse(value, NOW) is None


def test_instant() -> None:
    """A date header becomes an instant."""
    assert NOW == instant("Sun, 06 Nov 1994 08:49:37 GMT")
    assert instant("yesterday") is None


@given(st.text(max_size=40) | st.from_regex(r"\d{1,25}(\.\d+)?", fullmatch=True))
def test_any_header(value: str) -> None:
    """No header raises, and no wait is zero, negative or beyond a year."""
    wait = parse(value, NOW)

    assert wait is None or 0 < wait <= LONGEST_MS
