"""Several events become one message: how many, the gravest first, then a line for each schedule.

What is past is told as past: failures that were followed by their own recovery are one clause of
it. Invariant: the text is bounded, whatever was folded; what is left out is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from dotagent.core.fit import shorten
from dotagent.core.fold import Why, gravity
from dotagent.core.model import FAILURES, Event, Kind, Message
from dotagent.core.moment import clock, when
from dotagent.core.render import line_of

LINES = 8
"""Schedules that get a line of their own."""
WIDTH = 160
"""Characters of such a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Story:
    """What there is to say of one schedule: by the event that says it best. ``past``: that it
    failed and is well again."""

    event: Event
    text: str
    count: int
    past: bool = False


def together(
    lead: Message, event: Event, events: Sequence[Event], why: Why, zone: tzinfo
) -> Message:
    """The message of ``events``, led by ``event``, whose own message is ``lead``."""
    now = max(each.at for each in events)
    stories = sorted(_stories(events, zone), key=lambda each: _rank(each, event))
    first, others = stories[0], stories[1:]
    if not others:
        return _of_one(lead, first, why, now, zone)
    count = f"{len(events)} messages in one ({why})"
    line = f"{count}: {shorten(first.text, WIDTH)} — {when(_minute(first.event), now, zone)}"
    lines = [
        f"{clock(_minute(each.event), now, zone)} {shorten(each.text, WIDTH)}"
        for each in others[:LINES]
    ]
    if len(others) > LINES:
        lines.append(f"… and {len(others) - LINES} more; all of them: dotagent inbox")
    tail = "\n".join(lines)
    same = len({each.agent for each in events}) == 1
    return replace(
        lead,
        title=lead.title if same else "dotagent",
        line=line,
        tail=tail,
        link=None,
        legacy=f"{line}\n{tail}",
        agent=event.agent if same else "",
        schedule_id="",
    )


def _rank(story: _Story, lead: Event) -> tuple[bool, int, int]:
    return (story.event.seq != lead.seq, -gravity(story.event.kind), story.event.seq)


def _of_one(lead: Message, story: _Story, why: Why, now: int, zone: tzinfo) -> Message:
    """All of it is about one schedule: the output that belongs to it stays."""
    line = story.text
    if why is not Why.COLLAPSE and not story.past:
        more = "an earlier message" if story.count == 2 else f"{story.count - 1} earlier messages"
        line = f"{line} — {when(_minute(story.event), now, zone)}, with {more} ({why})"
    tail = lead.tail if story.event.kind is not Kind.RECOVERED else ""
    return replace(lead, line=line, tail=tail, legacy=f"{line}\n{tail}" if tail else line)


def _stories(events: Iterable[Event], zone: tzinfo) -> list[_Story]:
    """One for each schedule; what dotagent says of itself is a story each."""
    groups: dict[tuple[str, ...], list[Event]] = {}
    for event in sorted(events, key=lambda each: each.seq):
        key = (event.agent, event.schedule_id) if event.agent else ("", "", str(event.seq))
        groups.setdefault(key, []).append(event)
    return [_story(each, zone) for each in groups.values()]


def _story(events: Sequence[Event], zone: tzinfo) -> _Story:
    recovered = {each.outage_id for each in events if each.kind is Kind.RECOVERED}
    failed = {each.outage_id for each in events if each.kind in FAILURES}
    news = [each for each in events if each.kind not in FAILURES or each.outage_id not in recovered]
    best = max(news, key=lambda each: (gravity(each.kind), each.seq))
    past = best.kind is Kind.RECOVERED and best.outage_id in failed
    if past:
        text = _past(best, len(recovered & failed), zone)
    elif best.kind is Kind.SUCCESS and len(events) > 1:
        text = f"{best.agent}/{best.schedule_id}: ok {len(events)} times"
    else:
        text = line_of(best, zone)
    return _Story(event=best, text=text, count=len(events), past=past)


def _minute(event: Event) -> int:
    """When it was: what is told later needs no seconds."""
    return event.at - event.at % 60_000


def _past(event: Event, outages: int, zone: tzinfo) -> str:
    """``failed 3 times since 08:30, recovered 11:02``."""
    facts = event.facts
    failures, lost = facts["failures"], facts["windows"]
    failed = "failed once" if failures == 1 else f"failed {failures} times"
    runs = "" if not lost else f" ({lost} {'run' if lost == 1 else 'runs'} lost)"
    before = "" if outages < 2 else f"; the last of {outages} outages"
    return (
        f"{event.agent}/{event.schedule_id}: {failed} since"
        f" {clock(facts['since'] // 60_000 * 60_000, event.at, zone)},"
        f" recovered {clock(_minute(event), event.at, zone)}"
        f"{runs} on host {facts['host']}{before}"
    )
