"""A process that runs beside a command: heard, ended, and never left behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from dotagent.supervisor.companion import Companion
from tests.support.patience import until

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 100; done"


def start(output: Path, script: str) -> Companion:
    """Run a shell script with nothing but a PATH."""
    return Companion(["/bin/sh", "-c", script], {"PATH": os.environ["PATH"]}, str(output))


def test_it_has_the_given_environment_and_output(tmp_path: Path) -> None:
    """It gets what it is given and no more, and what it prints is kept."""
    child = start(tmp_path / "out", 'echo "$HOME:$1"; echo oops >&2; exit 3')
    until(lambda: child.status() is not None, what="its end")

    assert 3 == child.status()
    assert ":\noops\n" == (tmp_path / "out").read_text()
    assert 0o600 == (tmp_path / "out").stat().st_mode & 0o777


def test_it_leads_a_session_of_its_own(tmp_path: Path) -> None:
    """A Ctrl-C in our terminal is not for it."""
    child = start(tmp_path / "out", "exec sleep 100")
    session = os.getsid(child.pid)
    status = child.end(5_000)

    assert child.pid == session
    assert -signal.SIGTERM == status


def test_it_may_say_goodbye(tmp_path: Path) -> None:
    """TERM comes first, and its own exit status is kept; ending it twice is no harm."""
    child = start(tmp_path / "out", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done")
    until((tmp_path / "out").read_text, what="it to be ready")
    first, again = child.end(5_000), child.end(5_000)

    assert (7, 7) == (first, again)


def test_a_stubborn_one_is_killed_with_its_group(tmp_path: Path) -> None:
    """What does not go at TERM is gone after the patience, its children too."""
    child = start(tmp_path / "out", STUBBORN)
    until((tmp_path / "out").read_text, what="it to be ready")
    status = child.end(50)

    def is_empty() -> bool:
        try:
            os.killpg(child.pid, 0)
        except ProcessLookupError:
            return True
        return False

    until(is_empty, what="its group to be gone")

    assert -signal.SIGKILL == status
