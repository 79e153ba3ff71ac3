"""The evidence of ``why`` for a person: the run, its attempts, who was told what, the outage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from dotagent.cli.layout import Page
from dotagent.cli.looking import Look
from dotagent.core.case import Attempt, Case, Sending, Telling, Window
from dotagent.core.day import NAMES
from dotagent.core.decide import Verdict
from dotagent.core.fit import one_line
from dotagent.core.model import DeliveryState, Kind, WindowState
from dotagent.core.moment import clock, local
from dotagent.core.past import Span
from dotagent.core.render import line_of
from dotagent.core.shell import word
from dotagent.core.span import SECOND_MS, count, human
from dotagent.core.told import channel_names

Entry = tuple[str, str]

TONES = {
    WindowState.SUCCEEDED: "good",
    WindowState.GIVEN_UP: "bad",
    WindowState.MISSED: "bad",
}
GOOD_NEWS = (Kind.SUCCESS, Kind.RECOVERED)
UNTOLD = (DeliveryState.PENDING, DeliveryState.EXPIRED, DeliveryState.REJECTED)
BAD = (WindowState.GIVEN_UP, WindowState.MISSED)
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
    page: Page, seen: Look, span: Span, sentence: str, runs: Sequence[tuple[Case, str]]
) -> list[str]:
    """The sentence, then each of the runs in its own; of many, those that did not succeed."""
    listed = [
        (_begun(case), case.window, said.removeprefix(f"{case.standing.name} "))
        for case, said in runs
        if len(runs) <= DAY_MOST or _state(case) is not WindowState.SUCCEEDED
    ]
    listed.sort(key=lambda each: each[0])
    at = [clock(began_at, span.first_at, seen.zone) for began_at, _, _ in listed]
    column = page.column(at)
    lines = [*page.paragraph(sentence), *([""] if listed else [])]
    for shown, (_, window, said) in zip(at, listed, strict=True):
        tone = "" if window is None else TONES.get(window.state, "")
        lines += page.entries([(shown, said)], tone, column=column)
    windows = [case.window for case, _ in runs if case.window is not None]
    worst = next((w for w in reversed(windows) if w.state in BAD), windows[-1] if windows else None)
    standing = runs[0][0].standing
    following = f"logs {word(standing.agent)}"
    if worst is not None:
        following = f"why {word(standing.name)} {worst.id}"
    return [*lines, "", *page.paragraph(f"Next: dotagent {following}")]


def _answer(send: Sending) -> str:
    repeat = " (may repeat)" if send.may_repeat else ""
    why = f" {one_line(send.why)}" if send.why and send.outcome != "sent" else ""
    return f"{send.outcome or 'under way'}{why}{repeat}"


def _state(case: Case) -> WindowState | None:
    return None if case.window is None else case.window.state


def _begun(case: Case) -> int:
    """When what the case is about was meant to begin, or began."""
    if case.window is not None:
        return case.window.expected_at
    return case.attempts[0].started_at


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    page: Page
    seen: Look
    case: Case

    def at(self, at: int) -> str:
        """To the second; with its date, where that is not the date of the run."""
        then = local(at, self.seen.zone)
        day = local(self._begin(), self.seen.zone).date()
        return f"{then:%H:%M:%S}" if then.date() == day else f"{then:%Y-%m-%d %H:%M:%S}"

    def exact(self, at: int) -> str:
        return f"{local(at, self.seen.zone):%Y-%m-%d %H:%M:%S}"

    def _begin(self) -> int:
        """When what the case is about was meant to begin."""
        if self.case.window is not None or self.case.attempts:
            return _begun(self.case)
        return self.seen.now if self.case.asked is None else self.case.asked.first_at

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
            ("Told", self._told()),
            ("Outage", page.entries(self._outage())),
            ("Silenced", page.entries(self._silenced())),
            ("Nothing could be started", page.entries(self._away())),
        ]

    def _window(self, window: Window) -> list[Entry]:
        planned = self.exact(window.expected_at)
        if window.expected_to is not None and window.count > 1:
            last = self.exact(window.expected_to)
            planned += f" to {last} ({window.count} runs)" if window.count > 1 else ""
        entries = [("planned for", planned), ("noticed", self.at(window.planned_at))]
        if window.expected_to is None:
            entries.append(("start by", self.at(window.deadline_at)))
        if window.next_at is not None:
            entries.append(("next try", self.at(window.next_at)))
        state = NAMES[window.state]
        if window.closed_at is not None:
            state = f"{state} {self.at(window.closed_at)}"
        entries.append(("state", state))
        if window.reason:
            entries.append(("reason", one_line(window.reason)))
        return [*entries, ("number", str(window.id))]

    def _attempt(self, attempt: Attempt) -> Entry:
        kind = "" if attempt.kind.value == "window" else f"{attempt.kind.value} run, "
        started = f"{kind}{self.at(attempt.started_at)}"
        name = str(attempt.number)
        if attempt.ended_at is None:
            return name, f"{started} and running for {human(self.seen.now - attempt.started_at)}"
        took = human(attempt.lasted_ms or 0)
        remarks = "".join(f"; {one_line(each)}" for each in attempt.remarks)
        return name, f"{started} {one_line(attempt.words)} (took {took}){remarks}"

    def _told(self) -> list[str]:
        """Each event in the words of its message, and below it who was told."""
        page, lines = self.page, []
        kinds = page.column([news.event.kind.value for news in self.case.news])
        called = channel_names(self.case)
        told_by = [one_line(called[t.channel]) for n in self.case.news for t in n.told]
        untold = ["nobody"] if any(not news.told for news in self.case.news) else []
        names = page.column([*told_by, *untold], indent=4)
        for news in self.case.news:
            event = news.event
            style = "good" if event.kind in GOOD_NEWS else "bad"
            text = f"{self.at(event.at)} {one_line(line_of(event, self.seen.zone))}"
            told = [(one_line(called[t.channel]), self._telling(t)) for t in news.told]
            lines += page.entries([(event.kind.value, text)], style, column=kinds)
            lines += page.entries(told or [("nobody", "asked for this")], indent=4, column=names)
        return lines

    def _telling(self, told: Telling) -> str:
        ended = "" if told.ended_at is None else f" {self.at(told.ended_at)}"
        bits = [f"{told.state.value}{ended}"]
        bits += [one_line(each) for each in (told.reason, told.folded) if each]
        if told.next_at is not None and told.next_at > self.seen.now:
            bits.append(f"next try {self.at(told.next_at)}")
        if len(told.sends) > 1 or (told.sends and told.state is not DeliveryState.SENT):
            bits.append(f"tries: {', '.join(self._sends(told.sends))}")
        return "; ".join(bits)

    def _sends(self, sends: Sequence[Sending]) -> Iterator[str]:
        """Each try; those that follow each other with one and the same answer in one."""
        for answer, alike in groupby(sends, key=_answer):
            first, *more = alike
            at = self.at(first.started_at)
            if more:
                at = f"{len(more) + 1} from {at} to {self.at(more[-1].started_at)}, each"
            yield f"{at} {answer}"

    def _outage(self) -> list[Entry]:
        outage = self.case.outage
        if outage is None:
            return []
        failed = count(outage.failures, "failed attempt")
        entries = [
            ("since", self.at(outage.opened_at)),
            ("cost", f"{failed}, {count(outage.windows, 'lost run')}"),
        ]
        if outage.acked_at is not None:
            why = f": {one_line(outage.acked_why)}" if outage.acked_why else ""
            entries.append(("known", f"acknowledged {self.exact(outage.acked_at)}{why}"))
        if outage.closed_at is None:
            return [*entries, ("ended", "not yet")]
        return [*entries, ("ended", f"{self.at(outage.closed_at)} ({outage.closed_by})")]

    def _silenced(self) -> list[Entry]:
        return [
            (f"silence {each.id}", f"until {self.exact(each.until_at)}: {one_line(each.reason)}")
            for each in self.case.silenced
        ]

    def _away(self) -> list[Entry]:
        window, asked = self.case.window, self.case.asked
        until = self.seen.now
        if window is not None and window.closed_at is not None:
            until = window.closed_at
        elif window is None and asked is not None:
            until = asked.last_at
        return [
            (f"from {self.at(away.from_at)}", f"to {self.at(away.to_at)}: {away.why}")
            for away in self.case.away
            if away.from_at < until and away.to_at - away.from_at >= SECOND_MS
        ]

    # ---------------------------------------------------------------------------------- what next

    def following(self) -> str:
        """The next useful command."""
        case, names = self.case, self.case.standing
        last = case.attempts[-1] if case.attempts else None
        is_over = case.window is None or case.window.closed_at is not None
        if is_over and last is not None and last.verdict is Verdict.FAILED:
            log = self.seen.paths.agent_log(names.agent)
            schedule = "" if names.first_seen_at is None else f" --schedule {word(names.schedule)}"
            return f"read {log}, mend it, then: dotagent run-now {word(names.agent)}{schedule}"
        if self.seen.actor != "daemon":
            return "dotagent daemon"
        if names.paused_until is not None and names.paused_until > self.seen.now:
            return f"dotagent resume {word(names.name)}"
        untold = (told for news in case.news for told in news.told if told.state in UNTOLD)
        if next(untold, None) is not None:
            return "dotagent deliveries"
        return f"dotagent inbox --agent {word(names.agent)}"
