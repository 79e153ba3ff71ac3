"""The same month of a bad job through each rule: the exact list of messages that a person gets.

``report/sync`` runs every six hours, two tries ten minutes apart. All of it fails for a day
(3 June 06:00 to 4 June 06:00), twice it needs its second try (10 June 12:00 and 11 June 12:00). The
machine sleeps from 23:00 to 05:30. The service of the channel is down on 3 June from 11:00 to 17:00
and on 11 June from 11:30 to 12:40. In one month a crowd of others fails at once, 15 June at 12:30,
and is well ten minutes later. The store, the decisions and the texts are the real ones; only the
clock and the service are the test's.
"""

from __future__ import annotations

import textwrap
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

from dotagent.core import template
from dotagent.core.manifest_notifier import QuietHours
from dotagent.core.model import Exited, Kind, Outcome, Retry, Sent, Unknown
from dotagent.core.moment import local
from dotagent.core.when import Calendar, definition
from dotagent.steps.message import message_of
from dotagent.store import outages, silences
from tests.core.walls import HOUR_MS, MINUTE_MS, at
from tests.store.builder import Home, agent, database, route, schedule

BEGIN, END = at("2026-06-01T07:00:00Z"), at("2026-07-01T07:00:00Z")
SLEEPS, WAKES = 23 * 60, 5 * 60 + 30
SILENT_MS = 12 * HOUR_MS
REMIND = [HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS]
BAD = [Kind.GIVEN_UP, Kind.MISSED, Kind.RECOVERED]
ALL = [Kind.ATTEMPT_FAILED, Kind.TIMED_OUT, *BAD]


def fails(text: str, now: int) -> bool:
    """Whether a run that starts now fails."""
    if "2026-06-03 06:00" <= text < "2026-06-04 06:00":
        return True
    return text[:15] in ("2026-06-10 12:0", "2026-06-11 12:0", "2026-06-15 12:3")


def answer(text: str) -> Outcome:
    """What the service says to a message: on the 3rd it swallows some, on the 11th it refuses."""
    if "2026-06-03 11:00" <= text < "2026-06-03 17:00":
        return Unknown(why="no answer")
    if "2026-06-11 11:30" <= text < "2026-06-11 12:40":
        return Retry(why="HTTP 503")
    return Sent()


class Month:
    """Lets the month pass, and keeps what arrived."""

    def __init__(
        self, home: Home, acts: dict[int, Callable[[Home], Awaitable[Any]]], words: str | None
    ) -> None:
        self.home = home
        self.acts = acts
        self.words = words
        self.arrived: list[str] = []

    @property
    def wall(self) -> str:
        return f"{local(self.home.now, UTC):%Y-%m-%d %H:%M}"

    async def passes(self) -> None:
        home = self.home
        while home.now < END:
            for due in [each for each in self.acts if each <= home.now]:
                await self.acts.pop(due)(home)
            await home.plan()
            took, code = 4_000, int(fails(self.wall, home.now))
            for run in await home.runs(room=64):
                await home.settle(run, Exited(code=code), took=took)
                took = 0  # all at once
            await home.look()
            await self._send()
            home.now = await self._next()

    async def _send(self) -> None:
        home = self.home
        while claims := await home.claim():
            for claim in claims:
                outcome = answer(self.wall)
                if isinstance(outcome, Sent):
                    with closing(home.store.read()) as reader:
                        said = message_of(reader, "h", UTC, claim)
                    if not claim.others:  # as steps/deliver.py has it
                        said, _ = template.apply(said, self.words, UTC)
                    text = f"{local(home.now, UTC):%d %b %H:%M}  {said.line}"
                    self.arrived.append(
                        textwrap.fill(text, 88, subsequent_indent="    ", break_on_hyphens=False)
                    )
                await home.answer(claim, outcome, u=0.999)

    async def _next(self) -> int:
        """The next thing that time makes due; not while the machine sleeps."""
        home = self.home
        wakes = [each for each in (await home.wakes()).values() if each is not None]
        ahead = min([*wakes, *self.acts, END])
        now = max(ahead, home.now + 1)
        minute = now // MINUTE_MS % 1440
        if minute >= SLEEPS:
            now += (1440 - minute + WAKES) * MINUTE_MS
        elif minute < WAKES:
            now += (WAKES - minute) * MINUTE_MS
        return now


