"""``python -m bench [--write FILE] [NAME…]``: run the named measurements, or all; print one table.

Each part is also shown as soon as it is measured. ``--write`` puts the whole into a file, between
its two markers. Exit 1 if a floor does not hold, 2 for a name that is none.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import delivery, dispatch, flood, growth, idle, startup
from bench.table import Row, between, render

MEASUREMENTS: dict[str, tuple[str, Callable[[], list[Row]]]] = {
    "startup": (startup.TITLE, startup.measure),
    "delivery": (delivery.TITLE, delivery.measure),
    "growth": (growth.TITLE, growth.measure),
    "dispatch": (dispatch.TITLE, dispatch.measure),
    "idle": (idle.TITLE, idle.measure),
    "flood": (flood.TITLE, flood.measure),
}


def main(words: Sequence[str]) -> int:
    """Run what ``words`` name, all if there are none, in the order of the table of MEASUREMENTS."""
    names, file = [*words], None
    if "--write" in names:
        at = names.index("--write")
        file = Path(names[at + 1])
        del names[at : at + 2]
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        known = ", ".join(MEASUREMENTS)
        print(f"There is no measurement {', '.join(unknown)}; there are: {known}", file=sys.stderr)
        return 2

    parts: list[tuple[str, list[Row]]] = []
    for name, (title, measure) in MEASUREMENTS.items():
        if names and name not in names:
            continue
        began = time.monotonic()
        parts.append((title, measure()))
        print(render([parts[-1]]), file=sys.stderr)
        print(f"({name}: {time.monotonic() - began:.0f} s)\n", file=sys.stderr)
    whole = f"{_machine()}\n\n{render(parts)}"
    print(whole)
    if file is not None:
        file.write_text(between(file.read_text(), whole))
    return 0 if all(row.verdict != "OVER THE FLOOR" for _, rows in parts for row in rows) else 1


def _machine() -> str:
    busy = os.getloadavg()[1]
    python = platform.python_version()
    return f"Python {python}, {platform.system()} on {os.cpu_count()} cores, load {busy:.1f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
