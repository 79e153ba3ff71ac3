"""Roots beyond the home's own, as different environments name them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.support import daemon

ONCE = """\
[[schedules]]
id = "often"
every = "1h"
"""


def present(home: Path) -> set[str]:
    """The agents that are not gone."""
    db = sqlite3.connect(home / "state/dotagent.db")
    try:
        return {row[0] for row in db.execute("SELECT name FROM agents WHERE gone_at IS NULL")}
    finally:
        db.close()


def test_a_shell_without_the_daemons_root_removes_nobody(tmp_path: Path) -> None:
    """A command that acts by itself, from a shell that lacks ``DOTAGENT_ROOT``, leaves the agents
    of that root as they are; only a daemon that no longer looks there lets them go."""
    home, root = tmp_path / "home", str(tmp_path / "more")
    daemon.write_agent(home, "near", ONCE)
    daemon.write_agent(home, "far", ONCE, root=root)
    with daemon.daemon(home, env={"DOTAGENT_ROOT": root}):
        pass
    done = daemon.run(home, "run-now", "near")
    after_command = present(home)
    with daemon.daemon(home):
        pass

    assert done.returncode == 0
    assert after_command == {"near", "far"}
    assert present(home) == {"near"}
