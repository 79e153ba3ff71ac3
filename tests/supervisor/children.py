"""Real children for the tests: scripts on disk, orders for them, and proof that none is left."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from dotagent.core.model import Ended, NotStarted
from dotagent.ports import Child, Order
from dotagent.supervisor.aside import aside
from dotagent.supervisor.kernel import Kernel
from dotagent.supervisor.orphans import MARKER_NAME, LostAttempt
from dotagent.supervisor.spawner import RealSpawner
from dotagent.supervisor.table import Row, machine_table

NOW = time.time_ns() // 1_000_000


class StillClock:
    """A wall clock that stands: what is measured here is measured by real children."""

    def __init__(self, at: int = NOW) -> None:
        self.at = at

    def now(self) -> int:
        return self.at

    def monotonic(self) -> int:
        return time.monotonic_ns() // 1_000_000

    async def sleep_until(self, at: int) -> None:
        await asyncio.get_running_loop().create_future()

    def watch(self, on_step: Callable[[], None]) -> None:
        """It is never set."""


class Field:
    """A folder for one test's scripts, and a spawner for them."""

    def __init__(self, folder: Path, marker: str) -> None:
        self.folder = folder
        self.marker = marker
        self.clock = StillClock()
        self.spawner = RealSpawner(self.clock)
        self.log = folder / "logs" / "agent.log"
        self.result = folder / "result"

    def script(self, body: str, name: str = "run.sh", head: str = "#!/bin/bash") -> Path:
        """An executable script."""
        path = self.folder / name
        path.write_text(f"{head}\n{body}\n")
        path.chmod(0o755)
        return path

    def order(self, *argv: str, **changes: Any) -> Order:
        """An order for ``argv`` with a long timeout and no waiting anywhere else."""
        env = {"PATH": os.environ["PATH"], MARKER_NAME: self.marker, "F": str(self.folder)}
        order = Order(
            argv=argv,
            cwd=str(self.folder),
            env=env | changes.pop("env", {}),
            marker=self.marker,
            timeout_ms=30_000,
            log_path=str(self.log),
            result_path=str(self.result),
        )
        return replace(order, **changes)

    async def start(self, body: str, **changes: Any) -> Child:
        """Start a bash script."""
        return await self.start_file(self.script(body), **changes)

    async def start_file(self, path: Path, **changes: Any) -> Child:
        """Start a script that is there."""
        child = await self.spawner.start(self.order(str(path), **changes))
        assert not isinstance(child, NotStarted), child.why
        return child

    async def run(self, body: str, **changes: Any) -> Ended:
        """Run a bash script to its end."""
        return await (await self.start(body, **changes)).wait()

    async def refused(self, *argv: str, **changes: Any) -> NotStarted:
        """The reason why ``argv`` cannot be started."""
        answer = await self.spawner.start(self.order(*argv, **changes))
        assert isinstance(answer, NotStarted)
        return answer

    def fifo(self, name: str) -> Path:
        """A FIFO in the folder: opening it for reading waits for the script to write."""
        path = self.folder / name
        os.mkfifo(path)
        return path

    def text(self, *paths: str) -> str:
        """What the files hold, one after the other."""
        return "".join(Path(path).read_text() for path in paths)

    def program(self, content: bytes, name: str = "program") -> Path:
        """An executable file with this content."""
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o755)
        return path

    def left(self) -> list[Row]:
        """Processes that bear this test's marker."""
        return LostAttempt(machine_table(), self.marker, None, None).survivors()

    def with_kernel(self, **changes: Any) -> None:
        """Use a spawner whose system differs."""
        patience_ms = changes.pop("patience_ms", 5_000)
        self.spawner = RealSpawner(StillClock(), kernel=Kernel(**changes), patience_ms=patience_ms)


@contextmanager
def powerless() -> Iterator[None]:
    """Root becomes somebody who may not signal root's processes (credentials(7), kill(2))."""
    nobody = 65534
    os.setresuid(nobody, nobody, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def until(condition: Callable[[], bool]) -> asyncio.Future[None]:
    """Done when the condition holds; it is looked at once a turn of the loop."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def look() -> None:
        if done.cancelled():
            return
        if condition():
            done.set_result(None)
        else:
            loop.call_soon(look)

    look()
    return done


def await_end(pid: int) -> None:
    """Return when our child ``pid`` has ended. It stays unreaped, and the loop knows nothing."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def await_stop(pid: int) -> None:
    """Return when our child ``pid`` was stopped (SIGSTOP)."""
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)


async def heard(fifo: Path) -> str:
    """What the script writes to ``fifo``, once it has."""
    return (await aside(fifo.read_text, 20_000)).strip()


async def tell(fifo: Path) -> None:
    """Let the script that reads a line from ``fifo`` go on."""
    await aside(lambda: fifo.write_text("go\n"), 20_000)


def fields(test: str, folder: Path) -> Iterator[Field]:
    """A field whose processes end with the test."""
    field = Field(folder, f"test-{os.getpid()}-{test}-{time.monotonic_ns()}")
    yield field
    for row in field.left():
        with suppress(ProcessLookupError):
            os.kill(row.pid, signal.SIGKILL)