async def month(
    folder: Path,
    acts: dict[str, Any] | None = None,
    words: str | None = None,
    crowd: int = 0,
    **rules: Any,
) -> str:
    """What arrives where the notifier has these rules and a person does this at these times;
    ``words``: its template; ``crowd``: how many others there are."""
    home = await Home.open(database(folder), BEGIN)
    rules = {"events": ALL, **rules}
    made = schedule("sync", Calendar(expression="0 */6 * * *"), tries=2, backoff=[10 * MINUTE_MS])
    phone = [route("phone", "f1", **rules)]
    once = replace(made, definition=definition(Calendar(expression="30 12 15 * *")))
    others = [agent(f"shop-{number}", [once], phone) for number in range(1, crowd + 1)]
    await home.adopt(agent("report", [made], phone), *others)
    passing = Month(home, {at(when): act for when, act in (acts or {}).items()}, words)
    await passing.passes()
    unsettled = home.value("SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending')")
    home.close()
    assert 0 == unsettled
    return "\n".join(passing.arrived)


QUIET = QuietHours(from_minute=22 * 60, to_minute=7 * 60)


async def knows(home: Home) -> None:
    await home.write(lambda tx: outages.ack(tx, home.actor, home.now, "report", None, "known"))


async def hushes(home: Home) -> None:
    await home.write(
        lambda tx: silences.add(
            tx, home.actor, home.now, agent="report", schedule=None, for_ms=SILENT_MS, reason="x"
        )
    )


async def test_every_event(tmp_path: Path) -> None:
    """Without any rule each event is a message; what is older than it is worth is dropped
    while the service is down, and what recovered behind its back is one."""
    found = await month(tmp_path)

    assert (
        """\
03 Jun 06:00  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 06:10
03 Jun 06:10  report/sync: attempt 2 of 2 failed, exit 1 after 4 s on host web-1; no
    more tries
03 Jun 06:10  report/sync: gave up the 06:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00
03 Jun 17:01  report/sync: gave up the 12:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00 (may be a repeat)
03 Jun 18:00  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 18:10
03 Jun 18:10  report/sync: attempt 2 of 2 failed, exit 1 after 4 s on host web-1; no
    more tries
03 Jun 18:10  report/sync: gave up the 18:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00
04 Jun 05:30  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 05:40; the 00:00 run, 5 h 30 min late
04 Jun 05:40  report/sync: attempt 2 of 2 failed, exit 1 after 4 s on host web-1; no
    more tries
04 Jun 05:40  report/sync: gave up the 00:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since Wed 06:00
04 Jun 06:00  report/sync: recovered on host web-1 after 1 day (8 failed attempts, 4
    lost runs since Wed 06:00)
10 Jun 12:00  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 12:10
10 Jun 12:10  report/sync: recovered on host web-1 after 10 min (1 failed attempt since
    12:00)
11 Jun 12:47  report/sync: failed once since 12:00, recovered 12:10 on host web-1"""
        == found
    )


async def test_ends_only(tmp_path: Path) -> None:
    """Who asks for ends hears of each run that is lost, as in 0.1.x."""
    found = await month(tmp_path, events=BAD)

    assert (
        """\
03 Jun 06:10  report/sync: gave up the 06:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00
03 Jun 17:11  report/sync: gave up the 12:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00 (may be a repeat)
03 Jun 18:10  report/sync: gave up the 18:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00
04 Jun 05:40  report/sync: gave up the 00:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since Wed 06:00
04 Jun 06:00  report/sync: recovered on host web-1 after 1 day (8 failed attempts, 4
    lost runs since Wed 06:00)
10 Jun 12:10  report/sync: recovered on host web-1 after 10 min (1 failed attempt since
    12:00)
11 Jun 12:42  report/sync: recovered on host web-1 after 10 min (1 failed attempt since
    12:00)"""
        == found
    )


async def test_reminders(tmp_path: Path) -> None:
    """With reminders an outage is told once, then by how long it lasts."""
    found = await month(tmp_path, events=BAD, remind=REMIND)

    assert (
        """\
03 Jun 06:10  report/sync: gave up the 06:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00
03 Jun 07:00  report/sync: still failing on host web-1, for 1 h (since 06:00); last exit
    1
03 Jun 17:01  report/sync: still failing on host web-1, for 7 h (since 06:00); last exit
    1 (may be a repeat)
04 Jun 06:00  report/sync: recovered on host web-1 after 1 day (8 failed attempts, 4
    lost runs since Wed 06:00)
10 Jun 12:10  report/sync: recovered on host web-1 after 10 min (1 failed attempt since
    12:00)
11 Jun 12:42  report/sync: recovered on host web-1 after 10 min (1 failed attempt since
    12:00)"""
        == found
    )


