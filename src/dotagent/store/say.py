"""A person's say over what is told, as a request brings it: silences and acknowledgements.

Each answers with plain data for the command that asked; a name that nobody bears is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dotagent.core.config import Summary
from dotagent.core.errors import NotFound, UsageError
from dotagent.core.problems import nearest, quoted
from dotagent.core.shell import word
from dotagent.core.silence import MOST_MS
from dotagent.store import outages, silences
from dotagent.store import summary as daily
from dotagent.store.actor import Actor
from dotagent.store.database import Tx

Args = Mapping[str, Any]
Answer = Mapping[str, Any]


def silence(tx: Tx, actor: Actor, now: int, args: Args) -> Answer:
    """Hold back what an agent, or one schedule of it, has to say."""
    agent, schedule = named(tx, args)
    for_ms = min(int(args["for_ms"]), MOST_MS)
    number = silences.add(
        tx, actor, now, agent=agent, schedule=schedule, for_ms=for_ms, reason=str(args["reason"])
    )
    return {"silence": number}


def end_silence(tx: Tx, actor: Actor, now: int, args: Args) -> Answer:
    """Hear it again; what was held back and still fails is told now."""
    number = int(args["silence"])
    before = tx.value("SELECT coalesce(max(id), 0) FROM deliveries")
    silences.end(tx, actor, now, number, str(args.get("reason") or ""))
    made = tx.all("SELECT id FROM deliveries WHERE id > ? ORDER BY id", before)
    return {"silence": number, "deliveries": [row["id"] for row in made]}


def ack(tx: Tx, actor: Actor, now: int, args: Args) -> Answer:
    """A person knows: no reminders until it succeeds."""
    agent, schedule = named(tx, args)
    known = outages.ack(tx, actor, now, agent, schedule, str(args.get("reason") or ""))
    if not known:
        name = agent if schedule is None else f"{agent}/{schedule}"
        raise UsageError(
            f"{name} is not failing: there is nothing to acknowledge",
            f"See: dotagent why {word(agent)}",
        )
    return {"agent": agent, "schedules": known}


def summary(tx: Tx, actor: Actor, now: int, settings: Summary) -> Answer:
    """The daily summary, now; the day's own still comes at its time."""
    before = tx.value("SELECT coalesce(max(id), 0) FROM deliveries")
    daily.say(tx, actor, now, settings)
    made = tx.all("SELECT id FROM deliveries WHERE id > ? ORDER BY id", before)
    return {"deliveries": [row["id"] for row in made]}


def named(tx: Tx, args: Args) -> tuple[str, str | None]:
    """The agent and, where one is named, the schedule that a request speaks of. ``NotFound``."""
    agent, schedule = str(args["agent"]), args.get("schedule")
    agents = [row["name"] for row in tx.all("SELECT name FROM agents WHERE gone_at IS NULL")]
    if agent not in agents:
        raise _nobody(f"there is no agent {quoted(agent)}", agent, agents)
    if schedule is None:
        return agent, None
    known = "SELECT id FROM schedules WHERE agent = ? AND gone_at IS NULL"
    ids = [row["id"] for row in tx.all(known, agent)]
    if schedule not in ids:
        raise _nobody(f"{agent} has no schedule {quoted(schedule)}", str(schedule), ids)
    return agent, str(schedule)


def _nobody(message: str, name: str, names: list[str]) -> NotFound:
    near = nearest(name, names)
    return NotFound(message, f"Did you mean {quoted(near)}?" if near else "See: dotagent status")
