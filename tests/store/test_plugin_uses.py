"""What plugins said of the configurations that manifests give them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dotagent.store import plugin_uses
from dotagent.store.plugin_uses import Finding, Kept
from tests.support.home import Past

FOUND = Finding(
    agent="disk",
    sha256="",
    place="on_success[0].plugin",
    program="1 2 3 4 /p",
    question="q",
    fault="it refuses",
    news="agent.toml: it refuses",
)


def using(folder: Path) -> tuple[Past, Finding]:
    """An agent that uses one plugin, and what was found of that."""
    past = Past(folder, "2026-03-29 08:00")
    past.agent("disk", {})
    past.write(lambda tx: plugin_uses.set_uses(tx, "disk", {FOUND.place: "store"}))
    return past, replace(FOUND, sha256=past.agents[f"{past.root}/disk/agent.toml"][1].sha256)


def told(past: Past) -> list[str]:
    with past.store.read() as reader:
        rows = reader.execute("SELECT facts FROM events WHERE kind = 'manifest_invalid'")
        return [row["facts"] for row in rows]


def test_an_answer_is_kept_and_told(tmp_path: Path) -> None:
    """For who asks the same, too; an edit leaves it there, to be compared with the new question."""
    past, found = using(tmp_path)
    reader = past.store.read()
    before = (plugin_uses.open_agents(reader), plugin_uses.answered(reader, "q"))
    past.write(lambda tx: plugin_uses.settle(tx, past.actor, past.now, [found]))
    after = plugin_uses.answered(reader, "q")
    past.write(lambda tx: plugin_uses.set_uses(tx, "disk", {found.place: "store"}))
    edited = plugin_uses.kept(reader, "disk")
    past.write(lambda tx: plugin_uses.set_uses(tx, "disk", {found.place: "another"}))
    replaced = plugin_uses.kept(reader, "disk")
    reader.close()
    events = told(past)
    past.close()

    assert ([("disk", found.sha256)], None) == before
    assert "it refuses" == after
    kept = Kept(due=True, program=found.program, question="q", fault="it refuses")
    assert {found.place: kept} == edited
    assert {found.place: Kept(due=True, program="", question="", fault="")} == replaced
    assert 1 == len(events)
    assert "agent.toml: it refuses" in events[0]


def test_an_answer_about_another_manifest_is_dropped(tmp_path: Path) -> None:
    """It was edited while its plugin was asked: the question is still open, and nobody is told."""
    past, found = using(tmp_path)
    stale = replace(found, sha256="an older one")
    past.write(lambda tx: plugin_uses.settle(tx, past.actor, past.now, [stale]))
    reader = past.store.read()
    left = plugin_uses.open_agents(reader)
    reader.close()
    events = told(past)
    past.close()

    assert [("disk", found.sha256)] == left
    assert [] == events


def test_another_program_is_asked_anew(tmp_path: Path) -> None:
    """And only that one; what was accepted and has not changed is never looked at again."""
    past, found = using(tmp_path)
    well = replace(found, fault="", news="")
    past.write(lambda tx: plugin_uses.settle(tx, past.actor, past.now, [well]))
    reader = past.store.read()
    rested = plugin_uses.open_agents(reader)
    past.write(lambda tx: plugin_uses.outdate(tx, {"store": found.program, "other": ""}))
    same = plugin_uses.open_agents(reader)
    known = plugin_uses.programs(reader)
    past.write(lambda tx: plugin_uses.outdate(tx, {"store": "5 6 7 8 /p"}))
    anew = plugin_uses.open_agents(reader)
    reader.close()
    past.close()

    assert ([], [], {"store": {found.program}}) == (rested, same, known)
    assert [("disk", found.sha256)] == anew


def test_an_agent_that_goes_takes_its_uses_along(tmp_path: Path) -> None:
    """What its plugins said is nobody's warning any more."""
    past, found = using(tmp_path)
    past.write(lambda tx: plugin_uses.settle(tx, past.actor, past.now, [found]))
    past.remove("disk")
    reader = past.store.read()
    left = plugin_uses.kept(reader, "disk")
    reader.close()
    past.close()

    assert {} == left
