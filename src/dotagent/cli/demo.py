"""``dotagent demo``: the whole line at work in a scratch home, told as it happens.

Everything is real (a daemon in a process of its own, scripts, schedules, HTTP) but for Slack, whose
part a local receiver plays. Invariants: exit 0 only if every promise was seen to be kept; however
it ends, no process and, without ``--keep``, no file is left.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress

import click

from dotagent.cli import acting
from dotagent.cli.demo_receiver import Received, Receiver
from dotagent.cli.demo_scene import ACTORS, Actor, build, environment
from dotagent.cli.demo_telling import Telling
from dotagent.cli.layout import page_for
from dotagent.core.errors import DotagentError
from dotagent.core.render import line_of
from dotagent.store import story
from dotagent.store.reading import Reader, record
from dotagent.store.story import Follower
from dotagent.supervisor.companion import Companion
from dotagent.supervisor.spawner import RealSpawner
from dotagent.supervisor.speak import speak
from dotagent.system import files
from dotagent.system.clock import SystemClock
from dotagent.system.paths import Paths
from dotagent.system.signals import Signals
from dotagent.system.zone import machine_zone

REFUSALS = 1
PATIENCE_S = 40.0
"""Far more than it takes; a machine that is slower than this has other worries."""
LOOK_S = 0.05
GOODBYE_MS = 8_000
EVIDENCE = (("why", "report"), ("inbox",), ("audit", "verify"))
EVIDENCE_MS = 20_000
OUTPUT_BYTES = 4_000


@click.command("demo")
@click.option("--keep", is_flag=True, help="Keep the scratch home, to look around in it.")
def command(keep: bool) -> int:
    """Watch the whole line work: three small agents, a daemon and a local stand-in for Slack.

    Takes about ten seconds, needs no account and no network, and leaves nothing behind.

    \b
    Example:
      dotagent demo
    """
    signals = Signals().listen()
    with suppress(asyncio.CancelledError):
        return asyncio.run(_play(keep, signals))
    name = signals.stop
    assert name is not None
    click.echo(f"dotagent: the demo was ended by {name}; nothing is left of it", err=True)
    return 128 + signal.Signals[name]


async def _play(keep: bool, signals: Signals) -> int:
    """The whole demo. A signal cancels it; what is to be tidied up is tidied up all the same."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    told: list[str] = []

    def hear(name: str) -> None:
        if not told:
            loop.call_soon_threadsafe(task.cancel)
        told.append(name)

    with signals.told_to(hear):
        home = tempfile.mkdtemp(prefix="dotagent-demo-")
        finished = False
        try:
            status = await _Demo(home, acting.environment(), keep=keep).run()
            finished = True
            return status
        finally:
            if not (keep and finished):
                shutil.rmtree(home, ignore_errors=True)


class _Demo:
    def __init__(self, home: str, callers: Mapping[str, str], *, keep: bool) -> None:
        self._home = home
        self._keep = keep
        self._env = environment(home, callers)
        self._database = Paths(home).database
        self._output = os.path.join(home, "daemon.out")
        self._zone = machine_zone(self._env)
        self._page = page_for(sys.stdout, callers)
        self._tell = Telling(self._page, self._zone)
        self._follower = Follower()

    async def run(self) -> int:
        """Play it; the exit status."""
        self._tell.prologue(self._home, ACTORS)
        async with Receiver(REFUSALS, self._heard) as slack:
            build(self._home, slack.url)
            daemon = Companion(_dotagent("daemon"), self._env, self._output, cwd=self._home)
            try:
                self._tell.daemon_started(daemon.pid)
                unkept = await self._follow(daemon, slack)
                shown = [] if unkept else [await self._ask(command) for command in EVIDENCE]
            finally:
                if await asyncio.to_thread(daemon.end, GOODBYE_MS) != 0:
                    await self._end_agents()
        unkept += [f"dotagent {' '.join(command)}: {said}" for command, said, ok in shown if not ok]
        if unkept:
            said = files.read_if_there(self._output, OUTPUT_BYTES) or b""
            self._tell.failed(unkept, said.decode(errors="replace"))
            return 1
        self._tell.evidence([(command, said) for command, said, _ in shown])
        self._tell.epilogue(self._home if self._keep else None, len(slack.accepted))
        return 0

    async def _end_agents(self) -> None:
        """A daemon that died has left behind what it ran."""
        with suppress(DotagentError), record(self._database) as reader:
            left = story.unfinished(reader) if reader is not None else []
            spawner = RealSpawner(SystemClock())
            for marker, pid, started_ticks in left:
                await spawner.reap(marker, pid, started_ticks)

    # ------------------------------------------------------------------------------- as it happens

    async def _follow(self, daemon: Companion, slack: Receiver) -> list[str]:
        """Tell what happens until every promise is kept, or for as long as one can wait; what was
        not kept by then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while daemon.status() is None:
                    self._catch_up()
                    if not self._unkept(slack):
                        return []
                    slack.news.clear()
                    # Not wait_for: it loses a signal's cancellation that comes with the news.
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_S):
                            await slack.news.wait()
        return self._unkept(slack)

    def _heard(self, received: Received) -> None:
        self._catch_up()  # what led to the message comes before it
        self._tell.received(received)

    def _catch_up(self) -> None:
        """Tell what the home has recorded since the last look."""
        with suppress(DotagentError), record(self._database) as reader:  # it may just be being made
            for news in self._follower.news(reader) if reader is not None else ():
                self._tell.news(news)

    # --------------------------------------------------------------------------- what was promised

    def _unkept(self, slack: Receiver) -> list[str]:
        """What was promised and has not been seen yet."""
        lines = [received.headline for received in slack.accepted]
        found: list[str | None] = ["the daemon did not get to work"]
        with suppress(DotagentError), record(self._database) as reader:
            if reader is not None:
                found = [self._untold(reader, actor, lines) for actor in ACTORS]
        refused = [received for received in slack.requests if received.status == 503]
        again = [received for received in slack.accepted if received.repeats]
        if len(refused) != REFUSALS or len(again) != REFUSALS:
            found.append("what Slack refused with 503 did not arrive later")
        return [text for text in found if text is not None]

    def _untold(self, reader: Reader, actor: Actor, lines: Sequence[str]) -> str | None:
        """What Slack did not hear of this agent, once each and in order; None if all is well."""
        events = story.told(reader, actor.name)[: len(actor.tells)]
        if tuple(event.kind for event in events) != actor.tells:
            return f"{actor.name} did not come to: {', '.join(actor.tells)}"
        wanted = [line_of(event, self._zone) for event in events]
        if wanted != [line for line in lines if line in wanted]:
            return f"Slack did not receive of {actor.name}, in this order: {', '.join(wanted)}"
        return None

    async def _ask(self, command: Sequence[str]) -> tuple[Sequence[str], str, bool]:
        """A command of ours in the scratch home: what it says first, and whether all was well."""
        env = {**self._env, "NO_COLOR": "1", "COLUMNS": str(self._page.width - 4)}
        spoken = await speak(_dotagent(*command), b"", env, EVIDENCE_MS)
        ok = spoken.exit_code == 0
        said = (spoken.stdout if ok else spoken.stderr).decode(errors="replace").rstrip()
        return command, said.partition("\n\n")[0] if ok else said, ok


def _dotagent(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dotagent", *arguments]