async def test_acknowledged(tmp_path: Path) -> None:
    """Once a person knows, no more reminders until it recovers."""
    found = await month(tmp_path, {"2026-06-03T08:00:00Z": knows}, events=BAD, remind=REMIND)

    assert (
        """\
03 Jun 06:10  report/sync: gave up the 06:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00
03 Jun 07:00  report/sync: still failing on host web-1, for 1 h (since 06:00); last exit
    1
04 Jun 06:00  report/sync: recovered on host web-1 after 1 day (8 failed attempts, 4
    lost runs since Wed 06:00)
10 Jun 12:10  report/sync: recovered on host web-1 after 10 min (1 failed attempt since
    12:00)
11 Jun 12:42  report/sync: recovered on host web-1 after 10 min (1 failed attempt since
    12:00)"""
        == found
    )


async def test_silenced(tmp_path: Path) -> None:
    """A silence holds all back; it still fails when that ends, which is told."""
    found = await month(tmp_path, {"2026-06-03T05:45:00Z": hushes}, events=BAD)

    assert (
        """\
03 Jun 17:45  report/sync: still failing on host web-1, for 11 h 44 min (since 06:00);
    last exit 1
03 Jun 18:10  report/sync: gave up the 18:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00
04 Jun 05:40  report/sync: gave up the 00:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since Wed 06:00
04 Jun 06:00  report/sync: recovered on host web-1 after 1 day (8 failed attempts, 4
    lost runs since Wed 06:00)
10 Jun 12:10  report/sync: recovered on host web-1 after 10 min (1 failed attempt since
    12:00)
11 Jun 12:42  report/sync: recovered on host web-1 after 10 min (1 failed attempt since
    12:00)"""
        == found
    )


async def test_quiet_hours(tmp_path: Path) -> None:
    """What comes in quiet hours is one message, led by what could not wait; good news waits
    for the morning."""
    found = await month(tmp_path, quiet_hours=QUIET)

    assert (
        """\
03 Jun 06:10  report/sync: gave up the 06:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00 — at 06:10, with 2 earlier
    messages (quiet hours)
03 Jun 17:01  report/sync: gave up the 12:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00 (may be a repeat)
03 Jun 18:00  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 18:10
03 Jun 18:10  report/sync: attempt 2 of 2 failed, exit 1 after 4 s on host web-1; no
    more tries
03 Jun 18:10  report/sync: gave up the 18:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00
04 Jun 05:40  report/sync: gave up the 00:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since Wed 06:00 — at 05:40, with 2
    earlier messages (quiet hours)
04 Jun 07:00  report/sync: recovered on host web-1 after 1 day (8 failed attempts, 4
    lost runs since Wed 06:00)
10 Jun 12:00  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 12:10
10 Jun 12:10  report/sync: recovered on host web-1 after 10 min (1 failed attempt since
    12:00)
11 Jun 12:47  report/sync: failed once since 12:00, recovered 12:10 on host web-1"""
        == found
    )


async def test_collapsed(tmp_path: Path) -> None:
    """One message an attempt."""
    found = await month(tmp_path, collapse=True)

    assert (
        """\
03 Jun 06:00  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 06:10
03 Jun 06:10  report/sync: gave up the 06:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00
03 Jun 17:01  report/sync: gave up the 12:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00 (may be a repeat)
03 Jun 18:00  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 18:10
03 Jun 18:10  report/sync: gave up the 18:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00
04 Jun 05:30  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 05:40; the 00:00 run, 5 h 30 min late
04 Jun 05:40  report/sync: gave up the 00:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since Wed 06:00
04 Jun 06:00  report/sync: recovered on host web-1 after 1 day (8 failed attempts, 4
    lost runs since Wed 06:00)
10 Jun 12:00  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 12:10
10 Jun 12:10  report/sync: recovered on host web-1 after 10 min (1 failed attempt since
    12:00)
11 Jun 12:47  report/sync: failed once since 12:00, recovered 12:10 on host web-1"""
        == found
    )


async def test_rate_limit(tmp_path: Path) -> None:
    """Two a day at most, but never less grave news for graver."""
    found = await month(tmp_path, rate_limit_ms=12 * HOUR_MS)

    assert (
        """\
03 Jun 06:00  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 06:10
03 Jun 06:10  report/sync: gave up the 06:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00
03 Jun 18:10  report/sync: attempt 2 of 2 failed, exit 1 after 4 s on host web-1; no
    more tries
03 Jun 18:10  report/sync: gave up the 18:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00
04 Jun 06:00  report/sync: recovered on host web-1 after 1 day (8 failed attempts, 4
    lost runs since Wed 06:00)
10 Jun 12:00  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 12:10
10 Jun 12:10  report/sync: recovered on host web-1 after 10 min (1 failed attempt since
    12:00)
11 Jun 12:47  report/sync: failed once since 12:00, recovered 12:10 on host web-1"""
        == found
    )


