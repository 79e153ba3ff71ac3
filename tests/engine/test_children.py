"""What real children do to the real engine: each ends as a recorded exit with its events, and
nothing of its group survives.

The engine makes all of the table's attempts side by side, as a daemon would; every row is then
compared with what the store says of it and with the machine's table of processes.
"""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dotagent.supervisor.kernel import Kernel
from dotagent.supervisor.orphans import LostAttempt
from dotagent.supervisor.spawner import RealSpawner
from dotagent.supervisor.table import Row, machine_table
from tests.engine.line import ONCE, Line, line, running, write_agent

SHORT = 'timeout = "1s"\n'
FAILED, TIMED_OUT, FINE = ["attempt_failed", "given_up"], ["timed_out", "given_up"], ["success"]
PYTHON = "#!/usr/bin/env python3\n"
FLOOD = "head -c 3000000 /dev/zero | tr '\\0' x"
ONE_TRY = "max_attempts = 1\n"


@dataclass(frozen=True, slots=True)
class Case:
    """A child (``script``, with its own ``#!`` or for sh), and what must be known of it."""

    script: str
    exit: str
    events: list[str]
    says: str = ""
    run: str = "./run.sh"
    agent: str = ""
    folder: str = "."
    mode: int = 0o700
    toml: str = ""
    codes: str = ""


UNMET = Case("true", "exit 0, but", FAILED, toml='[expect]\noutput = "nonempty"\n')
CODES = "success_codes = [0]\nwarn_codes = [3]\nskip_codes = [75]\nno_retry_codes = [12]\n"
"""What exit codes may mean: keys of ``[run]``."""
REPORT = 'echo "outcome={}" > "$AGENT_RESULT"'


CASES = {
    "exits 0": Case("echo fine", "exit 0", FINE, "fine"),
    "exits 3": Case("echo bad >&2; exit 3", "exit 3", FAILED, "bad"),
    "kills itself": Case("kill -SEGV $$", "killed by SIGSEGV", FAILED),
    "obeys TERM": Case("exec sleep 600", "timed out after 1 s", TIMED_OUT, agent=SHORT),
    "ignores TERM": Case(
        "trap '' TERM; echo no; while :; do sleep 1; done",
        "timed out after 1 s",
        TIMED_OUT,
        "no",
        agent=SHORT,
    ),
    "traps TERM and exits 0": Case(
        "trap 'echo bye; exit 0' TERM; sleep 600 & wait",
        "timed out after 1 s",
        TIMED_OUT,
        "bye",
        agent=SHORT,
    ),
    "grandchildren": Case(
        "(sleep 600 & sleep 600) & (trap '' TERM; sleep 600) & wait",
        "timed out after 1 s",
        TIMED_OUT,
        agent=SHORT,
    ),
    "leaves a child with the pipes": Case("sleep 600 & echo left", "exit 0", FINE, "left"),
    "leaves a child without the pipes": Case(
        "sleep 600 >/dev/null 2>&1 & echo left", "exit 0", FINE, "left"
    ),
    "leaves a daemon with the pipes": Case(
        PYTHON + "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        time.sleep(600)\n    os._exit(0)\nos.wait()\nprint('daemonised')",
        "exit 0",
        FINE,
        "daemonised",
    ),
    "floods both streams": Case(f"{FLOOD} & {FLOOD} >&2; wait; exit 4", "exit 4", FAILED, "xxx"),
    "floods and ignores TERM": Case(
        "trap '' TERM; while :; do echo yyyyyyyyyyyyyyyy; done",
        "timed out after 1 s",
        TIMED_OUT,
        "yyy",
        agent=SHORT,
    ),
    "prints what is no text": Case(r"printf 'a\377\376\0b'", "exit 0", FINE, "a\ufffd\ufffd\0b"),
    "closes its output": Case("exec >&- 2>&-; sleep 0.2; exit 5", "exit 5", FAILED),
    "forks a lot": Case(
        "for i in $(seq 200); do sleep 600 & done; echo many", "exit 0", FINE, "many"
    ),
    "reads its input": Case("cat; echo end", "exit 0", FINE, "end"),
    "lost its folder": Case(
        "true", "the working directory", FAILED, folder="gone", run="/bin/true"
    ),
    "no such command": Case("", "the command nothing-like-it", FAILED, run="nothing-like-it"),
    "no such interpreter": Case("#!/nowhere/bin/python\n", "/nowhere/bin/python", FAILED),
    "may not be executed": Case("true", "chmod +x", FAILED, mode=0o600),
    "proves nothing": UNMET,
    "proves its work": Case(
        "date > made",
        "exit 0",
        FINE,
        toml='[expect]\nfile = { path = "made", newer = true, min_bytes = 5 }\n',
    ),
    "warns": Case("exit 3", "exit 3, with a warning", FINE, codes=CODES),
    "says not now": Case("exit 75", "exit 75, which means", [], codes=CODES),
    "fails for good": Case("exit 12", "exit 12", FAILED, codes=CODES),
    "reports a failure": Case(
        REPORT.format("fail"), "exit 0, but the script reported failure", FAILED
    ),
    "reports a warning": Case(REPORT.format("warn"), "exit 0, with a warning", FINE),
    "is no program": Case("#\x00\x01", "could not start", FAILED),
}


