"""``dotagent next``: what runs next, the earliest first: over all agents the next run of each
schedule, of one agent or schedule every run.

With ``--json``, one object. Instants are ISO 8601 in local time.

* ``runs``: ``at``; ``agent``, ``schedule``; ``state`` (``planned``; ``retry``: a further try;
  ``waiting``: due and not started; ``skipped``: a person wants it not to run); ``expected``: the
  run's own time; ``attempt``, ``max_attempts``; ``why`` it waits or is skipped, or null
* ``running``: how many runs are under way; ``held``: how many schedules wait for a vanished folder
* ``daemon``: whether one runs, so that any of this will start
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import click

from dotagent.cli.looking import Look, known, look, page, show, show_json
from dotagent.cli.names import AGENT_OR_SCHEDULE
from dotagent.core.agenda import Coming, Entry, agenda
from dotagent.core.errors import NotFound
from dotagent.core.fit import one_line
from dotagent.core.hindrance import waited_for
from dotagent.core.moment import clock, local, zone_name
from dotagent.core.shell import word
from dotagent.core.span import count
from dotagent.core.when import Every, zone_named
from dotagent.store import coming, history
from dotagent.system.hindrance import DAEMON

MOST = 10


@click.command("next")
@click.argument("name", metavar="[AGENT[/SCHEDULE]]", required=False, type=AGENT_OR_SCHEDULE)
@click.option(
    "-n",
    "number",
    type=click.IntRange(1, 1000),
    default=MOST,
    show_default=True,
    help="How many runs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def command(name: str | None, number: int, as_json: bool) -> int:
    """What runs next: of every schedule its next run; of one agent, all its runs to come.

    \b
    Example:
      dotagent next
      dotagent next backup -n 3
    """
    with look() as seen:
        if seen.reader is None:
            raise NotFound(
                "nothing is planned: dotagent has not run in this home yet",
                "Write an agent: dotagent init. Then let it run: dotagent daemon",
            )
        agent, schedule = _named(seen, name)
        found = coming.coming(seen.reader, agent, schedule)
        entries = list(islice(agenda(found, seen.now, seen.zone, once=agent is None), number))
        left = _left(found, entries) if agent is None else 0
        held, running = coming.held(seen.reader, agent), coming.busy(seen.reader)
        if as_json:
            return show_json(
                {
                    "runs": [_data(seen, entry, running) for entry in entries],
                    "running": running,
                    "held": held,
                    "daemon": seen.actor == DAEMON,
                }
            )
        return show(_lines(seen, entries, held, running, name, left))


def _named(seen: Look, name: str | None) -> tuple[str | None, str | None]:
    """Raises ``NotFound``."""
    if name is None:
        return None, None
    assert seen.reader is not None
    agent, _, schedule = name.partition("/")
    known(agent, history.agents(seen.reader), "there is no agent")
    if schedule:
        ids = [each.schedule for each in history.standings(seen.reader, agent)]
        known(schedule, ids, f"{agent} has no schedule")
    return agent, schedule or None


def _left(found: Sequence[Coming], entries: Sequence[Entry]) -> int:
    """How many schedules that have something to come were not shown."""
    awaited = {each.name for each in found if each.try_at is not None or each.due_at is not None}
    return len(awaited - {entry.of.name for entry in entries})


def _lines(
    seen: Look, entries: Sequence[Entry], held: int, running: int, name: str | None, left: int
) -> list[str]:
    paper = page()
    rows = [(clock(each.at, seen.now, seen.zone), _text(seen, each, running)) for each in entries]
    if rows:
        more = f"; {count(left, 'schedule')} more after that" if left else ""
        said = f"Times of {zone_name(seen.now, seen.zone)}{more}."
        lines = [*paper.entries(rows), "", *paper.paragraph(said)]
    else:
        lines = paper.paragraph("Nothing is planned.")
    if held:
        verb = "waits" if held == 1 else "wait"
        said = f"{count(held, 'schedule')} {verb} for a folder that is gone or unreadable."
        lines += ["", *paper.paragraph(said, "doubtful")]
    following = "dotagent status" if name is None else f"dotagent why {word(name)}"
    if seen.actor != DAEMON:
        lines += ["", *paper.paragraph("No daemon runs: none of this is started.", "doubtful")]
        following = "dotagent daemon"
    return [*lines, "", *paper.paragraph(f"Next: {following}")]


def _text(seen: Look, entry: Entry, running: int) -> str:
    parts = [one_line(entry.of.name)]
    if entry.attempt > 1:
        run = clock(entry.expected_at, seen.now, seen.zone)
        parts.append(f"try {entry.attempt} of {_most(entry)} of the {run} run")
    elif own := _own_time(seen, entry):
        parts.append(own)
    why = _why(seen, entry, running)
    if entry.skipped is not None:
        parts.append(f"not run: {why}")
    elif why is not None:
        parts.append(why)
    return ", ".join(parts)


def _own_time(seen: Look, entry: Entry) -> str:
    """The time as its manifest has it, where that is of another zone: ``08:30 in Asia/Tokyo``."""
    when = entry.of.when
    if isinstance(when, Every) or when.timezone in (None, zone_name(seen.now, seen.zone)):
        return ""
    then = local(entry.expected_at, zone_named(when.timezone))
    return f"{then:%H:%M} in {when.timezone}"


def _why(seen: Look, entry: Entry, running: int) -> str | None:
    if entry.skipped is not None:
        return one_line(entry.skipped)
    if not entry.waits:
        return None
    if seen.actor != DAEMON:
        return "waits for a daemon"
    if entry.of.running:
        return "waits for the end of the run in progress"
    if seen.hindrance is not None:
        return f"waits for {waited_for(seen.hindrance)}"
    return f"waits for a free slot ({count(running, 'run')} under way)"


def _most(entry: Entry) -> int:
    return max(entry.of.most, entry.attempt)


def _data(seen: Look, entry: Entry, running: int) -> dict[str, Any]:
    state = "retry" if entry.attempt > 1 else "planned"
    state = "waiting" if entry.waits else state
    return {
        "at": seen.iso(entry.at),
        "agent": entry.of.agent,
        "schedule": entry.of.schedule,
        "state": "skipped" if entry.skipped is not None else state,
        "expected": seen.iso(entry.expected_at),
        "attempt": entry.attempt,
        "max_attempts": _most(entry),
        "why": _why(seen, entry, running),
    }
