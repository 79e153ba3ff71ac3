"""The evidence of ``why`` for a person: the run, its attempts, who was told what, the outage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dotagent.cli.layout import Page
from dotagent.cli.looking import Look
from dotagent.core.case import Attempt, Case, News, Sending, Standing, Telling, Window
from dotagent.core.decide import GOOD
from dotagent.core.fit import one_line
from dotagent.core.model import WindowState
from dotagent.core.moment import clock, local
from dotagent.core.render import line_of
from dotagent.core.span import human

Entry = tuple[str, str]

NAMES = {
    WindowState.SUCCEEDED: "completed",
    WindowState.GIVEN_UP: "given up",
    WindowState.MISSED: "missed",
    WindowState.SKIPPED: "skipped",
    WindowState.RUNNING: "running",
    WindowState.WAITING: "waiting",
}
TONES = {
    WindowState.SUCCEEDED: "good",
    WindowState.GIVEN_UP: "bad",
    WindowState.MISSED: "bad",
}
DAY_MOST = 24
"""So many runs of a day that succeeded are listed one by one."""


def case_lines(page: Page, seen: Look, case: Case, sentence: str) -> list[str]:
    """The sentence, then one block for each kind of evidence there is."""
    evidence = _Evidence(page=page, seen=seen, case=case)
    tone = TONES.get(case.window.state, "") if case.window is not None else ""
    lines = page.paragraph(sentence, tone)
    for title, block in evidence.blocks():
        if block:
            lines += ["", page.paint(title, "head"), *block]
    return [*lines, "", *page.paragraph(f"Next: {evidence.following()}")]


def day_lines(
    page: Page, seen: Look, standing: Standing, sentence: str, runs: Sequence[tuple[Case, str]]
) -> list[str]:
    """The day's sentence, then each of its runs in its own; of many, those that did not succeed."""
    lines = [*page.paragraph(sentence), ""]
    everything = len(runs) <= DAY_MOST
    for case, said in runs:
        window = case.window
        if window is not None and (everything or window.state is not WindowState.SUCCEEDED):
            name = f"{local(window.expected_at, seen.zone):%H:%M}"
            rest = said.removeprefix(f"{standing.name} ")
            lines += page.entries([(name, rest)], TONES.get(window.state, ""))
    day = f"{local(runs[0][0].window.expected_at, seen.zone):%Y-%m-%d}" if runs[0][0].window else ""
    return [*lines, "", *page.paragraph(f"Next: dotagent why {standing.name} {day}T…")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    page: Page
    seen: Look
    case: Case

    def at(self, at: int | None) -> str:
        return "" if at is None else clock(at, self.seen.now, self.seen.zone)

    def exact(self, at: int) -> str:
        return f"{local(at, self.seen.zone):%Y-%m-%d %H:%M:%S}"

    def blocks(self) -> list[tuple[str, list[str]]]:
        """Title and lines of each."""
        case, page = self.case, self.page
        window = [] if case.window is None else self._window(case.window)
        last = case.attempts[-1] if case.attempts else None
        output = [] if last is None else [f"  {one_line(line)}" for line in last.output]
        return [
            ("Run", page.entries(window)),
            ("Attempts", page.entries([self._attempt(attempt) for attempt in case.attempts])),
            ("Last words", [line for line in output if line.strip()]),
            ("Told", [line for news in case.news for line in self._news(news)]),
            ("Outage", page.entries(self._outage())),
            ("Nothing could be started", page.entries(self._away())),
        ]

    def _window(self, window: Window) -> list[Entry]:
        planned = self.exact(window.expected_at)
        if window.expected_to is not None:
            planned += f" to {self.exact(window.expected_to)} ({window.count} runs)"
        entries = [("planned for", planned), ("noticed", self.exact(window.planned_at))]
        if window.count == 1:
            entries.append(("start by", self.exact(window.deadline_at)))
        if window.next_at is not None:
            entries.append(("next try", self.exact(window.next_at)))
        state = NAMES[window.state]
        if window.closed_at is not None:
            state = f"{state} {self.exact(window.closed_at)}"
        entries.append(("state", state))
        if window.reason:
            entries.append(("reason", one_line(window.reason)))
        return [*entries, ("number", str(window.id))]

    def _attempt(self, attempt: Attempt) -> Entry:
        kind = "" if attempt.kind.value == "window" else f"{attempt.kind.value} run, "
        started = f"{kind}{self.exact(attempt.started_at)}"
        name = str(attempt.number)
        if attempt.ended_at is None:
            return name, f"{started}  runs for {human(self.seen.now - attempt.started_at)}"
        took = human(attempt.ended_at - attempt.started_at)
        return name, f"{started}  {one_line(attempt.words)}, after {took}"

    def _news(self, news: News) -> list[str]:
        event = news.event
        style = "good" if event.kind.value in ("success", "recovered") else "bad"
        head = (event.kind.value, f"{self.exact(event.at)}  {line_of(event, self.seen.zone)}")
        told = [self._telling(telling) for telling in news.told]
        nobody = [("nobody", "asked for this")]
        return [
            *self.page.entries([(head[0], one_line(head[1]))], style),
            *self.page.entries(told or nobody, indent=4),
        ]

    def _telling(self, told: Telling) -> Entry:
        bits = [f"{told.state.value} {self.at(told.ended_at)}".rstrip()]
        if told.reason:
            bits.append(one_line(told.reason))
        if told.next_at is not None and told.next_at > self.seen.now:
            bits.append(f"next try {self.at(told.next_at)}")
        tries = [self._send(send) for send in told.sends]
        if len(tries) > 1 or (tries and told.state.value != "sent"):
            bits.append(f"tries: {', '.join(tries)}")
        return one_line(told.name), "; ".join(bits)

    def _send(self, send: Sending) -> str:
        repeat = " (may repeat)" if send.may_repeat else ""
        why = f" {one_line(send.why)}" if send.why and send.outcome != "sent" else ""
        return f"{self.at(send.started_at)} {send.outcome or 'under way'}{why}{repeat}"

    def _outage(self) -> list[Entry]:
        outage = self.case.outage
        if outage is None:
            return []
        end = "not over yet"
        if outage.closed_at is not None:
            end = f"over {self.at(outage.closed_at)} by {outage.closed_by}"
        cost = f"{outage.failures} failed attempts, {outage.windows} lost runs"
        return [("since", f"{self.exact(outage.opened_at)}; {cost}; {end}")]

    def _away(self) -> list[Entry]:
        window = self.case.window
        until = self.seen.now if window is None or window.closed_at is None else window.closed_at
        return [
            (f"from {self.at(away.from_at)}", f"to {self.at(away.to_at)}: {away.why}")
            for away in self.case.away
            if away.from_at < until
        ]

    # ---------------------------------------------------------------------------------- what next

    def following(self) -> str:
        """The next useful command."""
        case, names = self.case, self.case.standing
        last = case.attempts[-1] if case.attempts else None
        if last is not None and last.ended_at is not None and last.verdict not in GOOD:
            log = self.seen.paths.agent_log(names.agent)
            return (
                f"read {log}, mend it, then: dotagent run-now {names.agent}"
                f" --schedule {names.schedule}"
            )
        if self.seen.actor != "daemon":
            return "dotagent daemon"
        return f"dotagent inbox --agent {names.agent}"
