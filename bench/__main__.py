"""``python -m bench [--write FILE] [NAME…]``: run the named measurements, or all; print one table.

Each part is also shown as soon as it is measured. ``--write`` puts the whole into a file, between
its two markers; a file that has none is refused before anything is measured. A part that fails
takes no other with it: nothing is written then. Exit 1 if a floor does not hold or a part failed, 2
for words that make no sense.
"""

from __future__ import annotations

import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import delivery, dispatch, flood, growth, idle, startup
from bench.table import BEGIN, END, Row, between, render

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
    try:
        names, file = _asked(words)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2

    busy = os.getloadavg()[0]
    parts: list[tuple[str, list[Row]]] = []
    failed: list[str] = []
    for name in names:
        title, measure = MEASUREMENTS[name]
        began = time.monotonic()
        try:
            parts.append((title, measure()))
        except Exception:
            traceback.print_exc()
            failed.append(name)
            continue
        print(render([parts[-1]]), file=sys.stderr)
        print(f"({name}: {time.monotonic() - began:.0f} s)\n", file=sys.stderr)
    whole = f"{_machine(busy)}\n\n{render(parts)}"
    print(whole)
    if failed:
        print(f"Failed, and so nothing is written: {', '.join(failed)}", file=sys.stderr)
        return 1
    if file is not None:
        file.write_text(between(file.read_text(), whole))
    return 0 if all(row.verdict != "OVER THE FLOOR" for _, rows in parts for row in rows) else 1


def _asked(words: Sequence[str]) -> tuple[list[str], Path | None]:
    """What to measure, in the order of MEASUREMENTS, and where to write it. Raises ValueError."""
    names, file = [*words], None
    if "--write" in names:
        at = names.index("--write")
        file = Path(*names[at + 1 : at + 2])
        del names[at : at + 2]
        if not file.is_file() or not (BEGIN in (text := file.read_text()) and END in text):
            raise ValueError(f"--write needs a file that has the lines {BEGIN} and {END}: {file}")
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        known = ", ".join(MEASUREMENTS)
        raise ValueError(f"There is no measurement {', '.join(unknown)}; there are: {known}")
    return [name for name in MEASUREMENTS if not names or name in names], file


def _machine(busy: float) -> str:
    """``busy``: the load before anything was measured: what else the machine did."""
    python = platform.python_version()
    return f"Python {python}, {platform.system()} on {os.cpu_count()} cores, load {busy:.1f} before"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
