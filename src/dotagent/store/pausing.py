"""What a person says about runs to come: pause, resume, skip (product §9). One transaction each.

Invariant: what was due before a person's word is planned without it, what falls due under it ends
``skipped`` with who and why; nothing is paused without an end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from sqlite3 import Row
from typing import Any

from dotagent.core import shell
from dotagent.core.duration import DAY_MS
from dotagent.core.ending import Ending
from dotagent.core.errors import UsageError
from dotagent.core.model import WindowState
from dotagent.core.moment import clock, when
from dotagent.store import overdue, pauses, plan, record, windows
from dotagent.store.actor import Actor
from dotagent.store.database import Tx
from dotagent.store.say import named

PAUSE_MOST_MS = 366 * DAY_MS
"""The longest pause: who wants more says so in the manifest, with ``enabled = false``."""


Args = Mapping[str, Any]
Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """Who says what about which schedule; ``schedule`` empty: all of the agent's."""

    agent: str
    schedule: str
    by: str
    reason: str

    @property
    def name(self) -> str:
        return f"{self.agent}/{self.schedule}" if self.schedule else self.agent


def pause(tx: Tx, actor: Actor, now: int, args: Args) -> Answer:
    """Nothing of it runs before ``until_at``, or for ``for_ms`` from now. A new pause of the same
    takes the old one's place. Raises ``NotFound``, ``UsageError``."""
    word = _word(tx, args)
    until_at = now + int(args["for_ms"]) if "for_ms" in args else int(args["until_at"])
    if until_at <= now:
        raise UsageError(f"a pause has to end later than now: {when(until_at, now, actor.zone)}")
    if until_at - now > PAUSE_MOST_MS:
        raise UsageError(
            "a pause lasts a year at most",
            "For longer, write enabled = false into the [agent] table of its manifest.",
        )
    replaced = _end_all(tx, actor, now, word, pauses.PAUSE, f"{word.by} paused it anew")
    _plan(tx, actor, now, _under(tx, word))
    pauses.add(
        tx,
        agent=word.agent,
        schedule=word.schedule,
        kind=pauses.PAUSE,
        from_at=now,
        until_at=until_at,
        by=word.by,
        why=word.reason,
    )
    under = _under(tx, word)
    _plan(tx, actor, now, under)
    for row in under:
        overdue.freeze(tx, now, row["agent"], row["id"])
    _attest(tx, actor, now, "agent_paused", word)
    return {"schedules": [row["id"] for row in under], "until": until_at, "replaced": replaced}


def resume(tx: Tx, actor: Actor, now: int, args: Args) -> Answer:
    """End the pauses and skips of it at once. Raises ``NotFound``."""
    word = _word(tx, args)
    why = f"resumed by {word.by}" + (f": {word.reason}" if word.reason else "")
    ended = sum(_end_all(tx, actor, now, word, kind, why) for kind in (pauses.PAUSE, pauses.SKIP))
    above = pauses.open_of(tx, word.agent, "") if word.schedule else []
    if above:
        raise UsageError(
            f"the whole agent {word.agent} is paused, not only {word.name}",
            f"To resume all of it: dotagent resume {shell.word(word.agent)}",
        )
    if ended:
        _attest(tx, actor, now, "agent_resumed", word)
    return {"schedules": [row["id"] for row in _under(tx, word)], "ended": ended}


