"""Spans of time as people write and read them: ``1h30m`` in a file, ``1 h 30 min`` in a message.

Invariants: ``parse(text(ms)) == ms``; no span is negative or longer than ``LONGEST_MS``, so that
an instant plus a span always stays a date that can be written down.
"""

from __future__ import annotations

import re

from dotagent.core.span import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, human

__all__ = [
    "DAY_MS",
    "FORMS",
    "HOUR_MS",
    "LONGEST_MS",
    "MINUTE_MS",
    "SECOND_MS",
    "human",
    "parse",
    "text",
]

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
