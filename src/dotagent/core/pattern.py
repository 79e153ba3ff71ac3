"""Whether a text is a regular expression that can be searched for without harm.

Invariant: no pattern is compiled that would take more than some tens of MB: ``regex`` writes out
``x{n}`` n times, so ``((a{999}){999}){999}`` would end the process.
"""

from __future__ import annotations

import re

LONGEST = 2_000
"""Characters."""

MOST_NODES = 50_000
"""Some 20 MB once compiled (measured: up to 400 bytes a node)."""

_TOKEN = re.compile(
    r"\\.|\[(?:\\.|[^\]\\])*\]|\{(?P<least>[0-9]*),?[0-9]*\}|(?P<bracket>[()])|.", re.DOTALL
)


def fault(pattern: str) -> str | None:
    """Why ``pattern`` (Python's syntax, as the library ``regex`` reads it) cannot be used."""
    # Loaded only for manifests with a pattern: it takes longer than all the rest.
    import regex

    if len(pattern) > LONGEST:
        return f"longer than {LONGEST:,} characters"
    if _nodes(pattern) > MOST_NODES:
        return "it repeats too much; use smaller counts"
    try:
        regex.compile(pattern, regex.MULTILINE)
    except regex.error as error:
        return str(error)
    except (RecursionError, OverflowError, ValueError):
        return "nested too deep or counted too far"
    return None


def _nodes(pattern: str) -> int:
    """About how many nodes the pattern has once its counted repeats are written out."""
    open_groups = [0]
    last = 0
    for token in _TOKEN.finditer(pattern):
        if token["bracket"] == "(":
            open_groups.append(0)
            last = 0
        elif token["bracket"] == ")" and len(open_groups) > 1:
            last = open_groups.pop() + 1
            open_groups[-1] += last
        elif token["least"]:
            repeated = last * max(int(token["least"][:9]), 1)
            open_groups[-1] += repeated - last
            last = repeated
        else:
            last = 1
            open_groups[-1] += last
    return sum(open_groups)
