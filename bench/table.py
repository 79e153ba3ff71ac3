"""One shape for all that is measured: what, its middle and spread, its ratio, and what was wanted.

A ratio is the median of the ratios within each round, not the ratio of two medians: what slows one
round down slows both sides of it. "Floor" is what must hold, "goal" what we are after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing measured, in milliseconds; ``ratio`` and bounds are multiples of the peer."""

    name: str
    median_ms: float
    low_ms: float
    """First quartile."""
    high_ms: float
    """Third quartile."""
    ratio: float | None = None
    floor: float | None = None
    goal: float | None = None

    @property
    def verdict(self) -> str:
        """How the ratio stands to what was wanted; empty for the peer itself."""
        if self.ratio is None or self.floor is None or self.goal is None:
            return ""
        if self.ratio <= self.goal:
            return "goal reached"
        return "floor holds" if self.ratio <= self.floor else "OVER THE FLOOR"


def row(
    name: str,
    samples: Sequence[float],
    *,
    peer: Sequence[float] = (),
    floor: float | None = None,
    goal: float | None = None,
) -> Row:
    """Sum up ``samples`` (ms, one a round), against the ``peer``'s of the same rounds, if any."""
    low, _, high = quantiles(samples, n=4)
    ratios = [own / other for own, other in zip(samples, peer, strict=True)] if peer else []
    return Row(
        name=name,
        median_ms=median(samples),
        low_ms=low,
        high_ms=high,
        ratio=median(ratios) if ratios else None,
        floor=floor,
        goal=goal,
    )


def render(title: str, rows: Sequence[Row]) -> str:
    """The table as text, columns aligned, the names to the left and the numbers to the right."""
    header = ["", "median", "quartiles", "ratio", "floor", "goal", ""]
    body = [
        [
            row.name,
            _ms(row.median_ms) + " ms",
            f"{_ms(row.low_ms)} to {_ms(row.high_ms)}",
            _times(row.ratio, 2),
            _times(row.floor, 1),
            _times(row.goal, 1),
            row.verdict,
        ]
        for row in rows
    ]
    widths = [max(len(line[column]) for line in [header, *body]) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if column in (0, len(header) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [header, *body]
    ]
    return "\n".join([title, "", *lines, ""])


def _times(value: float | None, digits: int) -> str:
    if value is None:
        return ""
    return f"{value:.3f} x" if value < 0.1 else f"{value:.{digits}f} x"


def _ms(value: float) -> str:
    """Two digits of what is short: a message takes less than a millisecond."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"
