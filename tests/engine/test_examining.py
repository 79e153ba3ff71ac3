"""Plugins are asked beside everything else: nothing waits for what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dotagent.ports import Spoken
from tests.engine.line import ONCE, line, running, write_agent
from tests.plugins.scripts import bash

HOOK = '[[on_failure]]\nplugin = "mute"\n'


async def test_nothing_waits_for_a_plugin_that_never_answers(tmp_path: Path) -> None:
    """Its agent runs, another that comes later is adopted and runs, and a stop ends at once."""
    bash(tmp_path / "plugins", "", "mute")
    write_agent(tmp_path, "early", ONCE + HOOK)
    heard = asyncio.Event()
    ended = []

    async def never(
        argv: Sequence[str], stdin: bytes, env: Mapping[str, str] | None, deadline_ms: int
    ) -> Spoken:
        heard.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(argv[-1])
        raise AssertionError

    async with line(tmp_path) as made:
        made.engine.parts = replace(made.parts, speak=never)
        async with running(made):
            await heard.wait()
            write_agent(tmp_path, "late", ONCE + HOOK)
            made.surroundings.files_changed()
            made.engine.poke()
            done = "SELECT DISTINCT agent FROM attempts WHERE ended_at IS NOT NULL"
            await made.until(lambda: len(made.values(done)) == 2)
        left = made.values("SELECT due FROM plugin_uses")

    assert [1, 1] == left
    assert ["info"] == ended


async def test_what_comes_while_it_asks_is_asked_after(tmp_path: Path) -> None:
    """A look at the files during a round has its own round, without anybody poking for it."""
    bash(tmp_path / "plugins", "", "mute")
    write_agent(tmp_path, "early", HOOK)
    go, heard = asyncio.Event(), asyncio.Event()

    async def slow(
        argv: Sequence[str], stdin: bytes, env: Mapping[str, str] | None, deadline_ms: int
    ) -> Spoken:
        heard.set()
        await go.wait()
        return Spoken(exit_code=1, stdout=b"", stderr=b"")

    async with line(tmp_path) as made:
        made.engine.parts = replace(made.parts, speak=slow)
        async with running(made):
            await heard.wait()
            write_agent(tmp_path, "late", HOOK + 'config = { other = "one" }\n')
            made.surroundings.files_changed()
            made.engine.poke()
            await made.until(lambda: len(made.values("SELECT 1 FROM agents")) == 2)
            go.set()
            await made.until(lambda: made.values("SELECT due FROM plugin_uses") == [0, 0])
        faults = made.values("SELECT DISTINCT fault FROM plugin_uses")

    assert [""] == faults
