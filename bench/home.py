"""A scratch home with real manifests, held as the daemon holds it; whoever measures drives it."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from dotagent import app
from dotagent.core.decide import Codes, judge
from dotagent.core.model import AttemptKind, Ended, Exited, Tail
from dotagent.engine.embedded import Engine
from dotagent.store import attempts, look
from dotagent.store.database import Tx
from dotagent.store.outbox import Claim
from dotagent.store.settle_attempt import settle

MANIFEST = """\
[agent]
name = "{name}"
[run]
command = "false"
[[schedules]]
id = "nightly"
cron = "0 3 * * *"
"""
WEBHOOK = """\
[[notifiers]]
driver = "webhook"
url = "{url}"
events = ["attempt_failed"]
"""
QUIET = """\
[agent]
name = "{name}"
[run]
command = "date"
args = ["+%s%N"]
[[schedules]]
id = "s"
cron = "0 3 29 2 *"
"""
"""An agent that is due in no benchmark by itself, and says when it began."""
SENDS_AT_ONCE = 256
RUN_AT_ONCE = 100

_SCRATCH: list[tempfile.TemporaryDirectory[str]] = []
"""Removed at the end of the process."""


def write(
    home: Path, names: Iterable[str], urls: Iterable[str], *, manifest: str = MANIFEST
) -> None:
    """One agent a name, each with a webhook for every url."""
    home.mkdir(mode=0o700, exist_ok=True)
    notifiers = "".join(WEBHOOK.format(url=url) for url in urls)
    for name in names:
        folder = home / "agents" / name
        folder.mkdir(parents=True)
        (folder / "agent.toml").write_text(manifest.replace("{name}", name) + notifiers)


@cache
def prepared(agents: int) -> Path:
    """A home with so many quiet agents, which has read them all: made once, for each measurement
    that needs it."""
    _SCRATCH.append(tempfile.TemporaryDirectory(prefix="bench-"))
    folder = Path(_SCRATCH[-1].name) / "home"
    write(folder, names(agents), [], manifest=QUIET)
    (folder / "config.toml").write_text(f"[daemon]\nmax_running = {RUN_AT_ONCE}\n")

    async def read() -> None:
        async with held(folder, agents):
            pass

    asyncio.run(read())
    return folder


def names(agents: int) -> list[str]:
    return [f"a{number}" for number in range(agents)]


def plugin(home: Path, name: str, text: str) -> None:
    """A plugin of the home's own; ``{python}`` in ``text`` is this interpreter."""
    folder = home / "plugins"
    folder.mkdir(mode=0o700, exist_ok=True)
    program = folder / f"dotagent-plugin-{name}"
    program.write_text(text.format(python=sys.executable))
    program.chmod(0o700)


@asynccontextmanager
async def held(home: Path, agents: int) -> AsyncIterator[Engine]:
    """The home's engine, which has read all its ``agents`` and does not run by itself."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "DOTAGENT_HOME": str(home)}
    paths = app.paths_of(env)
    app.prepare_store(paths)
    async with app.holding(paths, env, app.Purpose(role="bench", plan=True)) as engine:
        await engine.reload()
        # It goes on in a thread of its own, so that nothing waits for thousands of new manifests.
        while len(look.running(engine.parts.reader)) < agents:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        yield engine


async def begin(engine: Engine, name: str) -> int:
    """Claim an attempt of the agent, as a person's run does; its id. Its manifest is read, as it is
    for whatever really runs."""
    parts = engine.parts
    row = look.agent(parts.reader, name)
    assert row is not None
    engine.catalogue.manifest(name, row["sha256"])

    def claim(tx: Tx) -> int:
        run = attempts.claim_asked(
            tx,
            parts.actor,
            parts.clock.now(),
            agent=name,
            schedule_id="nightly",
            kind=AttemptKind.MANUAL,
            sha256=row["sha256"],
            request_id=0,
        )
        assert run is not None
        return run.attempt_id

    return await parts.store.write(claim)


def ending(engine: Engine, attempt_id: int, room: int) -> Callable[[Tx], list[Claim]]:
    """The settling transaction of a failed attempt: the very one that the daemon commits."""
    parts = engine.parts
    ended = Ended(
        exit=Exited(code=1),
        ended_at=parts.clock.now(),
        stderr=Tail(text="No space left on device"),
    )
    judgement = judge(ended.exit, Codes())
    return lambda tx: list(settle(tx, parts.actor, attempt_id, judgement, ended, room=room))


async def fail_all(engine: Engine, names: Sequence[str]) -> None:
    """An attempt of each agent fails and is committed; nothing of it is sent yet."""
    ids = await asyncio.gather(*(begin(engine, name) for name in names))
    ops = [ending(engine, attempt_id, room=0) for attempt_id in ids]
    await asyncio.gather(*(engine.parts.commit(op) for op in ops))
