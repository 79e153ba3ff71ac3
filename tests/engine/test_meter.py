"""Metrics as configured: an address of this machine, a file; both follow config.toml."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from pathlib import Path

from dotagent.engine.meter import FACT
from tests.engine.line import ONCE, Line, line, running, write_agent


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def ask(port: int, path: str = "/metrics", host: str = "localhost") -> str:
    """The whole answer; empty where nobody listens."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return ""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.decode()


def change(made: Line, text: str) -> None:
    (made.home / "config.toml").write_text(text)
    made.surroundings.files_changed()
    made.engine.poke()


def problem(made: Line) -> str:
    found = made.values("SELECT value FROM facts WHERE name = ?", FACT)
    return str(found[0]) if found else ""


async def until_answered(made: Line, port: int) -> str:
    """Ask until somebody answers."""
    async with asyncio.timeout(40):
        while not (answer := await ask(port)):
            await made.parts.clock.sleep_until(made.parts.clock.now() + 20)
    return answer


async def test_an_address(tmp_path: Path) -> None:
    """It is there while the configuration says so, and moves with it; only who calls it by this
    machine's own name gets an answer."""
    one, two = free_port(), free_port()
    write_agent(tmp_path, "a", ONCE)
    (tmp_path / "config.toml").write_text(f'[metrics]\nlisten = "127.0.0.1:{one}"\n')
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.values("SELECT 1 FROM tallies"))
        answer = await until_answered(made, one)
        elsewhere, stranger = await ask(one, "/x"), await ask(one, host=f"evil.example:{one}")
        numeric = await ask(one, host=f"127.0.0.1:{one}")
        change(made, f'[metrics]\nlisten = "127.0.0.1:{two}"\n')
        await until_answered(made, two)
        gone = await ask(one)
        change(made, "")
        await made.until(lambda: made.engine.config.metrics.listen is None)
    over = await ask(two)

    assert answer.startswith("HTTP/1.1 200 ")
    assert "text/plain; version=0.0.4" in answer
    assert 'dotagent_attempts_total{agent="a",schedule="s",verdict="succeeded"} 1.0' in answer
    assert elsewhere.startswith("HTTP/1.1 404 ")
    assert stranger.startswith("HTTP/1.1 403 ")
    assert numeric.startswith("HTTP/1.1 200 ")
    assert ("", "") == (gone, over)


async def test_an_address_that_is_taken(tmp_path: Path) -> None:
    """Why there are no metrics is remembered, and forgotten when nobody wants them any more."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "config.toml").write_text(f'[metrics]\nlisten = "127.0.0.1:{port}"\n')
        async with line(tmp_path) as made, running(made):
            await made.until(lambda: problem(made))
            why = problem(made)
            change(made, "")
            await made.until(lambda: not problem(made))

    assert f"127.0.0.1:{port} cannot be listened on: " in why


async def test_a_file(tmp_path: Path) -> None:
    """It is written whole, for others to read; a folder that is not there is a problem."""
    there = tmp_path / "x.prom"
    async with line(tmp_path) as made, running(made):
        change(made, f'[metrics]\ntextfile = "{tmp_path}/no/x.prom"\n')
        await made.until(lambda: problem(made))
        why = problem(made)
        change(made, f'[metrics]\ntextfile = "{there}"\nevery = "5s"\n')
        await made.until(there.exists)
        await made.until(lambda: not problem(made))

    assert "No such file" in why
    assert "dotagent_agents 0.0\n" in there.read_text()
    assert 0o644 == there.stat().st_mode & 0o777


async def test_nothing_without_it(tmp_path: Path) -> None:
    """Nobody wakes for metrics that nobody wants."""
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.surroundings.due_at)
        tasks = {str(task.get_coro()) for task in asyncio.all_tasks()}

    assert not [each for each in tasks if "_serve" in each]