WORDS = """\
{% if kind == "recovered" %}{{ agent }} is well again after {{ lasted }}{% else %}\
{{ agent | upper }} {{ kind }}: {{ words }}{% endif %}
"""


async def test_a_template(tmp_path: Path) -> None:
    """A person's own words for each message about one event; what goes as one has ours."""
    found = await month(tmp_path, words=WORDS, collapse=True)

    assert [] == template.check(WORDS)
    assert (
        """\
03 Jun 06:00  REPORT attempt_failed: exit 1
03 Jun 06:10  report/sync: gave up the 06:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00
03 Jun 17:01  REPORT given_up: exit 1 (may be a repeat)
03 Jun 18:00  REPORT attempt_failed: exit 1
03 Jun 18:10  report/sync: gave up the 18:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00
04 Jun 05:30  REPORT attempt_failed: exit 1
04 Jun 05:40  report/sync: gave up the 00:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since Wed 06:00
04 Jun 06:00  report is well again after 1 day
10 Jun 12:00  REPORT attempt_failed: exit 1
10 Jun 12:10  report is well again after 10 min
11 Jun 12:47  report/sync: failed once since 12:00, recovered 12:10 on host web-1"""
        == found
    )


async def test_a_storm(tmp_path: Path) -> None:
    """Twenty-four others fail at one moment: that is one message, and that they are well again is
    another."""
    found = await month(tmp_path, crowd=24, remind=REMIND)

    assert (
        """\
03 Jun 06:00  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 06:10
03 Jun 06:10  report/sync: attempt 2 of 2 failed, exit 1 after 4 s on host web-1; no
    more tries
03 Jun 06:10  report/sync: gave up the 06:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00
03 Jun 07:00  report/sync: still failing on host web-1, for 1 h (since 06:00); last exit
    1
03 Jun 17:01  report/sync: still failing on host web-1, for 7 h (since 06:00); last exit
    1 (may be a repeat)
03 Jun 18:00  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 18:10
03 Jun 18:10  report/sync: attempt 2 of 2 failed, exit 1 after 4 s on host web-1; no
    more tries
04 Jun 05:30  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 05:40; the 00:00 run, 5 h 30 min late
04 Jun 05:40  report/sync: attempt 2 of 2 failed, exit 1 after 4 s on host web-1; no
    more tries
04 Jun 06:00  report/sync: recovered on host web-1 after 1 day (8 failed attempts, 4
    lost runs since Wed 06:00)
10 Jun 12:00  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 12:10
10 Jun 12:10  report/sync: recovered on host web-1 after 10 min (1 failed attempt since
    12:00)
11 Jun 12:47  report/sync: failed once since 12:00, recovered 12:10 on host web-1
15 Jun 12:30  24 messages in one (many at once): shop-1/sync: attempt 1 of 2 failed,
    exit 1 after 4 s on host web-1; next try 12:40 — at 12:30
15 Jun 12:40  24 messages in one (many at once): shop-1/sync: recovered on host web-1
    after 10 min (1 failed attempt since 12:30) — at 12:40"""
        == found
    )


async def test_all_of_it(tmp_path: Path) -> None:
    """All rules together."""
    found = await month(
        tmp_path,
        remind=REMIND,
        quiet_hours=QUIET,
        collapse=True,
        rate_limit_ms=HOUR_MS,
    )

    assert (
        """\
03 Jun 06:10  report/sync: gave up the 06:00 run after 2 attempts, last exit 1, on host
    web-1 (attempts used up (2 of 2)); failing since 06:00 — at 06:10, with 2 earlier
    messages (quiet hours)
03 Jun 07:10  report/sync: still failing on host web-1, for 1 h 10 min (since 06:00);
    last exit 1
03 Jun 17:01  report/sync: still failing on host web-1, for 7 h (since 06:00); last exit
    1 (may be a repeat)
03 Jun 18:01  report/sync: still failing on host web-1, for 12 h 1 min (since 06:00);
    last exit 1
03 Jun 19:01  report/sync: still failing on host web-1, for 13 h 1 min (since 06:00);
    last exit 1
04 Jun 07:00  report/sync: failed 8 times since Wed 06:00, recovered 06:00 (4 runs lost)
    on host web-1
10 Jun 12:00  report/sync: attempt 1 of 2 failed, exit 1 after 4 s on host web-1; next
    try 12:10
10 Jun 12:10  report/sync: recovered on host web-1 after 10 min (1 failed attempt since
    12:00)
11 Jun 12:47  report/sync: failed once since 12:00, recovered 12:10 on host web-1"""
        == found
    )
