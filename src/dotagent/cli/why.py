"""``dotagent why``: one sentence, then the evidence it rests on.

With ``--json``, one object. Instants are ISO 8601 in local time; what is not known is null.

* ``sentence``; ``agent``, ``schedule``; ``log``: the file with the agent's full output
* ``window``: null, or ``id``, ``expected``, ``expected_to`` (the last of ``count`` instants, where
  it stands for several; ``count_is_exact``), ``planned``, ``deadline``, ``state``, ``reason``,
  ``attempts``, ``next_try``, ``closed``, ``late``, ``caught_up`` (older runs it stood in for)
* ``attempts``: ``id``, ``number``, ``kind`` (``window``, ``manual``), ``started``, ``ended``,
  ``duration_ms``, ``verdict``, ``words``, ``said``, ``output`` (its last lines),
  ``remarks`` (what went wrong beside it)
* ``events``: ``seq``, ``kind``, ``severity``, ``at``, ``line``, and ``deliveries``: ``id``,
  ``channel``, ``driver``, ``state``, ``reason``, ``folded``, ``ended``, ``next_try``, ``sends``:
  ``number``, ``started``, ``ended``, ``outcome``, ``why``, ``may_repeat``
* ``outage``: null, or ``opened``, ``failures``, ``lost_runs``, ``closed``, ``closed_by``,
  ``acknowledged``, ``acknowledged_why``; ``silenced``: silences that hold: ``id``, ``until``,
  ``reason``
* ``away``: spans in which nothing could be started: ``from``, ``to``, ``why``
* ``runs``: of a day or a minute with several runs, each with its ``sentence`` and its ``window``
  (null for a run by hand); else empty
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from dotagent.cli.looking import Look, known, look, page, show, show_json
from dotagent.cli.names import AGENT_OR_SCHEDULE
from dotagent.cli.why_data import case_data, window_data
from dotagent.cli.why_text import case_lines, day_lines
from dotagent.core.case import Case, Standing, Window
from dotagent.core.day import day_sentence
from dotagent.core.errors import NotFound, UsageError
from dotagent.core.past import Span, span
from dotagent.core.shell import word
from dotagent.core.why import sentence
from dotagent.store import history
from dotagent.store.reading import Reader


@click.command()
@click.argument("agent", metavar="AGENT[/SCHEDULE]", type=AGENT_OR_SCHEDULE)
@click.argument("when", metavar="[WHEN]", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print sentence and evidence as JSON.")
def command(agent: str, when: Sequence[str], as_json: bool) -> int:
    """Why an agent ran or did not, what happened, and who was told.

    WHEN is a time (08:30), a day (yesterday, tuesday, 2026-03-29), both (tuesday 08:30,
    2026-03-29T08:30), or the number of a window; without it, the run in progress, else the latest.
    Without SCHEDULE, the schedule that fails, else the one that ran last.

    \b
    Example:
      dotagent why disk-alert
      dotagent why disk-alert/daily tuesday
    """
    with look() as seen:
        found = find(seen, agent, " ".join(when))
        if isinstance(found, Day):
            return _day(seen, found, as_json)
        said = sentence(found, seen.now, seen.zone, hindrance=seen.hindrance)
        if as_json:
            return show_json({"sentence": said, **case_data(seen, found), "runs": []})
        return show(case_lines(page(), seen, found, said))


def _day(seen: Look, day: Day, as_json: bool) -> int:
    said = day_sentence(day.standing, day.cases, day.span, seen.now, seen.zone)
    runs = [
        (case, sentence(case, seen.now, seen.zone, hindrance=seen.hindrance)) for case in day.cases
    ]
    if not as_json:
        return show(day_lines(page(), seen, day.span, said, runs))
    data: dict[str, Any] = {"sentence": said, **case_data(seen, Case(standing=day.standing))}
    data["runs"] = [{"sentence": text, **window_data(seen, case)} for case, text in runs]
    return show_json(data)


# ----------------------------------------------------------------------------------- which run


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Several runs of one schedule on one day, or in the minute that was named."""

    standing: Standing
    span: Span
    cases: Sequence[Case]


