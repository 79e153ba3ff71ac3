"""What a command that only looks needs: the record, the time, the zone, who holds the home."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from dotagent.cli.hot import say
from dotagent.cli.layout import Page, harmless, page_for
from dotagent.core.errors import NotFound
from dotagent.core.moment import stamp
from dotagent.core.problems import nearest, quoted
from dotagent.store.reading import Reader, record
from dotagent.system.hindrance import DAEMON, hindrance
from dotagent.system.lock import peek
from dotagent.system.paths import Paths, home
from dotagent.system.waiting import now
from dotagent.system.zone import machine_zone

SOME = 10
"""Fewer names than this are simply listed to who mistyped one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """``reader`` is None where nothing was recorded yet. ``actor``: the role of the lock's holder;
    one that has not said is taken for the daemon. ``hindrance``: what keeps it from starting
    anything (system/hindrance.py)."""

    paths: Paths
    reader: Reader | None
    now: int
    zone: tzinfo
    actor: str | None = None
    hindrance: str | None = None

    def iso(self, at: int | None) -> str | None:
        """An instant as every file and every ``--json`` of dotagent writes it."""
        return None if at is None else stamp(at, self.zone)


@contextmanager
def look() -> Iterator[Look]:
    """Look into the home. Raises ``HomeError``, ``StoreError``."""
    paths = Paths(home(os.environ))
    with record(paths.database) as reader:
        holder = peek(paths.lock)
        actor = None if holder is None else holder.role or DAEMON
        at = now()
        yield Look(
            paths=paths,
            reader=reader,
            now=at,
            zone=machine_zone(os.environ),
            actor=actor,
            hindrance=hindrance(paths.reserve, holder, at),
        )


def page() -> Page:
    """The page that standard output is."""
    return page_for(sys.stdout, os.environ)


def show(lines: list[str]) -> int:
    """Print lines; the exit status."""
    return say("".join(f"{line}\n" for line in lines))


def show_json(data: Any) -> int:
    """Print JSON; the exit status."""
    return say(harmless(json.dumps(data, ensure_ascii=False)) + "\n")


def known(name: str, names: Sequence[str], missing: str) -> None:
    """Raise ``NotFound`` if ``name`` is not one of ``names``, with the nearest one; ``missing``
    begins the sentence, as in ``there is no agent``."""
    if name in names:
        return
    near = nearest(name, names)
    hint = "See all of them: dotagent status"
    if near is not None:
        hint = f"Did you mean {quoted(near)}?"
    elif len(names) in range(1, SOME):
        hint = f"There is: {', '.join(names)}"
    raise NotFound(f"{missing} {quoted(name)}", hint)
