"""A run that a person asked for, as they see it: notes, output, how it ended, what to do about it.

Shared by ``run`` and ``run-now``. Invariant: the copies of the output that the supervisor makes for
a person who watches are removed by whoever watched; what a killed command left is swept later.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from shutil import which

from dotagent import app
from dotagent.cli.acting import Done
from dotagent.cli.screen import Screen
from dotagent.core import exits
from dotagent.core.decide import GOOD, Verdict
from dotagent.core.duration import human
from dotagent.core.errors import DotagentError, HomeError
from dotagent.core.manifest import Manifest
from dotagent.core.model import Blocked, Exited, NotStarted, TimedOut
from dotagent.core.shell import word
from dotagent.engine.asked import tee_paths
from dotagent.steps.catalogue import Catalogue
from dotagent.store import attempt_view, names, requests
from dotagent.store.attempt_view import Ended
from dotagent.store.reading import Reader, connect_reader, record
from dotagent.store.requests import Request
from dotagent.system import environment, shellenv
from dotagent.system.paths import Paths
from dotagent.system.waiting import now

NOT_FOUND = 127
LEFT_MS = 60_000
"""A copy that nobody has written to for so long, of a run that is over, was left behind."""


class Live:
    """Follows a request: shows its notes, and its output where ``tee`` asks for it."""

    def __init__(self, paths: Paths, screen: Screen, *, tee: bool) -> None:
        self.screen = screen
        self._paths = paths
        self._tee = tee
        self._is_followed = False
        self._note = ""

    def watch(self, reader: Reader, request: Request) -> None:
        """Look at how it stands; called again and again, never waits."""
        if self._tee and not self._is_followed:
            self._is_followed = True
            self.screen.follow(tee_paths(self._paths.requests, request.id))
        if request.note != self._note:
            self._note = request.note
            self.screen.note(request.note)


def sweep(paths: Paths) -> None:
    """Remove copies of output that nobody follows any more, and environments that nobody took."""
    shellenv.sweep(paths.requests, now())
    copies = {
        name: int(number)
        for name in os.listdir(paths.requests)
        if (number := name.split(".")[0]).isdecimal()
    }
    if not copies:
        return
    reader = connect_reader(paths.database)
    try:
        unfinished = requests.unfinished(reader)
    finally:
        reader.close()
    for name, request_id in copies.items():
        path = os.path.join(paths.requests, name)
        with suppress(FileNotFoundError):
            is_old = os.stat(path).st_mtime_ns // 1_000_000 < now() - LEFT_MS
            if is_old and request_id not in unfinished:
                os.unlink(path)


def lend(paths: Paths, env: Mapping[str, str]) -> str:
    """This shell's environment for the run that is asked for: the name it goes by."""
    try:
        return shellenv.lend(paths.requests, env)
    except OSError as error:
        why = f"this shell's environment cannot be handed over: {error.strerror}"
        raise HomeError(why) from error


def take_back(paths: Paths, asked: Mapping[str, object]) -> None:
    """Whatever became of the run, the environment does not stay there."""
    if asked.get("shell_env") is not None:
        shellenv.take_back(paths.requests, asked["shell_env"])


def ended(paths: Paths, done: Done) -> Ended:
    """The attempt that a request brought about."""
    reader = connect_reader(paths.database)
    try:
        return attempt_view.ended(reader, done.answer["attempt"])
    finally:
        reader.close()


def status(attempt: Ended) -> int:
    """What the command exits with (product §9): 0 if the agent succeeded, else its own code."""
    if attempt.verdict in GOOD:
        return 0
    if attempt.verdict is Verdict.SKIPPED:
        return exits.BLOCKED_STATUS
    return exits.status(attempt.exit)


def sentence(attempt: Ended) -> str:
    """``ok, took 4.2 s``, ``exit 1 after 4.2 s``, ``timed out after 30 min``."""
    took = human(attempt.lasted_ms)
    if attempt.verdict is Verdict.SUCCEEDED:
        return f"ok, took {took}"
    if attempt.verdict is Verdict.WARNED:
        return f"ok: {attempt.words}, took {took}"
    suggest = attempt.exit.suggest if isinstance(attempt.exit, Blocked) else None
    if suggest:
        return f"{attempt.words} ({suggest})"
    is_timed = isinstance(attempt.exit, TimedOut | Blocked | NotStarted)
    return attempt.words if is_timed else f"{attempt.words} after {took}"


def following(paths: Paths, agent: str) -> str:
    """What to do once an agent works: see that somebody would hear of it."""
    with record(paths.database) as reader:
        told = reader is not None and names.tells(reader, agent)
    return f"dotagent notify test {word(agent)}" if told else "dotagent connect"


# ------------------------------------------------------------------------------ exit 127, explained


def advice(paths: Paths, env: Mapping[str, str], attempt: Ended, *, by_us: bool) -> str | None:
    """What mends a command that was not found; None if that was not the matter. ``by_us``: the run
    had this process's environment, unless another one was captured."""
    with suppress(DotagentError):
        sha256 = attempt.manifest_sha256
        manifest = Catalogue(paths, app.drivers).manifest(attempt.agent, sha256)
        if isinstance(attempt.exit, NotStarted) and attempt.exit.code == NOT_FOUND:
            return _not_started(manifest, env)
        if isinstance(attempt.exit, Exited) and attempt.exit.code == NOT_FOUND:
            return _inside(manifest, env, _path(paths, env, manifest, by_us=by_us))
    return None


def _not_started(manifest: Manifest, env: Mapping[str, str]) -> str | None:
    command = manifest.run.command
    found = which(command, path=env.get("PATH")) if "/" not in command else None
    if found is None:
        return None
    return (
        f"your shell finds it: write command = {json.dumps(found)} in agent.toml, or give the agent"
        f' a PATH that has {os.path.dirname(found)}: [env] extra = {{ PATH = "…" }}'
    )


def _path(paths: Paths, env: Mapping[str, str], manifest: Manifest, *, by_us: bool) -> str | None:
    """The PATH that the run had, where we can know it."""
    if "PATH" in manifest.env.extra:
        return manifest.env.extra["PATH"]
    if not manifest.env.inherit:
        return os.defpath
    captured = environment.read(paths.environment)
    if captured is not None:
        return captured.get("PATH")
    return env.get("PATH") if by_us else None


def _inside(manifest: Manifest, env: Mapping[str, str], path: str | None) -> str:
    known = path if path is not None else "the daemon's"
    text = f"127 usually means that a command inside the script was not found; its PATH is {known}"
    ours = env.get("PATH", "").split(os.pathsep)
    more = [folder for folder in ours if path is not None and folder not in path.split(os.pathsep)]
    if more:
        text = f"{text}, your shell's also has {os.pathsep.join(more)}"
    return f'{text}. Give the agent a PATH of its own: [env] extra = {{ PATH = "…" }}'
