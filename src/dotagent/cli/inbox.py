"""``dotagent inbox``: what happened, newest last, without any account anywhere.

With ``--json``, one object: ``events``, each with ``seq``, ``kind``, ``severity``, ``at`` (ISO 8601
in local time), ``agent`` and ``schedule`` (empty where it is about dotagent itself), ``line``,
``detail`` (more of a system event, else empty), ``told``: how many messages are in which state.
"""

from __future__ import annotations

import click

from dotagent.cli.layout import Page
from dotagent.cli.looking import Look, known, look, page, show, show_json
from dotagent.cli.names import AGENT
from dotagent.core.fit import clean, one_line
from dotagent.core.model import DeliveryState, Severity
from dotagent.core.moment import clock
from dotagent.core.render import line_of
from dotagent.core.shell import word
from dotagent.store import history, news
from dotagent.store.news import Line

TONES = {
    Severity.CRITICAL: "bad",
    Severity.WARNING: "doubtful",
    Severity.NOTICE: "good",
    Severity.INFO: "",
}
WORDS = {
    DeliveryState.SENT: "told",
    DeliveryState.PENDING: "waiting",
    DeliveryState.SENDING: "being sent",
    DeliveryState.SUPPRESSED: "kept quiet",
    DeliveryState.EXPIRED: "lost",
    DeliveryState.REJECTED: "refused",
    DeliveryState.CANCELLED: "cancelled",
}


@click.command()
@click.option("-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--agent", metavar="AGENT", type=AGENT, help="Only what is about this agent.")
@click.option("--json", "as_json", is_flag=True, help="Print the events as one JSON object.")
def command(limit: int, agent: str | None, as_json: bool) -> int:
    """What happened, newest last, and how many were told.

    \b
    Example:
      dotagent inbox --limit 5
      dotagent inbox --agent disk-alert --json
    """
    with look() as seen:
        if seen.reader is None:
            lines: list[Line] = []
        else:
            if agent is not None:
                known(agent, history.agents(seen.reader), "there is no agent")
            lines = news.inbox(seen.reader, agent, limit)
        if as_json:
            return show_json({"events": [_data(seen, line) for line in lines]})
        return show(_text(page(), seen, lines))


def _text(page: Page, seen: Look, lines: list[Line]) -> list[str]:
    if not lines:
        nothing = "Nothing has happened yet." if seen.reader else "Nothing has run here yet."
        return [nothing, "", "Next: dotagent status"]
    found = []
    for line in lines:
        event = line.event
        text = one_line(line_of(event, seen.zone))
        entry = (clock(event.at, seen.now, seen.zone), f"{text} [{_told(line)}]")
        found.append((entry, TONES[event.severity]))
    column = page.column([entry[0] for entry, _ in found], indent=0)
    shown = []
    for entry, tone in found:
        shown += page.entries([entry], tone, indent=0, column=column)
    last = lines[-1].event
    name = word(f"{last.agent}/{last.schedule_id}")
    following = f"dotagent why {name}" if last.agent else "dotagent status"
    return [*shown, "", *page.paragraph(f"Next: {following}")]


def _told(line: Line) -> str:
    if not line.told:
        return "nobody asked"
    return ", ".join(f"{count} {WORDS[state]}" for state, count in line.told)


def _data(seen: Look, line: Line) -> dict[str, object]:
    event = line.event
    return {
        "seq": event.seq,
        "kind": event.kind.value,
        "severity": event.severity.value,
        "at": seen.iso(event.at),
        "agent": event.agent,
        "schedule": event.schedule_id,
        "line": one_line(line_of(event, seen.zone)),
        "detail": clean(str(event.facts.get("detail", ""))),
        "told": {state.value: count for state, count in line.told},
    }