def agent(home: Path, number: int, case: Case) -> None:
    """The agent ``c<number>`` of a case."""
    name = f"c{number}"
    folder = write_agent(home, name, script="")
    script = case.script if case.script.startswith("#") else f"#!/bin/sh\n{case.script}\n"
    (folder / "run.sh").write_text(script)
    (folder / "run.sh").chmod(case.mode)
    (folder / "agent.toml").write_text(
        f'[agent]\nname = "{name}"\n{case.agent}[run]\ncommand = "{case.run}"\n'
        f'working_dir = "{case.folder}"\n{case.codes}{ONCE}{ONE_TRY}{case.toml}'
    )


def survivors(made: Line) -> list[Row]:
    """Processes that bear the marker of an attempt, or run in its session or group."""
    home, table = made.parts.home_id, machine_table()
    return [
        row
        for each in made.rows("SELECT id, pid, started_ticks FROM attempts")
        for row in LostAttempt(
            table, f"{home}-{each['id']}", each["pid"], each["started_ticks"]
        ).survivors()
    ]


def groups_left(made: Line) -> list[int]:
    """Process groups of attempts in which anybody is left."""
    pids = made.values("SELECT pid FROM attempts WHERE pid")
    return [row.pid for row in machine_table().rows() if row.group in pids or row.session in pids]


async def test_every_child_ends_as_a_recorded_fact(tmp_path: Path) -> None:
    """The table: exit, events and output of each are in the store; no process of any survives."""
    for number, case in enumerate(CASES.values()):
        agent(tmp_path, number, case)
    async with line(tmp_path, max_running=len(CASES)) as made, running(made):
        await made.until(lambda: len(CASES) == len(ended(made)))
        found = {
            name: seen(made, number, case) for number, (name, case) in enumerate(CASES.items())
        }
        left, groups = survivors(made), groups_left(made)

    assert {name: (True, case.events, True) for name, case in CASES.items()} == found
    assert [] == left
    assert [] == groups


def ended(made: Line) -> list[Any]:
    return made.values("SELECT id FROM attempts WHERE ended_at IS NOT NULL")


def seen(made: Line, number: int, case: Case) -> tuple[object, list[str], object]:
    """Whether exit and output are those of the case, and its events."""
    name = f"c{number}"
    (row,) = made.rows("SELECT * FROM attempts WHERE agent = ?", name)
    events = made.values("SELECT kind FROM events WHERE agent = ? ORDER BY seq", name)
    said = f"{row['stdout_tail']}{row['stderr_tail']}"
    return (
        case.exit in row["words"] or row["words"],
        events,
        case.says in said or said[-200:],
    )


def _not_permitted(group: int, number: int) -> None:
    """What kill(2) answers for a process that has become another user's (``sudo …``)."""
    raise PermissionError(1, "Operation not permitted")


