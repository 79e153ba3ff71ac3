"""The manifests in force: each read from its last good copy when it is first needed.

What runs is always the good copy, never the file that a person may be editing: its hash is the one
the store adopted, so that the record attests what was really executed. Invariant: a manifest
handed out was parsed from bytes with exactly that hash.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping

from dotagent.core.errors import DotagentError
from dotagent.core.manifest import Manifest, read_manifest
from dotagent.system import goodcopy
from dotagent.system.paths import Paths

KEPT = 2_048
"""Parsed manifests kept in memory, 2 to 10 kB each; ten thousand agents must not stay there all at
once."""

Drivers = Callable[[], Mapping[str, type | None]]


class Gone(DotagentError):
    """The good copy is not there, or is not the one that was adopted."""


class Catalogue:
    """Parsed good copies by agent, the least recently used forgotten first."""

    def __init__(self, paths: Paths, drivers: Drivers) -> None:
        self._paths = paths
        self._drivers = drivers
        self._kept: OrderedDict[tuple[str, str], Manifest] = OrderedDict()

    def manifest(self, agent: str, sha256: str) -> Manifest:
        """The adopted manifest of ``agent``. Raises ``Gone``."""
        key = (agent, sha256)
        found = self._kept.get(key)
        if found is None:
            path = self._paths.good_manifest(agent)
            found = parse(path, accepted(path, sha256), self._drivers())
            self._kept[key] = found
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return found


def accepted(path: str, sha256: str) -> bytes:
    """What is in ``path``, which must be exactly the bytes that were accepted. Raises ``Gone``."""
    for data in goodcopy.both(path):
        if hashlib.sha256(data).hexdigest() == sha256:
            return data
    raise Gone(
        f"the accepted copy of the manifest, {path}, is missing or has been changed",
        "Save the agent's agent.toml again; dotagent then reads it anew.",
    )


def parse(path: str, data: bytes, drivers: Mapping[str, type | None]) -> Manifest:
    """The manifest in ``data``, which was accepted as ``path``. Raises ``Gone``."""
    manifest, _ = read_manifest(data, drivers)
    if manifest is None:
        raise Gone(
            f"the accepted copy of the manifest, {os.path.basename(path)}, is not valid for this"
            " version of dotagent",
            "See: dotagent doctor",
        )
    return manifest
