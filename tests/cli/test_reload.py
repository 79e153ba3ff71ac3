"""``reload``: the daemon reads its files again, and what was refused is said."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.scene import DAILY
from tests.support.daemon import daemon, run, write_agent


def test_nobody_there(home: Path) -> None:
    """Without a daemon there is nothing to reload; what to do is said."""
    done = run(home, "reload")

    assert (1, "") == (done.returncode, done.stdout)
    assert "no daemon runs here" in done.stderr
    assert "dotagent install" in done.stderr


def test_what_was_found(home: Path) -> None:
    """All is well; then each file that is refused is named, with what is wrong, and exit 2."""
    write_agent(home, "a", DAILY)
    with daemon(home):
        well = run(home, "reload")
        (home / "config.toml").write_text("[daemon]\nmax_running = 0\n")
        (home / "agents" / "a" / "agent.toml").write_text("[agent]\nname = 1\n")
        bad = run(home, "reload")
        data = run(home, "reload", "--json")
    problems = json.loads(data.stdout)["problems"]

    assert (0, "") == (well.returncode, well.stderr)
    assert well.stdout.startswith("Read again: 1 agent, config.toml and the secrets.\n")
    assert (2, 2) == (bad.returncode, data.returncode)
    assert "daemon.max_running" in bad.stdout
    assert "agent.name" in bad.stdout
    assert bad.stdout.endswith("Mend it, then see: dotagent doctor\n")
    assert ["config.toml", f"{home}/agents/a/agent.toml"] == [each["what"] for each in problems]
