"""``python -m bench [NAME…]``: run the named measurements, or all, and print their tables.

Exit 1 if a floor does not hold, 2 for a name that is none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from bench import delivery, dispatch, flood, growth, idle, startup
from bench.table import Row, render

MEASUREMENTS: dict[str, tuple[str, Callable[[], list[Row]]]] = {
    "startup": (startup.TITLE, startup.measure),
    "delivery": (delivery.TITLE, delivery.measure),
    "growth": (growth.TITLE, growth.measure),
    "dispatch": (dispatch.TITLE, dispatch.measure),
    "idle": (idle.TITLE, idle.measure),
    "flood": (flood.TITLE, flood.measure),
}


def main(names: Sequence[str]) -> int:
    """Run ``names``, all if there are none, in the order of the table of MEASUREMENTS."""
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        known = ", ".join(MEASUREMENTS)
        print(f"There is no measurement {', '.join(unknown)}; there are: {known}", file=sys.stderr)
        return 2

    kept = True
    for name, (title, measure) in MEASUREMENTS.items():
        if names and name not in names:
            continue
        rows = measure()
        print(render(title, rows))
        kept = kept and all(row.verdict != "OVER THE FLOOR" for row in rows)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
