"""Spans of time as people write and read them: ``1h30m`` in a file, ``1 h 30 min`` in a message.

Invariants: ``parse(text(ms)) == ms``; no span is negative or longer than ``LONGEST_MS``, so that
an instant plus a span always stays a date that can be written down.
"""

from __future__ import annotations

import re

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
LONGEST_MS = 36_500 * DAY_MS
"""About a hundred years: whoever asks for more means "never"."""

FORMS = '"250ms", "5s", "90m", "2h", "1d" or a sum like "1h30m"'

_UNITS = (("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS), ("ms", 1))
_FORM = re.compile("".join(rf"(?:([0-9]{{1,16}}){unit}(?![a-z]))?" for unit, _ in _UNITS))
_LONGEST_TEXT = 64


def parse(text: str) -> int:
    """Milliseconds of a span such as ``1h30m``: units once each, the largest first.

    Raises ``ValueError`` with a message for the person who wrote it.
    """
    plain = text.strip()
    if not plain:
        raise ValueError(f"an empty text is not a span of time; write {FORMS}")
    shown = plain if len(plain) <= _LONGEST_TEXT else plain[: _LONGEST_TEXT - 1] + "…"
    found = _FORM.fullmatch(plain)
    if found is None:
        raise ValueError(f'"{shown}" is not a span of time; {_advice(plain)}')
    ms = sum(
        int(count) * unit
        for count, (_, unit) in zip(found.groups(), _UNITS, strict=True)
        if count is not None
    )
    if ms > LONGEST_MS:
        raise ValueError(f'"{shown}" is too long; a span may be 100 years (36500d) at most')
    return ms


def text(ms: int) -> str:
    """The exact written form, ``1h30m`` or ``250ms``. Raises ``ValueError`` below zero."""
    if ms < 0:
        raise ValueError(f"a span cannot be negative: {ms} ms")
    parts = []
    for unit, size in _UNITS:
        count, ms = divmod(ms, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def human(ms: int) -> str:
    """For messages, rounded down to what a person cares about: ``4.2 s``, ``3 min``,
    ``1 h 20 min``, ``2 days 3 h``. A negative span (a clock was set back) reads as none."""
    ms = max(ms, 0)
    if ms < SECOND_MS:
        return f"{ms} ms"
    if ms < 10 * SECOND_MS:
        tenths = ms // 100
        return f"{tenths / 10:g} s"
    if ms < MINUTE_MS:
        return f"{ms // SECOND_MS} s"
    if ms < HOUR_MS:
        minutes, rest = divmod(ms, MINUTE_MS)
        seconds = rest // SECOND_MS if minutes < 10 else 0
        return _pair(f"{minutes} min", seconds, "s")
    if ms < DAY_MS:
        hours, rest = divmod(ms, HOUR_MS)
        return _pair(f"{hours} h", rest // MINUTE_MS, "min")
    days, rest = divmod(ms, DAY_MS)
    return _pair("1 day" if days == 1 else f"{days} days", rest // HOUR_MS, "h")


def _pair(large: str, small: int, unit: str) -> str:
    return f"{large} {small} {unit}" if small else large


def _advice(plain: str) -> str:
    if re.fullmatch(r"[0-9]+", plain):
        return f'it has no unit: "{plain[:16]}s", "{plain[:16]}m" or "{plain[:16]}h"?'
    if plain.startswith("-"):
        return "it must not be negative"
    if re.fullmatch(r"[0-9]*[.,][0-9]+[a-z]+", plain):
        return 'no fractions: write "1h30m" for one and a half hours'
    if re.fullmatch(r"(?:[0-9]+(?:ms|[smhd]))+", plain):
        return 'each unit once and the largest first, like "1h30m"'
    return f"write {FORMS}"