async def test_what_cannot_be_killed_gives_its_slot_back_and_is_told(tmp_path: Path) -> None:
    """A process that KILL does not end: timed out, told as escaped by its number, and the next
    agent has its slot."""
    spawner = partial(RealSpawner, kernel=Kernel(kill_group=_not_permitted), patience_ms=100)
    write_agent(tmp_path, "stuck", script="exec sleep 600")
    toml = tmp_path / "agents" / "stuck" / "agent.toml"
    toml.write_text(toml.read_text().replace("[run]", SHORT + "[run]") + ONCE + ONE_TRY)
    async with line(tmp_path, max_running=1, spawner=spawner) as made, running(made):
        await made.until(lambda: ended(made))
        write_agent(tmp_path, "next", ONCE)
        await made.engine.reload()
        made.engine.poke()
        await made.until(lambda: 2 == len(ended(made)))
        escaped = made.rows("SELECT * FROM events WHERE kind = 'process_escaped'")
        (pid,) = made.values("SELECT pid FROM attempts WHERE agent = 'stuck'")
        words = made.values("SELECT words FROM attempts ORDER BY id")
        was_there = any(row.pid == pid for row in machine_table().rows())
        os.kill(pid, signal.SIGKILL)

    assert ["timed out after 1 s", "exit 0"] == words
    assert [f"stuck/s: process {pid} could not be killed"] == [
        json.loads(row["facts"])["line"] for row in escaped
    ]
    assert was_there


async def ask(made: Line, kind: str, **args: str) -> dict[str, Any]:
    """What the engine answers to a request."""
    request = await made.parts.store.write(
        lambda tx: tx.run(
            "INSERT INTO requests (kind, args, state, created_at) VALUES (?, ?, 'waiting', 0)",
            kind,
            json.dumps(args),
        )
    )
    made.engine.poke()
    await made.until(
        lambda: made.values("SELECT 1 FROM requests WHERE id = ? AND state = 'done'", request)
    )
    (answer,) = made.values("SELECT answer FROM requests WHERE id = ?", request)
    return dict(json.loads(answer))


async def test_a_person_stops_a_run_for_good(tmp_path: Path) -> None:
    """``stop``: the processes are gone when it answers; the window ends skipped, by whom and why;
    nothing is tried again, told or held against the agent."""
    write_agent(tmp_path, "long", ONCE, script="trap 'exit 0' TERM; sleep 600 & wait")
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.values("SELECT pid FROM attempts WHERE pid"))
        answer = await ask(made, "stop_runs", agent="long", by="ana", reason="it hangs")
        left, groups = survivors(made), groups_left(made)
        windows = made.rows("SELECT state, reason, attempts FROM windows")
        events = made.values("SELECT kind FROM events WHERE agent = 'long'")
        outages = made.values("SELECT 1 FROM outages")
        again = await ask(made, "stop_runs", agent="long", by="ana")
        with_typo = await ask(made, "stop_runs", agent="lnog", by="ana")
        attested = made.values(
            "SELECT 1 FROM audit WHERE CAST(line AS TEXT) LIKE ?",
            '%"agent_stopped"%"by":"ana","reason":"it hangs"%',
        )

    assert {"stopped": ["long/s"]} == answer
    assert [{"state": "skipped", "reason": "stopped by ana: it hangs", "attempts": 0}] == windows
    assert ([], [], [], []) == (left, groups, events, outages)
    assert "nothing of long runs now" == again["error"]
    assert 4 == with_typo["exit"]
    assert [1] == attested


async def test_a_stop_ends_only_what_it_names(tmp_path: Path) -> None:
    """One schedule of two: the other runs on."""
    other = ONCE.replace('"s"', '"other"')
    write_agent(tmp_path, "two", ONCE + other, script="exec sleep 600")
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: 2 == len(made.values("SELECT pid FROM attempts WHERE pid")))
        answer = await ask(made, "stop_runs", agent="two", schedule="other", by="ana")
        still = made.values("SELECT schedule FROM attempts WHERE ended_at IS NULL")

    assert {"stopped": ["two/other"]} == answer
    assert ["s"] == still
