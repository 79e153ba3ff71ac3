"""Where manifests and config.toml use plugins, and what these said of it (contract §10,
``validate``). The agent of a use in config.toml is ``""``.

Invariants: an answer is kept only for the file in force; the same question has one answer, whoever
asks; a refusal is told once for each change of file, program or answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dotagent.core import events
from dotagent.core.model import Event, Kind
from dotagent.store.actor import Actor
from dotagent.store.database import Reader, Tx
from dotagent.store.tell import tell

_IN_FORCE = (
    "LEFT JOIN agents g ON g.name = u.agent AND g.gone_at IS NULL AND g.enabled"
    " WHERE (g.name IS NOT NULL OR u.agent = '')"
)
_CONFIG = "(SELECT value FROM facts WHERE name = 'config_digest')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is known of one use."""

    due: bool
    program: str
    question: str
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of one use. ``news``: for people, where it is to be told; else empty."""

    agent: str
    sha256: str
    place: str
    program: str
    question: str = ""
    fault: str = ""
    news: str = ""


def set_uses(tx: Tx, agent: str, plugins: Mapping[str, str]) -> None:
    """An agent's manifest was adopted (or has gone: no uses). What was answered is kept where the
    same plugin still has its place: the question may be the same."""
    for row in tx.all("SELECT place, plugin FROM plugin_uses WHERE agent = ?", agent):
        if plugins.get(row["place"]) != row["plugin"]:
            place = row["place"]
            tx.run("DELETE FROM plugin_uses WHERE agent = ? AND place = ?", agent, place)
    for place, plugin in plugins.items():
        tx.run(
            "INSERT INTO plugin_uses (agent, place, plugin) VALUES (?, ?, ?)"
            " ON CONFLICT (agent, place) DO UPDATE SET due = 1",
            agent,
            place,
            plugin,
        )


def programs(reader: Reader) -> dict[str, set[str]]:
    """Each plugin in use, with the programs that were found for it where that is settled."""
    found: dict[str, set[str]] = {}
    for row in reader.execute("SELECT DISTINCT plugin, program, due FROM plugin_uses"):
        settled = found.setdefault(row["plugin"], set())
        if not row["due"]:
            settled.add(row["program"])
    return found


def outdate(tx: Tx, programs: Mapping[str, str]) -> None:
    """Of these plugins another program is found now than was asked, or none."""
    for plugin, program in programs.items():
        tx.run("UPDATE plugin_uses SET due = 1 WHERE plugin = ? AND program != ?", plugin, program)


def open_agents(reader: Reader) -> list[tuple[str, str]]:
    """The agents of which something is to be asked, or was found wrong; with their manifests'
    hashes."""
    rows = reader.execute(
        f"SELECT DISTINCT u.agent, COALESCE(g.sha256, {_CONFIG}) AS sha256"
        f" FROM plugin_uses u INDEXED BY plugin_uses_open {_IN_FORCE}"
        " AND (u.due = 1 OR u.fault != '') ORDER BY u.agent"
    )
    return [(row["agent"], row["sha256"]) for row in rows]


def kept(reader: Reader, agent: str) -> dict[str, Kept]:
    """What is known of an agent's uses, by place."""
    rows = reader.execute("SELECT * FROM plugin_uses WHERE agent = ?", (agent,))
    return {
        row["place"]: Kept(
            due=bool(row["due"]),
            program=row["program"],
            question=row["question"],
            fault=row["fault"],
        )
        for row in rows
    }


def answered(reader: Reader, question: str) -> str | None:
    """What was once answered to this question; None if it never was."""
    row = reader.execute(
        "SELECT fault FROM plugin_uses WHERE question = ? LIMIT 1", (question,)
    ).fetchone()
    return None if row is None else row["fault"]


def settle(tx: Tx, actor: Actor, now: int, findings: Sequence[Finding]) -> None:
    """Keep what was found, and tell what is news of it: of all these, in one event."""
    news = []
    for each in findings:
        changed = tx.change(
            "UPDATE plugin_uses SET due = 0, program = ?, question = ?, fault = ?"
            " WHERE agent = ? AND place = ?"
            " AND ? = COALESCE((SELECT sha256 FROM agents WHERE name = plugin_uses.agent),"
            f" {_CONFIG})",
            each.program,
            each.question,
            each.fault,
            each.agent,
            each.place,
            each.sha256,
        )
        if changed and each.news:
            news.append(each)
    ours = [each for each in news if not each.agent]
    theirs = [each for each in news if each.agent]
    told = []
    if ours:
        line = "a plugin refuses what config.toml gives it"
        told.append(_event(Kind.CONFIG_INVALID, now, line, ours))
    if theirs:
        line = f"a plugin refuses what the manifest of {theirs[0].agent} gives it"
        count = len({each.agent for each in theirs})
        if count > 1:
            line = f"plugins refuse what {count} manifests give them"
        told.append(_event(Kind.MANIFEST_INVALID, now, line, theirs))
    tell(tx, actor, now, told)


def _event(kind: Kind, now: int, line: str, news: Sequence[Finding]) -> Event:
    detail = "\n".join(each.news for each in news)
    return events.of_system(kind, now, f"{line}; nothing stops for that", detail)
