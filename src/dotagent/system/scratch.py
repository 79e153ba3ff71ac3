"""The folder of an attempt: private, and swept once nobody needs it any more.

In it lie ``$AGENT_TMPDIR``, fresh and empty at the start, the file behind ``$AGENT_RESULT``, and
where plugins are told of the attempt the whole of its output. Invariants: the folder's name begins
with the home's id and holds the attempt's marker, so that the next holder finds what a dead one
left, and nobody else's; nothing that happens to one attempt's folder looks through all that others
keep in the shared place.
"""

from __future__ import annotations

import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """The folder of one attempt, and what lies in it."""

    folder: str

    @property
    def tmp(self) -> str:
        """``$AGENT_TMPDIR``."""
        return os.path.join(self.folder, "tmp")

    @property
    def result(self) -> str:
        """``$AGENT_RESULT``."""
        return os.path.join(self.folder, "result")

    @property
    def output(self) -> str:
        """All that it printed on stdout."""
        return os.path.join(self.folder, "stdout")


def make(marker: str) -> Scratch:
    """A new folder, 0700. OSError where there is no room."""
    made = Scratch(folder=_new(marker))
    os.mkdir(made.tmp, 0o700)
    return made


def _new(marker: str) -> str:
    """By the plain name, which whoever looks for it later knows. Of that name there is at most what
    another time left, if a home's database was set back, or what somebody else has put there."""
    folder = _plain(marker)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if not _is_ours(folder):
            return tempfile.mkdtemp(prefix=_prefix(marker))
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder, 0o700)
    return folder


def of(marker: str) -> Scratch | None:
    """The folder of an attempt, if it is still there."""
    found = _folder(marker)
    return Scratch(folder=found) if found is not None else None


def remove(marker: str) -> None:
    """Remove it as far as possible: what an agent made unremovable is not worth a failure."""
    folder = _folder(marker)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(home_id: str, keep: Iterable[str] = ()) -> None:
    """Remove what dead holders of the home left, but for the folders of the markers in ``keep``."""
    kept = {_folder(marker) for marker in keep}
    for folder in _all(home_id):
        if folder not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _folder(marker: str) -> str | None:
    """The folder of one attempt."""
    plain = _plain(marker)
    return plain if _is_ours(plain) else next(iter(_all(marker)), None)


def _plain(marker: str) -> str:
    return os.path.join(tempfile.gettempdir(), f"{_prefix(marker)}0")


def _all(beginning: str) -> list[str]:
    """Ours alone: anybody may put something of that name, or a link, into a shared folder."""
    pattern = os.path.join(glob.escape(tempfile.gettempdir()), f"{_prefix(beginning)}*")
    return [folder for folder in sorted(glob.glob(pattern)) if _is_ours(folder)]


def _is_ours(folder: str) -> bool:
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _prefix(marker: str) -> str:
    return f"dotagent-{marker}-"
