"""Which agent a person means by a name: one of the home, or one that lies in ``./agents`` only.

The manifest is checked before anything is asked for, as it lies there now: whoever tries an agent
wants to hear what is wrong with it, and not to see its last good copy run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dotagent import app
from dotagent.core.errors import NotFound, UsageError
from dotagent.core.model import Problem
from dotagent.core.problems import explain, nearest, quoted
from dotagent.steps.discover import Sight, survey
from dotagent.store import look
from dotagent.store.reading import Reader, connect_reader
from dotagent.system import discovery, lock
from dotagent.system.paths import Paths


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An agent. ``args``: what a request for it carries; ``remarks``: what its person should know
    of its manifest although it can be run."""

    args: Mapping[str, str]
    remarks: Sequence[str] = field(default=())


def find(paths: Paths, env: Mapping[str, str], name: str, *, last_good: bool) -> Found:
    """The agent ``name``. ``last_good``: its last good copy will do where the file is not right.
    Raises ``NotFound``, and ``UsageError`` with all that is wrong with its manifest."""
    ours = app.roots_of(paths, env)
    here = discovery.roots(env, paths.agents, os.getcwd())
    reader = connect_reader(paths.database)
    try:
        sights = survey(reader, app.drivers, tuple(dict.fromkeys((*ours, *here))), None).sights
        running = look.running(reader)
        sight = _meant(sights, name)
        if sight is None:
            if name in running:  # its root has vanished: its good copy is still there
                return Found(args={"agent": name})
            raise _nobody(name, [*running, *(each.row.agent or "" for each in sights)])
        is_home = sight.row.root in _roots_of_the_home(paths, reader, ours)
        fatal, remarks = _told(sight)
        if fatal and not (last_good and is_home and name in running):
            raise UsageError("\n".join(fatal), "Nothing was run.")
        if is_home or name in running:
            old = ["its last good copy runs"] if fatal else []
            return Found(args={"agent": name}, remarks=[*fatal, *old, *remarks])
    finally:
        reader.close()
    where = {"path": sight.row.path, "sha256": sight.row.sha256}
    return Found(args={"agent": name, **where}, remarks=remarks)


def _roots_of_the_home(paths: Paths, reader: Reader, ours: Iterable[str]) -> set[str]:
    """The roots that whoever acts looks into: the holder's; ours, if we are about to hold."""
    known = set(look.root_devices(reader))
    return known if lock.peek(paths.lock) is not None else known | set(ours)


def _meant(sights: Sequence[Sight], name: str) -> Sight | None:
    """The file that has the name, else a file that never was right in a folder of that name."""
    for sight in sights:
        if sight.row.agent == name and sight.row.shadowed_by is None:
            return sight
    for sight in sights:
        folder = os.path.basename(os.path.dirname(sight.row.path))
        if sight.row.agent is None and folder == name:
            return sight
    return None


def _told(sight: Sight) -> tuple[list[str], list[str]]:
    """What makes the manifest unusable, and what is merely worth a word."""
    problems = [Problem(**each) for each in json.loads(sight.row.problems)]
    fatal = [explain(each, sight.row.path) for each in problems if each.fatal]
    return fatal, [explain(each, sight.row.path) for each in problems if not each.fatal]


def _nobody(name: str, names: Iterable[str]) -> NotFound:
    known = sorted(set(names) - {""})
    near = nearest(name, known)
    hint = "See all of them: dotagent status"
    if near is not None:
        hint = f"Did you mean {quoted(near)}?"
    elif not known:
        hint = "There are no agents yet. Make one: dotagent init NAME"
    return NotFound(f"there is no agent {quoted(name)}", hint)
