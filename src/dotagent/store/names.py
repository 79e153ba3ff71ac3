"""The names that people use, each with a word about it: for a shell that completes them."""

from __future__ import annotations

from collections.abc import Sequence

from dotagent.store.reading import Reader

Names = Sequence[tuple[str, str]]


def agents(reader: Reader) -> Names:
    """The agents of the home, with the health of the worst of their schedules."""
    rows = reader.execute(
        "SELECT a.name, (SELECT s.health FROM schedules s WHERE s.agent = a.name"
        " AND s.gone_at IS NULL ORDER BY s.health NOT IN ('failing', 'stale'), s.id LIMIT 1)"
        " FROM agents a WHERE a.gone_at IS NULL ORDER BY a.name"
    )
    return [(name, health or "") for name, health in rows]


def schedules(reader: Reader, agent: str | None) -> Names:
    """The ids of one agent's schedules, of all agents' for None."""
    rows = reader.execute(
        "SELECT id, min(health) FROM schedules WHERE gone_at IS NULL AND (?1 IS NULL OR agent = ?1)"
        " GROUP BY id ORDER BY id",
        (agent,),
    )
    return [(id, health) for id, health in rows]


def agents_and_schedules(reader: Reader) -> Names:
    """``agent``, and ``agent/schedule`` for each of its schedules."""
    rows = reader.execute(
        "SELECT agent, id, health FROM schedules WHERE gone_at IS NULL ORDER BY agent, id"
    )
    return [*agents(reader), *((f"{agent}/{id}", health) for agent, id, health in rows)]


def tells(reader: Reader, agent: str) -> bool:
    """Whether anybody is told of what this agent does."""
    own = "SELECT 1 FROM routing WHERE scope IN (?, '') LIMIT 1"
    return reader.execute(own, (agent,)).fetchone() is not None


def notifiers(reader: Reader) -> Names:
    """What people call their notifiers, each name once, with its driver."""
    rows = reader.execute("SELECT name, min(driver) FROM routing GROUP BY name ORDER BY name")
    return [(name, driver) for name, driver in rows]
