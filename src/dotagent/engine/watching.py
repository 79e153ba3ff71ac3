"""Notices of the kernel become “look again”; where there are none, a look from time to time.

A save is often several notices, and an editor's file may be half there: the look waits until
nothing has changed for a moment, but not for long where something changes all the time.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from dotagent.engine.surroundings import Surroundings
from dotagent.system import secrets
from dotagent.system.discovery import MANIFEST
from dotagent.system.paths import Paths
from dotagent.system.watch import Watch

QUIET_S = 0.25
MOST_S = 2.0
"""So long after the first notice there is a look, however many follow."""
MOST_STEPS = 40
"""As many links in a row as Linux follows (path_resolution(7))."""
RESCAN_S = 60.0
"""Where the kernel does not tell: short enough for a person who waits, long enough to be idle."""


class Watching:
    """Follows the home and the roots of ``surroundings`` while a daemon runs, and the files
    ``also``."""

    def __init__(
        self,
        paths: Paths,
        surroundings: Surroundings,
        poke: Callable[[], None],
        also: Sequence[str] = (),
    ) -> None:
        self._paths = paths
        self._also = also
        self._surroundings = surroundings
        self._poke = poke
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due_s: float | None = None
        self._watch: Watch | None = None

    def begin(self) -> None:
        """Follow from the next look on."""
        try:
            self._watch = Watch()
        except OSError:
            self._again(RESCAN_S)
            return
        self._loop.add_reader(self._watch.fileno(), self._noticed)
        self._surroundings.before_look = self._follow

    def _noticed(self) -> None:
        assert self._watch is not None
        if self._watch.drain():
            now_s = self._loop.time()
            if self._due_s is None:
                self._due_s = now_s + MOST_S
            self._again(min(QUIET_S, max(self._due_s - now_s, 0)))

    def _again(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = self._due_s = None
        self._surroundings.files_changed()
        self._poke()
        if self._watch is None:
            self._again(RESCAN_S)

    def _follow(self) -> None:
        """Before each look, in its thread: the folders that matter now."""
        assert self._watch is not None
        around = self._surroundings
        secrets_file = secrets.located(self._paths, around.config.secrets_file or "", around.env)
        files = [self._paths.config, self._paths.secrets, secrets_file, *self._also]
        folders = set()
        for root in around.roots:
            children = _children(root)
            folders |= {os.path.dirname(root), root, *children}
            files += [os.path.join(child, MANIFEST) for child in children]
        # What is a link is changed where it leads to, at each step of the way.
        files += [step for file in files for step in _steps(file)]
        folders |= {os.path.dirname(file) for file in files}
        names = {MANIFEST, *map(os.path.basename, files)}
        refused = self._watch.follow(folders, names, around.roots)
        if refused:
            self._loop.call_soon_threadsafe(self._rescan)

    def _rescan(self) -> None:
        if self._timer is None:
            self._again(RESCAN_S)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None:
            self._loop.remove_reader(self._watch.fileno())
            self._watch.close()


def _steps(path: str) -> list[str]:
    """The files that a link leads to, one after the other."""
    steps: list[str] = []
    with suppress(OSError):
        while len(steps) < MOST_STEPS:
            path = os.path.join(os.path.dirname(path), os.readlink(path))
            steps.append(path)
    return steps


def _children(root: str) -> set[str]:
    try:
        with os.scandir(root) as entries:
            return {entry.path for entry in entries if entry.is_dir()}
    except OSError:
        return set()
