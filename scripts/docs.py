"""Writes the reference from the code: docs/drivers.md here, docs/reference by ``reference.py``.

With ``--check`` it writes nothing and fails where a file is not what it would write.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from dotagent.core.duration import text as span
from dotagent.core.manifest_notifier import TIMEOUT_MS
from dotagent.core.model import (
    Outcome,
    RejectDestination,
    RejectMessage,
    Retry,
)
from dotagent.drivers.kit import registry
from dotagent.drivers.kit.driver import Driver, example
from dotagent.ports import Response
from scripts import reference

DOCS = Path(__file__).resolve().parent.parent / "docs"

INTRO = f"""\
<!-- Written by scripts/docs.py (make docs) from src/dotagent/drivers; do not edit. -->

# Drivers

A driver is what speaks to one kind of service. It is named by the `driver` key of a `[[notifiers]]`
entry, in an agent's manifest or for all agents in `config.toml`. Every entry may also hold `id`,
`events`, `enabled`, `timeout_seconds` ({TIMEOUT_MS // 1_000} by default), `proxy`, `ca_file`,
`rate_limit_minutes`, `quiet_hours`, `remind`, `collapse` and `template`, whatever its driver.

Any text may hold `${{NAME}}`: the secrets store is asked for it when a message is sent, then the
environment. One that is not set is a failure; the literal text is never sent. `$${{` is a `${{`.
Keys marked *secret* show up in no message, log or record.

## What a failure means

| Outcome | What dotagent does |
|---|---|
| `retry` | tries again when the service says, else after 2 s to 15 min; at last a dead letter |
| `unknown` | tries again, and marks the message: it may have arrived already |
| `reject_message` | sends a plainer rendering once; then it is a dead letter |
| `reject_destination` | parks the channel, announces it on another, and looks again once a day |
| `unsupported` | this machine cannot do it: as above, and the message itself is rejected |
| `skipped` | deliberately not sent, with the reason: counts as success |

Dead letters and parked channels are announced on the other channels. `dotagent notify test` sends a
marked test message; `dotagent deliveries --dead` lists the dead letters. A program of your own can
be a channel as well: `driver = "plugin"` with its `name`, and what it needs under
`[notifiers.config]`.
"""

STATUSES = (400, 401, 403, 404, 408, 410, 413, 422, 429, 500, 502, 503, 504)
MEANT: Mapping[str, type[Any]] = {
    "tried again": Retry,
    "plainer once, then dead": RejectMessage,
    "channel parked": RejectDestination,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the reference from the code.")
    parser.add_argument("--check", action="store_true", help="only look whether it is up to date")
    check = parser.parse_args().check
    pages = {"drivers.md": written(), **reference.pages()}
    stale = 0
    for name, text in pages.items():
        file = DOCS / name
        if not check:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            print(f"docs/{name} is not what the code says; run: make docs")
            stale = 1
    return stale


def written() -> str:
    """The whole file."""
    loaded = [registry.load(name) for name in registry.names()]
    drivers = [each for each in loaded if each is not None]
    index = ", ".join(f"[{each.name}](#{each.name})" for each in drivers)
    return "\n".join([INTRO, f"Drivers: {index}.\n", *map(section, drivers)])


def section(driver: Driver) -> str:
    """What there is to say about one."""
    head, prose = parts(driver)
    pieces = [f"## {driver.name}", head, f"```toml\n{example(driver)}```", keys(driver), prose]
    return (
        "\n\n".join(filter(None, [*pieces, limits(driver), pace(driver), answers(driver)])) + "\n"
    )


def parts(driver: Driver) -> tuple[str, str]:
    """The docstring without its example: its first paragraph, and the others."""
    paragraphs = driver.doc.strip().split("\n\n")
    plain = [each for each in paragraphs if not each.startswith("    ")]
    return plain[0], "\n\n".join(plain[1:])


# ------------------------------------------------------------------------------------------ keys


def keys(driver: Driver) -> str:
    """A table of the driver's own keys; their meaning is what the example says beside them."""
    hints = get_type_hints(driver.config, include_extras=True)
    rows = [
        f"| `{name}` | {kind(hints[each.name])} | {default(each)} | {meaning(driver, name)} |"
        for each in fields(driver.config)
        for name in [each.name.removesuffix("_")]
    ]
    if not rows:
        return "It has no keys of its own."
    return "\n".join(["| Key | Type | Default | Meaning |", "|---|---|---|---|", *rows])


def kind(hint: Any) -> str:
    """A type in words."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        low = getattr(inner[1], "low", None)
        high = getattr(inner[1], "high", None)
        ranged = low is not None and high is not None and high < 2**31
        return f"{kind(inner[0])}, {low}–{high}" if ranged else kind(inner[0])
    if origin in (Union, UnionType):
        return " or ".join(kind(each) for each in inner if each is not type(None))
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in inner)
    if origin is tuple:
        return "text or list of texts"
    if origin is not None:
        return "table"
    return {str: "text", int: "whole number", bool: "true or false", float: "number"}.get(
        hint, "any value"
    )


def default(each: Field[Any]) -> str:
    if each.default is MISSING:
        return "**required**" if each.default_factory is MISSING else "none"
    if each.default in (None, (), ""):
        return "none"
    value = each.default
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


def meaning(driver: Driver, name: str) -> str:
    """The comment beside the key in the example."""
    said = ""
    for line in example(driver).splitlines():
        key, _, rest = line.partition("=")
        if key.strip() == name and "  #" in rest:
            said = rest.rpartition("  #")[2].strip()
    marks = ["*secret*"] if name in driver.secrets else []
    marks += ["*the address*"] if name in driver.target else []
    return "; ".join(filter(None, [said, *marks])).replace("|", "\\|")


# ---------------------------------------------------------------------------- limits and answers


def limits(driver: Driver) -> str:
    lines = [
        f"* {each.of}: at most {each.most:,} {each.unit} ([source]({each.source}))"
        for each in driver.limits
    ]
    if not lines:
        return ""
    return "\n".join(
        ["**Limits.** What is longer is cut, its end kept and the cut marked.", "", *lines]
    )


def pace(driver: Driver) -> str:
    each = driver.pace
    if not each.every_ms:
        return ""
    rate = f"one message every {span(each.every_ms)}, {each.burst} at once"
    return (
        f"**Pace.** {rate}, {each.parallel} in flight. What comes faster waits; nothing is dropped."
    )


def answers(driver: Driver) -> str:
    """What the service's plain statuses lead to, by asking the driver."""
    if driver.classify is None:
        return ""
    rows = [f"* {words}: {', '.join(found)}" for words, found in sorted_answers(driver) if found]
    head = "**Answers.** Where the service says nothing more than its status:"
    return "\n".join([head, "", *rows])


def sorted_answers(driver: Driver) -> Iterator[tuple[str, list[str]]]:
    assert driver.classify is not None
    outcomes: dict[int, Outcome] = {
        status: driver.classify(Response(status=status)) for status in STATUSES
    }
    for words, meant in MEANT.items():
        yield words, [str(each) for each, outcome in outcomes.items() if isinstance(outcome, meant)]


if __name__ == "__main__":
    sys.exit(main())
