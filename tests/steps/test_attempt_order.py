"""What an attempt is started with, and what is not started at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.daemon import run, write_agent

DENIED = '[security]\nnetwork = "deny"\nenforce = "{enforce}"\n'


@pytest.mark.parametrize(("enforce", "status", "ran"), [("require", 126, False), ("warn", 0, True)])
def test_restrictions_that_are_required_fail_closed(
    tmp_path: Path, enforce: str, status: int, ran: bool
) -> None:
    """An agent that must be held back is not run by a version that cannot hold it back."""
    toml = DENIED.format(enforce=enforce)
    folder = write_agent(tmp_path, "careful", toml, script='touch "$AGENT_HOME/ran"')
    done = run(tmp_path, "run-now", "careful")

    assert (status, ran) == (done.returncode, (folder / "ran").exists())
    assert ran or "cannot be enforced" in done.stdout + done.stderr
