"""``dotagent silence``: hold back what an agent has to say, until an end that must be named.

``list`` only looks; ``add`` and ``end`` go through the home's one actor. A line of ``--json``:
``id``, ``agent``, ``schedule`` (null: all of them), ``reason``, ``made``, ``until``, ``ended``,
``ended_by``, and ``held``, how many messages it has held back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from dotagent import app
from dotagent.cli.acting import act, environment
from dotagent.cli.deliveries import note, report
from dotagent.cli.looking import Look, look, page, show, show_json
from dotagent.cli.names import AGENT_OR_SCHEDULE
from dotagent.cli.usage import ListFirst
from dotagent.core.errors import UsageError
from dotagent.core.fit import one_line
from dotagent.core.moment import clock, when
from dotagent.core.silence import length
from dotagent.core.span import SECOND_MS, count, human
from dotagent.store import silences
from dotagent.store.silences import Listed


@click.group(cls=ListFirst)
def command() -> None:
    """Hold back an agent's messages for a while.

    Everything held back is recorded. What still fails when a silence ends is told then. Without a
    command: the silences that hold, as "list" shows them.

    \b
    Example:
      dotagent silence add backup --for 2h --reason "new disk"
      dotagent silence
    """


@command.command("list")
@click.option("--all", "ended", is_flag=True, help="Also those that have ended.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def list_(ended: bool, as_json: bool) -> int:
    """Show what is silenced, why, and until when.

    \b
    Example:
      dotagent silence list --all
    """
    with look() as seen:
        found = [] if seen.reader is None else silences.listed(seen.reader, ended=ended)
        if as_json:
            return _print_json([data(seen, each) for each in found])
        if not found:
            return show(["Nothing is silenced."])
        entries = [(str(each.id), text(seen, each)) for each in found]
        return show(page().entries(entries))


@command.command()
@click.argument("name", metavar="AGENT[/SCHEDULE]", type=AGENT_OR_SCHEDULE)
@click.option("--for", "span", required=True, metavar="2h", help="How long; 31 days at most.")
@click.option("--reason", required=True, metavar="TEXT", help="Stands in the record.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def add(name: str, span: str, reason: str, as_json: bool) -> int:
    """Hold back what AGENT, or one schedule of it, has to say.

    \b
    Example:
      dotagent silence add backup/nightly --for 2h --reason "new disk"
    """
    try:
        for_ms = length(span)
    except ValueError as error:
        raise UsageError(f"--for: {error}") from error
    args = {**named(name), "for_ms": for_ms, "reason": reason_of(reason)}
    return _shown(_ask("silence", args)["silence"], as_json)


@command.command()
@click.argument("number", metavar="ID", type=int)
@click.option("--reason", default="", metavar="TEXT", help="Stands in the record.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def end(number: int, reason: str, as_json: bool) -> int:
    """End a silence now; what still fails is told.

    \b
    Example:
      dotagent silence end 3 --reason "disk is there"
    """
    answer = _ask("end_silence", {"silence": number, "reason": one_line(reason)})
    status = _shown(answer["silence"], as_json)
    if not as_json:
        report(answer["deliveries"])
    return status


# ------------------------------------------------------------------------------- names and reasons


def named(name: str) -> Mapping[str, str | None]:
    """``AGENT`` or ``AGENT/SCHEDULE`` as requests carry it."""
    agent, _, schedule = name.partition("/")
    return {"agent": agent, "schedule": schedule or None}


def reason_of(text: str) -> str:
    """What a person gives as a reason, on one line. Raises ``UsageError`` if it is none."""
    reason = one_line(text).strip()
    if not reason:
        raise UsageError("--reason: say why; others will read it")
    return reason


def _ask(kind: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
    env = environment()
    return act(app.paths_of(env), env, kind, args, role="silence", say=note).answer


# ------------------------------------------------------------------------------------------ output


def _shown(number: int, as_json: bool) -> int:
    with look() as seen:
        assert seen.reader is not None
        each = silences.by_number(seen.reader, number)
        assert each is not None
        if as_json:
            return _print_json(data(seen, each))
        lines = [f"Silence {number}: {text(seen, each)}"]
        if each.ended_at is None:
            lines.append(f"Next: dotagent silence end {number}")
        return show([line for each_ in lines for line in page().paragraph(each_)])


def text(seen: Look, each: Listed) -> str:
    """One silence, for a person."""
    name = each.agent if each.schedule is None else f"{each.agent}/{each.schedule}"
    held = f", {count(each.held, 'message')} held back" if each.held else ""
    if each.ended_at is not None:
        ended = when(each.ended_at, seen.now, seen.zone)
        return f"{name}: {each.reason}; ended {ended} ({each.ended_by}){held}"
    until = clock(each.until_at, seen.now, seen.zone)
    left = human(each.until_at - seen.now + SECOND_MS - 1)  # what was said a moment ago
    return f"{name} until {until} (for {left}): {each.reason}{held}"


def data(seen: Look, each: Listed) -> dict[str, Any]:
    """The same for programs."""
    return {
        "id": each.id,
        "agent": each.agent,
        "schedule": each.schedule,
        "reason": each.reason,
        "made": seen.iso(each.made_at),
        "until": seen.iso(each.until_at),
        "ended": seen.iso(each.ended_at),
        "ended_by": each.ended_by,
        "held": each.held,
    }


def _print_json(found: Any) -> int:
    return show_json(found)
