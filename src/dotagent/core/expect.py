"""Proof of work: whether an attempt that ended well also did what its ``[expect]`` says.

Decides only; ``system/proof.py`` gathers the facts. Invariant: what could not be checked counts as
unmet, and every expectation that is unmet is named.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo

from dotagent.core.duration import human
from dotagent.core.manifest import Expect, ExpectFile
from dotagent.core.model import Tail

QUOTE_CHARS = 80
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A file at one moment. ``stamp`` differs whenever the file was written or replaced; it is
    None where there is no file. ``problem``: why it could not be looked at, or is no file.
    """

    stamp: tuple[int, ...] | None = None
    size: int = 0
    modified_at: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A pattern looked for in the output: what it matched, or why that could not be found out."""

    matched: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that ``unmet`` goes by. What the manifest does not ask for may stay at its default."""

    ended_at: int
    duration_ms: int
    zone: tzinfo
    """In which a person reads the time of the file."""
    stdout: Tail = field(default_factory=Tail)
    match: Search = Search()
    not_match: Search = Search()
    before: Look = Look()
    after: Look = Look()


def unmet(expect: Expect, *, facts: Facts) -> str | None:
    """What is missing, to follow "exit 0, but …"; None where everything expected is there."""
    reasons = (
        _output(expect, facts),
        _match(expect, facts),
        _not_match(expect, facts),
        _file(expect.file, facts) if expect.file is not None else None,
        _duration(expect, facts),
    )
    return "; ".join(each for each in reasons if each is not None) or None


def _output(expect: Expect, facts: Facts) -> str | None:
    said = facts.stdout.text.strip() or facts.stdout.dropped
    return "it printed nothing" if expect.output == "nonempty" and not said else None


def _match(expect: Expect, facts: Facts) -> str | None:
    if expect.output_match is None or facts.match.matched is not None:
        return None
    if facts.match.problem is not None:
        return f"output_match could not be checked: {facts.match.problem}"
    cut = "the end of its output" if facts.stdout.dropped else "its output"
    return f"{cut} has no match for {_quote(expect.output_match)}"


def _not_match(expect: Expect, facts: Facts) -> str | None:
    if expect.output_not_match is None:
        return None
    if facts.not_match.problem is not None:
        return f"output_not_match could not be checked: {facts.not_match.problem}"
    if facts.not_match.matched is None:
        return None
    return f"its output has {_quote(facts.not_match.matched.strip() or expect.output_not_match)}"


def _file(file: ExpectFile, facts: Facts) -> str | None:
    after = facts.after
    if after.problem is not None:
        return f"{file.path} {after.problem}"
    if after.stamp is None:
        return f"{file.path} does not exist"
    if file.newer and after.stamp == facts.before.stamp:
        return f"{file.path} is unchanged{_since(after.modified_at, facts)}"
    if file.min_bytes is not None and after.size < file.min_bytes:
        return f"{file.path} has {after.size:,} of at least {file.min_bytes:,} bytes"
    return None


def _duration(expect: Expect, facts: Facts) -> str | None:
    least = expect.min_duration_ms
    if least is None or facts.duration_ms >= least:
        return None
    return f"it took only {human(facts.duration_ms)}, at least {human(least)} is expected"


def _since(at: int, facts: Facts) -> str:
    """`` since 08:30 today``, `` since Monday 08:30`` within six days, else with the date; nothing
    where a file's time is no date at all.
    """
    try:
        then = datetime.fromtimestamp(at // 1_000, facts.zone)
    except (OverflowError, ValueError, OSError):
        return ""
    day = datetime.fromtimestamp(facts.ended_at // 1_000, facts.zone).date()
    if then.date() == day:
        return f" since {then:%H:%M} today"
    if timedelta(0) < day - then.date() < timedelta(days=7):
        return f" since {_DAYS[then.weekday()]} {then:%H:%M}"
    return f" since {then:%Y-%m-%d %H:%M}"


def _quote(text: str) -> str:
    line = " ".join(text.split()) or text
    return f'"{line[:QUOTE_CHARS]}…"' if len(line) > QUOTE_CHARS else f'"{line}"'
