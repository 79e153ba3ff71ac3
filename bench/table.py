"""One shape for all that is measured: what, its middle and spread, its ratio, and what was wanted.

A ratio is the median of the ratios within each round, not the ratio of two medians: what slows one
round down slows both sides of it. "Floor" is what must hold, "goal" what we are after.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

Curve = Mapping[int, Sequence[float]]
"""What was measured in each round, by size."""
WORST_ORDER, LINEAR = 1.2, 1.1
"""Of growth: beyond linear by more than what a measurement is off is a defect."""


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


def curve(
    name: str, taken: Curve, floor: float | None = None, goal: float | None = None
) -> list[Row]:
    """One row a size, and one for the order of growth."""
    rows = [
        row(f"{size:,} {name}", samples, floor=floor, goal=goal) for size, samples in taken.items()
    ]
    orders = [order(taken)] * 2
    rows.append(row(f"{name}: order", orders, unit="", floor=WORST_ORDER, goal=LINEAR))
    return rows


def order(taken: Curve) -> float:
    """The exponent of growth, 1 for linear: the least-squares slope of log(time) over log(size).
    What takes no measurable time counts as a microsecond."""
    points = [
        (math.log(size), math.log(max(median(samples), 0.001))) for size, samples in taken.items()
    ]
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    above = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return above / sum((x - mean_x) ** 2 for x, _ in points)


def render(parts: Sequence[tuple[str, Sequence[Row]]]) -> str:
    """Titles and their rows as one table: columns aligned, names to the left, numbers to the
    right."""
    header = ["", "median", "quartiles", "ratio", "floor", "goal", ""]
    cells = [[_cells(row) for row in rows] for _, rows in parts]
    every = [header, *(line for body in cells for line in body)]
    widths = [max(len(line[column]) for line in every) for column in range(len(header))]
    lines = []
    for (title, _), body in zip(parts, cells, strict=True):
        lines += [title, "", *(_aligned(line, widths) for line in [header, *body]), ""]
    return "\n".join(lines)


def _cells(row: Row) -> list[str]:
    return [
        row.name,
        f"{_ms(row.median_ms)} {row.unit}".rstrip(),
        f"{_ms(row.low_ms)} to {_ms(row.high_ms)}",
        _times(row.ratio, 2),
        _bound(row, row.floor),
        _bound(row, row.goal),
        row.verdict,
    ]


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        cell.ljust(width) if column in (0, len(line) - 1) else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ).rstrip()


BEGIN, END = "<!-- measured -->", "<!-- end of what was measured -->"


def between(text: str, table: str) -> str:
    """``text`` with the table between its two markers, as Markdown."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n```\n{table.rstrip()}\n```\n\n{END}{after}"


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
