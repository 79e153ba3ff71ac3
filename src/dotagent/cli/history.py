"""``dotagent history``: what ran, over all agents, each in the sentence of ``why``.

With ``--json``, one object: ``runs``, the newest last, each with ``sentence`` and all the evidence
that ``why --json`` prints of a run.
"""

from __future__ import annotations

import click

from dotagent.cli.layout import Page
from dotagent.cli.looking import Look, known, look, page, show, show_json
from dotagent.cli.names import AGENT_OR_SCHEDULE
from dotagent.cli.why_data import case_data
from dotagent.cli.why_text import TONES
from dotagent.core.case import Case
from dotagent.core.duration import parse
from dotagent.core.errors import UsageError
from dotagent.core.moment import clock
from dotagent.core.past import span
from dotagent.core.shell import word
from dotagent.core.why import sentence
from dotagent.store import history
from dotagent.store.runs import Wanted, runs


@click.command("history")
@click.argument("agent", metavar="[AGENT[/SCHEDULE]]", type=AGENT_OR_SCHEDULE, required=False)
@click.option("--failed", is_flag=True, help="Only what failed, even where a retry mended it.")
@click.option("--since", metavar="WHEN", help="A span (7d, 12h) or a day (monday, 2026-03-29).")
@click.option("-n", "--limit", type=click.IntRange(min=1, max=1_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print sentences and evidence as JSON.")
def command(agent: str | None, failed: bool, since: str | None, limit: int, as_json: bool) -> int:
    """What ran and what became of it, the newest last.

    \b
    Example:
      dotagent history --failed --since 7d
      dotagent history disk-alert -n 5
    """
    with look() as seen:
        name, _, schedule = (agent or "").partition("/")
        wanted = Wanted(
            agent=name or None,
            schedule=schedule or None,
            since_at=0 if since is None else _since(since, seen),
            failed=failed,
            limit=limit,
        )
        cases = _cases(seen, wanted)
        if as_json:
            return show_json({"runs": [_data(seen, case) for case in cases]})
        return show(_text(page(), seen, cases, wanted))


def _cases(seen: Look, wanted: Wanted) -> list[Case]:
    """Raises ``NotFound`` for a name that is none."""
    if seen.reader is None:
        return []
    if wanted.agent is not None:
        known(wanted.agent, history.agents(seen.reader), "there is no agent")
        if wanted.schedule is not None:
            ids = [each.schedule for each in history.standings(seen.reader, wanted.agent)]
            known(wanted.schedule, ids, f"{wanted.agent} has no schedule")
    return runs(seen.reader, wanted, seen.now, seen.actor)


def _since(text: str, seen: Look) -> int:
    """A span back from now, or a moment in the past."""
    try:
        return seen.now - parse(text)
    except ValueError:
        pass
    try:
        return span(text, seen.now, seen.zone).first_at
    except ValueError as error:
        raise UsageError(f"--since: {error}", "Or write a span: 12h, 7d") from error


def _data(seen: Look, case: Case) -> dict[str, object]:
    return {
        "sentence": sentence(case, seen.now, seen.zone, hindrance=seen.hindrance),
        **case_data(seen, case),
    }


def _text(page: Page, seen: Look, cases: list[Case], wanted: Wanted) -> list[str]:
    if not cases:
        nothing = "Nothing has run yet." if not (wanted.failed or wanted.since_at) else "Nothing."
        return [nothing, "", "Next: dotagent status"]
    entries = []
    for case in cases:
        at = case.window.expected_at if case.window is not None else case.attempts[0].started_at
        tone = TONES.get(case.window.state, "") if case.window is not None else ""
        said = sentence(case, seen.now, seen.zone, hindrance=seen.hindrance)
        if case.attempts and case.attempts[-1].numbers:
            said = f"{said} It reported {case.attempts[-1].numbers}."
        entries.append(((clock(at, seen.now, seen.zone), said), tone))
    column = page.column([entry[0] for entry, _ in entries], indent=0)
    lines = []
    for entry, tone in entries:
        lines += page.entries([entry], tone, indent=0, column=column)
    return [*lines, "", *page.paragraph(f"Next: {_following(cases)}")]


def _following(cases: list[Case]) -> str:
    """The evidence of the newest one that went wrong, else of the newest."""
    bad = (
        case
        for case in reversed(cases)
        if case.window is not None and TONES.get(case.window.state) == "bad"
    )
    case = next(bad, cases[-1])
    number = "" if case.window is None else f" {case.window.id}"
    return f"dotagent why {word(case.standing.name)}{number}"
