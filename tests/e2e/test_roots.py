"""Roots beyond the home's own, as different environments name them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.support import daemon
from tests.support.patience import until

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


def test_a_root_that_is_given_up_stays_given_up(tmp_path: Path) -> None:
    """Once the daemon no longer looks into a root, no command does either; and the agents of one
    that had vanished before are not waited for for ever."""
    home, root = tmp_path / "home", tmp_path / "more"
    daemon.write_agent(home, "near", ONCE)
    daemon.write_agent(home, "far", ONCE, root=str(root))
    with daemon.daemon(home, env={"DOTAGENT_ROOT": str(root)}):
        until(lambda: present(home) == {"near", "far"}, what="both agents")
    with daemon.daemon(home):
        until(lambda: present(home) == {"near"}, what="one to be gone")
    daemon.run(home, "run-now", "near")
    after_command = present(home)
    with daemon.daemon(home, env={"DOTAGENT_ROOT": str(root)}):
        until(lambda: present(home) == {"near", "far"}, what="both agents again")
        root.rename(tmp_path / "unmounted")
        until(lambda: held(home), what="its agents to be held")
    with daemon.daemon(home):
        until(lambda: present(home) == {"near"}, what="the other to be gone again")

    assert after_command == {"near"}
    assert not held(home)


def held(home: Path) -> bool:
    """Whether an agent waits for its root."""
    db = sqlite3.connect(home / "state/dotagent.db")
    try:
        return bool(db.execute("SELECT 1 FROM schedules WHERE held_at NOT NULL").fetchall())
    finally:
        db.close()
