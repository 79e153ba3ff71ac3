"""While you were away: one line after sleep, boot or downtime (product §6).

Invariant: nothing is said where all went well and nothing was late beyond its own tolerance, and
nothing before all that is caught up has settled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from dotagent.core.model import WindowState
from dotagent.core.moment import between, local
from dotagent.core.span import count

NAMED = 3
"""So many schedules are named one by one."""

_BAD = (WindowState.GIVEN_UP, WindowState.MISSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtUp:
    """A late run that has settled. ``older``: the windows that it stood in for; ``late_ms``: how
    late the first of them all was when it could be tried, and ``tolerance_ms`` how late it may."""

    name: str
    state: WindowState
    older: int
    late_ms: int
    tolerance_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Windows that nobody will run any more."""

    name: str
    count: int


def line(
    from_at: int,
    to_at: int,
    runs: Sequence[CaughtUp],
    missed: Sequence[Missed],
    now: int,
    zone: tzinfo,
) -> str | None:
    """What there is to say of an absence; None for nothing."""
    well = all(run.state not in _BAD for run in runs) and not missed
    if well and all(run.late_ms <= run.tolerance_ms for run in runs):
        return None
    said = "; ".join(filter(None, (_runs(runs), _missed(missed), _folded(runs))))
    return f"Away {_span(from_at, to_at, now, zone)}: {said}"


def _span(from_at: int, to_at: int, now: int, zone: tzinfo) -> str:
    """``23:04–08:11``; with its day where the night alone does not tell."""
    if to_at - from_at >= 86_400_000:
        return between(from_at, to_at, now, zone, " – ")
    first, last = local(from_at, zone), local(to_at, zone)
    form = "%H:%M:%S" if to_at - from_at < 60_000 else "%H:%M"
    return f"{first:{form}}–{last:{form}}"


def _runs(runs: Sequence[CaughtUp]) -> str:
    if not runs:
        return ""
    ok = sum(run.state is WindowState.SUCCEEDED for run in runs)
    bad = [run.name for run in runs if run.state in _BAD]
    skipped = len(runs) - ok - len(bad)
    parts = [f"{count(len(runs), 'run')} caught up", f"{ok} ok"]
    parts += [f"{_names(bad)} failing"] if bad else []
    parts += [f"{skipped} skipped"] if skipped else []
    return ", ".join(parts)


def _missed(missed: Sequence[Missed]) -> str:
    if not missed:
        return ""
    number = sum(each.count for each in missed)
    return f"{count(number, 'run')} missed ({_names([each.name for each in missed])})"


def _folded(runs: Sequence[CaughtUp]) -> str:
    older = sum(run.older for run in runs)
    return f"{count(older, 'older window')} folded" if older else ""


def _names(names: Sequence[str]) -> str:
    if len(names) <= NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"
