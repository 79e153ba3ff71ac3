"""The temporary folder of an attempt: ``$AGENT_TMPDIR``, fresh, private, and swept after a crash.

Invariant: the folder's name begins with the home's id and holds the attempt's marker, so that the
next holder finds what a dead one left, and nobody else's.
"""

from __future__ import annotations

import glob
import os
import shutil
import tempfile


def make(marker: str) -> str:
    """A new folder, 0700. OSError where there is no room."""
    return tempfile.mkdtemp(prefix=_prefix(marker))


def remove(folder: str) -> None:
    """Remove it as far as possible: what an agent made unremovable is not worth a failure."""
    shutil.rmtree(folder, ignore_errors=True)


def sweep(home_id: str) -> None:
    """Remove what dead holders of the home left."""
    pattern = os.path.join(glob.escape(tempfile.gettempdir()), f"{_prefix(home_id)}*")
    for folder in glob.glob(pattern):
        remove(folder)


def _prefix(marker: str) -> str:
    return f"dotagent-{marker}-"
