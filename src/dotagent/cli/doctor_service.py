"""Whether the service manager still runs this home's daemon as ``install`` would set it up now.

Looks at files alone and asks no manager. Untested on macOS hardware.
"""

from __future__ import annotations

import getpass
import os
import plistlib
import shlex
from collections.abc import Iterator, Mapping, Sequence

from dotagent.cli.service_file import service_of, text_of
from dotagent.core.config import Config
from dotagent.core.model import Problem
from dotagent.system import files, service
from dotagent.system.paths import Paths
from dotagent.system.service import Launchd, Manager

AGAIN = "dotagent install"
MAX_BYTES = 64 * 1024


def check_service(
    manager: Manager | None, paths: Paths, kept: Mapping[str, str] | None, config: Config
) -> Iterator[Problem]:
    """``kept``: the captured environment. Nothing is said where nothing was installed."""
    try:
        data = None if manager is None else files.read_if_there(manager.path, MAX_BYTES)
    except OSError as error:
        assert manager is not None
        yield _problem(manager, f"cannot be read: {error.strerror}", fatal=True)
        return
    if manager is None or data is None:
        return
    if f"{paths.home}".encode() not in data.replace(b"%%", b"%"):
        yield _problem(manager, f"it runs the daemon of another home, not of {paths.home}", None)
        return
    program = _program(manager, data)
    if program and not os.access(program[0], os.X_OK):
        yield _problem(manager, f"it starts {program[0]}, which is not there any more", fatal=True)
    elif kept is None:
        yield _problem(manager, "the environment for agents was never captured, or is lost")
    elif data != text_of(manager, service_of(paths, kept, config.daemon.stop_grace_ms)):
        yield _problem(manager, "it is not what this dotagent would write now")


def unheard(manager: Manager | None, config: Config, user: str | None = None) -> Iterator[str]:
    """What an installed daemon's own silence could still hide, as notes."""
    if manager is None or not os.path.exists(manager.path):
        return
    user = getpass.getuser() if user is None else user
    if not isinstance(manager, Launchd) and not service.lingers(user):
        yield (
            "The daemon ends when you log out. If it should not:"
            f" loginctl enable-linger {shlex.quote(user)}"
        )
    if config.deadman is None:
        yield (
            "If this machine itself dies, nobody is told. Let a watcher outside miss its ping:"
            ' [deadman] url = "https://…" in config.toml'
        )


def _problem(
    manager: Manager, message: str, hint: str | None = AGAIN, *, fatal: bool = False
) -> Problem:
    return Problem(path="", file=manager.path, message=message, hint=hint, fatal=fatal)


def _program(manager: Manager, data: bytes) -> Sequence[str]:
    """The command that the file starts; empty where it names none."""
    if isinstance(manager, Launchd):
        try:
            return [str(word) for word in plistlib.loads(data)["ProgramArguments"]]
        except (ValueError, KeyError, TypeError, plistlib.InvalidFileException):
            return ()
    for line in os.fsdecode(data).splitlines():
        if line.startswith("ExecStart="):
            words = line.removeprefix("ExecStart=").replace("%%", "%")
            try:
                return shlex.split(words)
            except ValueError:
                return ()
    return ()
