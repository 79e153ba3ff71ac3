"""Notices of the kernel become “look again”; where there are none, a look from time to time.

A save is often several notices, and an editor's file may be half there: the look waits until
nothing has changed for a moment.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from dotagent.engine.surroundings import Surroundings
from dotagent.system.discovery import MANIFEST
from dotagent.system.paths import Paths
from dotagent.system.watch import Watch

QUIET_S = 0.25
RESCAN_S = 60.0
"""Where the kernel does not tell: short enough for a person who waits, long enough to be idle."""


class Watching:
    """Follows the home and the roots of ``surroundings`` while a daemon runs."""

    def __init__(self, paths: Paths, surroundings: Surroundings, poke: Callable[[], None]) -> None:
        self._paths = paths
        self._surroundings = surroundings
        self._poke = poke
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._watch: Watch | None = None

    def begin(self) -> None:
        """Follow from the next look on."""
        paths = self._paths
        names = (MANIFEST, os.path.basename(paths.config), os.path.basename(paths.secrets))
        try:
            self._watch = Watch(names)
        except OSError:
            self._again(RESCAN_S)
            return
        self._loop.add_reader(self._watch.fileno(), self._noticed)
        self._surroundings.before_look = self._follow

    def _noticed(self) -> None:
        assert self._watch is not None
        if self._watch.drain():
            self._again(QUIET_S)

    def _again(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        self._surroundings.files_changed()
        self._poke()
        if self._watch is None:
            self._again(RESCAN_S)

    def _follow(self) -> None:
        """Before each look: the folders that matter now."""
        assert self._watch is not None
        folders = {self._paths.home}
        for root in self._surroundings.roots:
            folders |= {os.path.dirname(root), root}
            folders |= _children(root)
        refused = self._watch.follow(folders)
        if refused and self._timer is None:
            self._again(RESCAN_S)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None:
            self._loop.remove_reader(self._watch.fileno())
            self._watch.close()


def _children(root: str) -> set[str]:
    try:
        with os.scandir(root) as entries:
            return {entry.path for entry in entries if entry.is_dir()}
    except OSError:
        return set()
