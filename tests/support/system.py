"""What the machine must offer for a test to mean anything, and what happens where it does not.

A test that needs something from outside says so by a ``require…`` here. On somebody's laptop it is
then skipped with what to install or do; with ``CI=true`` it fails, for a skip that nobody reads is
a test that does not exist.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import sys

import pytest

PACKAGES = {
    "dbus-daemon": "dbus",
    "Xvfb": "xvfb",
    "dunst": "dunst",
    "faketime": "faketime",
    "fish": "fish",
    "elvish": "elvish",
    "systemd-analyze": "systemd",
    "zsh": "zsh",
    "promtool": "prometheus",
    "cc": "build-essential",
}
"""Program to the Debian package that brings it; ``scripts/system-packages`` installs these."""


def missing(*programs: str) -> list[str]:
    """The Debian packages that bring those of ``programs`` that are not on PATH, in order."""
    absent = [program for program in programs if shutil.which(program) is None]
    return list(dict.fromkeys(PACKAGES.get(program, program) for program in absent))


def require(*programs: str) -> None:
    """Go on only if every program is on PATH."""
    packages = missing(*programs)
    plural = "s" if len(packages) > 1 else ""
    _need(not packages, f"the Debian package{plural} {', '.join(packages)}")


def require_root(purpose: str) -> None:
    """Go on only as root; ``purpose`` completes "needs root …", as in "to give a file away"."""
    _need(os.geteuid() == 0, f"root {purpose}")


def require_private_group() -> None:
    """Go on only if this user has a group of the same name to themselves."""
    user = pwd.getpwuid(os.geteuid())
    group = grp.getgrgid(user.pw_gid)
    private = group.gr_name == user.pw_name and not set(group.gr_mem) - {user.pw_name}
    _need(private, "a private group of this user")


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="this is Linux's own")
"""For what other systems do otherwise, behind a seam of its own."""


def _need(met: bool, what: str) -> None:
    if met:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"needs {what}; CI must not go without", pytrace=False)
    pytest.skip(f"needs {what}")
