"""A person's own environment on its way to whoever runs the agent (``--shell-env``).

It may hold secrets, so it goes through a private file that is read once, and never through the
store: the request has only the file's name. Invariant: a name can only mean a file of this kind.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress

from dotagent.core.errors import UsageError
from dotagent.system import environment

_NAME = re.compile(r"shell-[0-9a-f]{32}\.env")
LEFT_MS = 3_600_000
"""What is older was left behind by a command that was killed."""


def lend(folder: str, env: Mapping[str, str]) -> str:
    """Write it down; the name to ask with. OSError if it cannot be written."""
    name = f"shell-{os.urandom(16).hex()}.env"
    environment.write(os.path.join(folder, name), env)
    return name


def read(folder: str, name: object) -> Mapping[str, str]:
    """The environment behind a name. Raises ``UsageError`` where there is none, ``HomeError``."""
    found = environment.read(_path(folder, name))
    if found is None:
        raise UsageError("the shell's environment that this run needs is gone", "Ask again.")
    return found


def take_back(folder: str, name: object) -> None:
    """Remove it: it was read, or is not wanted any more."""
    with suppress(OSError):
        os.unlink(_path(folder, name))


def sweep(folder: str, now: int) -> None:
    """Remove what killed commands left."""
    for name in os.listdir(folder):
        if _NAME.fullmatch(name):
            with suppress(OSError):
                if os.stat(os.path.join(folder, name)).st_mtime * 1_000 < now - LEFT_MS:
                    os.unlink(os.path.join(folder, name))


def _path(folder: str, name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError("that is no name of a shell's environment")
    return os.path.join(folder, name)
