"""The service manager of this machine: where its file of dotagent lies, and asking it to act.

systemd's user manager on Linux, launchd on macOS (untested on hardware). What cannot be asked, in a
container without a manager, say, is an answer, never an exception. Nothing waits longer than
``PATIENCE_S``.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from dotagent.core.unit import LABEL, LAUNCHD_NAME, SYSTEMD_NAME

PATIENCE_S = 100
"""A stop lets runs end (``core/unit.py``), and systemctl waits for it."""
LOG_BYTES = 1024 * 1024
"""So much of what the daemon printed is kept where the manager itself never lets go of anything."""
LINGER = "/var/lib/systemd/linger"
"""One file a user whose services run without a login (loginctl(1), enable-linger)."""

Run = Callable[[Sequence[str]], "Said"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a manager's own program answered."""

    ok: bool
    text: str = ""


def run(argv: Sequence[str]) -> Said:
    """Run a manager's program."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Said(ok=False, text=str(error))
    return Said(ok=done.returncode == 0, text=(done.stderr or done.stdout).strip())


class Systemd:
    """The user's own systemd."""

    name = SYSTEMD_NAME

    def __init__(self, env: Mapping[str, str], ask: Run = run) -> None:
        home = env.get("HOME") or os.path.expanduser("~")
        # Not $XDG_CONFIG_HOME: the manager may not have it, and dotagent 0.1.x never used it.
        self.path = os.path.join(home, ".config/systemd/user", SYSTEMD_NAME)
        self._ask = ask

    starting = (
        ("systemctl", "--user", "daemon-reload"),
        ("systemctl", "--user", "enable", SYSTEMD_NAME),
        ("systemctl", "--user", "restart", SYSTEMD_NAME),
    )
    stopping = (("systemctl", "--user", "disable", "--now", SYSTEMD_NAME),)
    forgetting = (("systemctl", "--user", "daemon-reload"),)

    def reachable(self) -> bool:
        """Whether there is a manager that answers."""
        known = ("running", "degraded", "starting", "maintenance", "stopping")
        said = self._ask(("systemctl", "--user", "is-system-running"))
        return said.ok or said.text in known

    def ask(self, commands: Sequence[Sequence[str]]) -> Said:
        """One command after the other, until one fails."""
        for command in commands:
            said = self._ask(command)
            if not said.ok:
                return Said(ok=False, text=f"{' '.join(command)}: {said.text}")
        return Said(ok=True)


class Launchd:
    """The user's launchd. Written after launchctl(1); untested on hardware."""

    name = LAUNCHD_NAME

    def __init__(self, env: Mapping[str, str], ask: Run = run) -> None:
        home = env.get("HOME") or os.path.expanduser("~")
        self.path = os.path.join(home, "Library/LaunchAgents", LAUNCHD_NAME)
        domain = f"gui/{os.getuid()}"
        self.starting = (("launchctl", "bootstrap", domain, self.path),)
        self.stopping = (("launchctl", "bootout", f"{domain}/{LABEL}"),)
        self.forgetting: tuple[tuple[str, ...], ...] = ()
        self._ask = ask

    def reachable(self) -> bool:
        """Whether there is a manager that answers."""
        return self._ask(("launchctl", "version")).ok

    def ask(self, commands: Sequence[Sequence[str]]) -> Said:
        """One command after the other, until one fails."""
        if commands == self.starting:
            self._ask(self.stopping[0])  # bootstrap refuses what is loaded already
        for command in commands:
            said = self._ask(command)
            if not said.ok:
                return Said(ok=False, text=f"{' '.join(command)}: {said.text}")
        return Said(ok=True)


Manager = Systemd | Launchd


def manager(env: Mapping[str, str], platform: str, ask: Run = run) -> Manager | None:
    """This machine's; None on a system that has neither."""
    if platform == "darwin":
        return Launchd(env, ask)
    return Systemd(env, ask) if platform.startswith("linux") else None


def shorten(log: str) -> None:
    """Empty a manager's log that has become long. launchd appends to it, so that the line after is
    the first again. What cannot be done today is tried tomorrow."""
    with suppress(OSError):
        fd = os.open(log, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(fd)
            if stat.S_ISREG(status.st_mode) and status.st_size > LOG_BYTES:
                os.ftruncate(fd, 0)
        finally:
            os.close(fd)


def lingers(user: str, folder: str = LINGER) -> bool:
    """Whether the user's services run while nobody is logged in."""
    return os.path.exists(os.path.join(folder, user))


def program(argv0: str, executable: str, path: str) -> tuple[str, ...]:
    """How to start this dotagent again, years later: by the name that people call it by, which an
    upgrade of Python or of dotagent leaves where it is, not by what that points to today."""
    here = os.path.abspath(argv0)
    if os.path.basename(here) != "dotagent" or not os.path.isfile(here):
        return (executable, "-m", "dotagent")
    called = shutil.which("dotagent", path=path)
    if called is not None and os.path.realpath(called) == os.path.realpath(here):
        return (os.path.abspath(called),)
    return (here,)
