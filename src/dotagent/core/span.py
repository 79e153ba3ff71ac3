"""Spans and counts in the words of a message: ``4.2 s``, ``1 h 20 min``, ``2 runs``.

Imported by the hot commands: no regular expressions here. The written form, ``1h30m``, and its
reader are in ``core/duration.py``.
"""

from __future__ import annotations

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


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


def count(number: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _pair(large: str, small: int, unit: str) -> str:
    return f"{large} {small} {unit}" if small else large
