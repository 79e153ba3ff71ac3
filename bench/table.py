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
    """One thing measured, in milliseconds or in ``unit``; bounds are multiples of the peer where
    there is one, and else of the unit."""

    name: str
    median_ms: float
    low_ms: float
    """First quartile."""
    high_ms: float
    """Third quartile."""
    ratio: float | None = None
    floor: float | None = None
    goal: float | None = None
    unit: str = "ms"

    @property
    def verdict(self) -> str:
        """How it stands to what was wanted; empty for the peer itself."""
        if self.floor is None or self.goal is None:
            return ""
        found = self.median_ms if self.ratio is None else self.ratio
        if found <= self.goal:
            return "goal reached"
        return "floor holds" if found <= self.floor else "OVER THE FLOOR"


def row(
    name: str,
    samples: Sequence[float],
    *,
    peer: Sequence[float] = (),
    floor: float | None = None,
    goal: float | None = None,
    unit: str = "ms",
) -> Row:
    """Sum up ``samples`` (in ``unit``, one a round), against the ``peer``'s of the same rounds, if
    there is one."""
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
        unit=unit,
    )


def render(title: str, rows: Sequence[Row]) -> str:
    """The table as text, columns aligned, the names to the left and the numbers to the right."""
    header = ["", "median", "quartiles", "ratio", "floor", "goal", ""]
    body = [
        [
            row.name,
            f"{_ms(row.median_ms)} {row.unit}".rstrip(),
            f"{_ms(row.low_ms)} to {_ms(row.high_ms)}",
            _times(row.ratio, 2),
            _bound(row, row.floor),
            _bound(row, row.goal),
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


def _bound(row: Row, value: float | None) -> str:
    if row.ratio is not None or value is None:
        return _times(value, 1)
    return f"{value:g} {row.unit}".rstrip()
