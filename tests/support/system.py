"""What the machine must offer for a test to mean anything, and what happens where it does not.

A test that needs something from outside says so by a ``require…`` here. On somebody's laptop it is
then skipped with what to install or do; with ``CI=true`` it fails, for a skip that nobody reads is
a test that does not exist.
"""

from __future__ import annotations

import os
import shutil

import pytest

PACKAGES = {
    "dbus-daemon": "dbus",
    "Xvfb": "xvfb",
    "dunst": "dunst",
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


def _need(met: bool, what: str) -> None:
    if met:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"needs {what}; CI must not go without", pytrace=False)
    pytest.skip(f"needs {what}")
