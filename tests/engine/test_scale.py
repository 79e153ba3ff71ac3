"""A start reads only what changed, whatever else lies there; a flood is bounded through the whole
line. Causes are counted: files opened, rows written anew, turns of the loop.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dotagent.core.exits import from_data
from dotagent.core.model import Exited
from dotagent.supervisor.pump import CHUNK
from tests.engine.line import ONCE, Line, line, running, write_agent

NEVER = '[[schedules]]\nid = "s"\ncron = "0 3 29 2 *"\n'
AGENTS = 300
opened: list[str] = []
"""Paths that Python opened while somebody listens."""
listening = [False]


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if listening[0] and event == "open" and isinstance(args[0], str):
        opened.append(args[0])


sys.addaudithook(_hear)


@contextmanager
def heard() -> Iterator[list[str]]:
    """The manifests and copies that are opened meanwhile."""
    opened.clear()
    listening[0] = True
    found: list[str] = []
    try:
        yield found
    finally:
        listening[0] = False
        found += [path for path in opened if path.endswith((".toml", ".toml.before"))]


def known(made: Line) -> dict[str, tuple[int, int]]:
    """The rows of all files and agents: one that is written anew has another number."""
    rows = made.rows(
        "SELECT m.agent, m.rowid AS file, a.rowid AS agent_row FROM manifests m"
        " JOIN agents a ON a.name = m.agent"
    )
    return {row["agent"]: (row["file"], row["agent_row"]) for row in rows}


async def test_a_start_reads_only_what_changed(tmp_path: Path) -> None:
    """Of three hundred manifests one was edited while nobody was there: only that is opened, only
    its row is written."""
    for number in range(AGENTS):
        write_agent(tmp_path, f"a{number}", NEVER)
    async with line(tmp_path, patience_ms=60_000) as made:
        await made.engine.reload()
        before = known(made)
    toml = tmp_path / "agents" / "a7" / "agent.toml"
    toml.write_text(toml.read_text().replace("29 2", "28 2"))
    os.utime(toml, (0, 0))
    async with line(tmp_path, patience_ms=60_000) as made:
        with heard() as read:
            await made.engine.reload()
        after = known(made)
        definition = made.values("SELECT definition FROM schedules WHERE agent = 'a7'")

    assert AGENTS == len(before) == len(after)
    assert {"a7"} == {name for name in before if before[name] != after[name]}
    copy = str(tmp_path / "state" / "manifests" / "a7.toml")
    assert {str(toml), copy} == {path for path in read if "config.toml" not in path}
    assert "28 2" in definition[0]


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


PRINTED = 1_000_000_000
LINE = "0123456789012345678901234567890123456789"


async def test_a_gigabyte_through_the_line(tmp_path: Path) -> None:
    """An agent that prints 1 GB: the daemon does not grow, the loop comes round between any two
    chunks, the log keeps to its limit and says what is missing, the tail is the end."""
    script = f"yes {LINE} | head -c {PRINTED}; echo; echo end"
    write_agent(tmp_path, "talker", ONCE + "[limits]\nlog_max_mb = 1\n", script=script)
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.values("SELECT pid FROM attempts WHERE pid"))
        before = resident()
        turns, peak = await watched(made)
        (row,) = made.rows("SELECT * FROM attempts")

    assert Exited(code=0) == from_data(json.loads(row["exit"]))
    assert row["stdout_tail"].endswith(f"\n{LINE[: PRINTED % (len(LINE) + 1)]}\nend")
    assert 500 == len(row["stdout_tail"].split("\n"))
    assert PRINTED // (len(LINE) + 1) + 2 - 500 == json.loads(row["dropped"])[0]
    assert turns >= PRINTED // CHUNK
    assert peak - before < 10_000_000
    log = (tmp_path / "logs" / "agents" / "talker" / "talker.log").read_text()
    assert "--- limit of 1,048,576 bytes reached, the rest is dropped ---" in log
    assert log.endswith(" bytes were dropped here ---\n")
    assert len(log) < 1_048_576 + 500


async def watched(made: Line) -> tuple[int, int]:
    """How often the loop comes round until the attempt has ended, and the most memory."""
    turns, peak = 0, 0
    while turns % 1_000 or not made.values("SELECT 1 FROM attempts WHERE ended_at"):
        await asyncio.sleep(0)
        turns += 1
        if turns % 1_000 == 0:
            peak = max(peak, resident())
    return turns, peak