def skip(tx: Tx, actor: Actor, now: int, args: Args) -> Answer:
    """The next run is not made: the one that waits to start or to be tried again, else the next to
    fall due that is not skipped already. Raises ``NotFound``, ``UsageError``."""
    word = _word(tx, args)
    under = _under(tx, word)
    if len(under) != 1:
        names = ", ".join(f"{word.agent}/{row['id']}" for row in under)
        raise UsageError(f"{word.agent} has {len(under)} schedules: name one", f"One of: {names}")
    row = under[0]
    _plan(tx, actor, now, under)
    word = replace(word, schedule=row["id"])
    _attest(tx, actor, now, "agent_skipped", word)
    live = windows.waiting(tx, word.agent, word.schedule)
    if live is not None:
        reason = f"{Ending.ASKED} {word.by}: {word.reason}"
        windows.shut(tx, now, live["id"], WindowState.SKIPPED, reason)
        windows.only_skipped(tx, word.agent, word.schedule, reason)
        overdue.passed_over(tx, live["expected_at"], word.agent, word.schedule)
        return {"schedules": [row["id"]], "at": live["expected_at"], "waited": True}
    at = _next_unskipped(tx, actor, now, row["agent"], row["id"])
    pauses.add(
        tx,
        agent=word.agent,
        schedule=word.schedule,
        kind=pauses.SKIP,
        from_at=now,
        until_at=at + 1,
        by=word.by,
        why=word.reason,
    )
    return {"schedules": [row["id"]], "at": at, "waited": False}


# ------------------------------------------------------------------------------------------ pieces


def _word(tx: Tx, args: Args) -> Word:
    """Raises ``NotFound`` where there is nobody to speak of, ``UsageError`` where nothing is
    scheduled."""
    agent, schedule = named(tx, args)
    word = Word(
        agent=agent,
        schedule=schedule or "",
        by=str(args["by"]),
        reason=str(args.get("reason") or ""),
    )
    if not _under(tx, word):
        raise UsageError(f"nothing of {agent} is scheduled")
    return word


def _under(tx: Tx, word: Word) -> list[Row]:
    return tx.all(
        "SELECT * FROM schedules WHERE agent = ?1 AND (?2 = '' OR id = ?2) AND gone_at IS NULL"
        " ORDER BY id",
        word.agent,
        word.schedule,
    )


def _plan(tx: Tx, actor: Actor, now: int, under: list[Row]) -> None:
    """What has fallen due by now is decided as things stand now."""
    for row in under:
        if row["held_at"] is None:
            plan.plan_one(tx, actor, now, row)


def _end_all(tx: Tx, actor: Actor, now: int, word: Word, kind: str, why: str) -> int:
    """End what stands for exactly this agent or schedule and, for an agent, each schedule's."""
    ended = 0
    for row in tx.all(
        "SELECT * FROM pauses WHERE agent = ?1 AND (?2 = '' OR schedule = ?2) AND kind = ?3"
        " AND ended_at IS NULL ORDER BY id",
        word.agent,
        word.schedule,
        kind,
    ):
        plan.end_pause(tx, actor, now, row, min(now, row["until_at"]), why)
        ended += 1
    return ended


def _next_unskipped(tx: Tx, actor: Actor, now: int, agent: str, schedule: str) -> int:
    """The next run to fall due that nobody has said anything about."""
    row = tx.one("SELECT * FROM schedules WHERE agent = ? AND id = ?", agent, schedule)
    assert row is not None
    skipped = [each for each in pauses.open_of(tx, agent, schedule) if each["kind"] == pauses.SKIP]
    after = max((each["until_at"] - 1 for each in skipped), default=None)
    at = plan.upcoming(tx, actor, now, row) if after is None else None
    if after is not None:
        at = plan.following(tx, actor, now, row, after)
    if at is None:
        raise UsageError(f"{agent}/{schedule} is never due again: there is nothing to skip")
    for each in pauses.open_of(tx, agent, schedule):
        if each["kind"] == pauses.PAUSE and each["until_at"] > at:
            until = clock(each["until_at"], now, actor.zone)
            raise UsageError(
                f"{agent}/{schedule} is paused until {until}, past its next run: nothing to skip"
            )
    return at


def _attest(tx: Tx, actor: Actor, now: int, event_type: str, word: Word) -> None:
    names = {"agent": word.agent, "schedule": word.schedule}
    record.append(tx, actor, now, "notice", event_type, **names, by=word.by, reason=word.reason)