def find(seen: Look, name: str, when: str) -> Case | Day:
    """The run that is meant. Raises ``NotFound``, ``UsageError``."""
    agent, _, schedule = name.partition("/")
    reader = seen.reader
    if reader is None:
        raise NotFound(
            f"there is no agent {agent!r}: dotagent has not run in this home yet",
            "Write one: dotagent init. Then let it run: dotagent daemon",
        )
    known(agent, history.agents(reader), "there is no agent")
    standings = history.standings(reader, agent)
    if schedule:
        ids = [standing.schedule for standing in standings]
        known(schedule, ids, f"{agent} has no schedule")
        standings = [standing for standing in standings if standing.schedule == schedule]
    if not standings:
        standings = [Standing(agent=agent, schedule="manual")]
    if not when:
        return _latest(seen, reader, standings[0])
    if when.isdecimal():
        return _numbered(seen, reader, agent, standings, int(when))
    try:
        asked = span(when, seen.now, seen.zone)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return _asked(seen, reader, standings, asked)


def _latest(seen: Look, reader: Reader, standing: Standing) -> Case:
    window = history.window_in_progress(reader, standing)
    if window is not None:  # what came due meanwhile was skipped: that is not what is going on
        return history.case_of_window(reader, standing, window, seen.now, seen.actor)
    window = history.latest_window(reader, standing)
    manual = history.latest_manual(reader, standing)
    if manual is not None:
        since = None if window is None else window.closed_at
        if window is None or (since is not None and manual.started_at > since):
            return history.case_of_attempt(reader, standing, manual, seen.now, seen.actor)
    if window is None:
        return history.case_of_nothing(reader, standing, None, seen.now, seen.actor)
    return history.case_of_window(reader, standing, window, seen.now, seen.actor)


def _numbered(
    seen: Look, reader: Reader, agent: str, standings: Sequence[Standing], number: int
) -> Case:
    found = history.window_by_id(reader, agent, number)
    for standing in standings:
        if found is not None and found[0] == standing.schedule:
            asked = Span(first_at=found[1].expected_at, last_at=found[1].expected_at)
            return _of(seen, reader, standing, found[1], asked)
    raise NotFound(f"{agent} has no window {number}", f"See: dotagent why {word(agent)}")


def _asked(seen: Look, reader: Reader, standings: Sequence[Standing], asked: Span) -> Case | Day:
    for standing in standings:
        windows = history.windows_in(reader, standing, asked)
        if windows:
            cases = [_of(seen, reader, standing, window, asked) for window in windows]
            return _all(standing, asked, [*cases, *_by_hand(seen, reader, standing, asked)])
    for standing in standings:
        tried = history.window_running_in(reader, standing, asked)
        if tried is not None and not asked.is_day:
            return _of(seen, reader, standing, tried, asked)
        cases = _by_hand(seen, reader, standing, asked)
        if cases:
            return _all(standing, asked, cases)
    return history.case_of_nothing(reader, standings[0], asked, seen.now, seen.actor)


def _all(standing: Standing, asked: Span, cases: Sequence[Case]) -> Case | Day:
    """None of several is picked for the person."""
    return cases[0] if len(cases) == 1 else Day(standing=standing, span=asked, cases=cases)


def _by_hand(seen: Look, reader: Reader, standing: Standing, asked: Span) -> list[Case]:
    return [
        replace(
            history.case_of_attempt(reader, standing, attempt, seen.now, seen.actor), asked=asked
        )
        for attempt in history.manual_attempts(reader, standing, asked)
    ]


def _of(seen: Look, reader: Reader, standing: Standing, window: Window, asked: Span) -> Case:
    case = history.case_of_window(reader, standing, window, seen.now, seen.actor)
    return replace(case, asked=asked)
