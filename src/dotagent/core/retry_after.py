"""Reads ``Retry-After`` (RFC 9110 §10.2.3): seconds, or a date. Pure; what it cannot make sense of
is as good as not said."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"\d{1,18}(?:\.\d{0,9})?", re.ASCII)

LONGEST_MS = 366 * 24 * 3_600_000
"""A wait beyond this says no more than this; who obeys caps it much lower."""


def instant(value: str | None) -> int | None:
    """Milliseconds since the epoch of an HTTP date (any of its three forms), or None."""
    try:
        moment = parsedate_to_datetime(value or "")
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return int(moment.timestamp() * 1_000)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def parse(value: str | None, now: int) -> int | None:
    """Milliseconds to wait from ``now`` (milliseconds since the epoch), or None.

    None for what is missing or malformed, and for zero, the negative and the past as well: "at
    once" from a service that has just refused is no advice to follow."""
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        wait = int(float(text) * 1_000)
    else:
        at = instant(text)
        if at is None:
            return None
        wait = at - now
    return min(wait, LONGEST_MS) if wait > 0 else None
