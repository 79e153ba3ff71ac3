"""``bootstrap``: a home with all that people write; nothing of theirs is touched."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from dotagent import app
from dotagent.cli.bootstrap import CONFIG, SECRETS
from dotagent.core.config import _SECTIONS, Config, read_config
from tests.support.daemon import run


def test_a_home(tmp_path: Path) -> None:
    """Config, secrets for one's own eyes, agents; the next command is named, and it works."""
    home = tmp_path / "new"
    home.parent.mkdir(exist_ok=True)
    made = run(home, "bootstrap", cwd=tmp_path)
    next_one = run(home, "init", cwd=tmp_path)

    assert (0, "") == (made.returncode, made.stderr)
    assert made.stdout.endswith("Next, a first agent: dotagent init\n")
    assert CONFIG == (home / "config.toml").read_text()
    assert 0o600 == stat.S_IMODE((home / "secrets.env").stat().st_mode)
    assert (home / "agents").is_dir()
    assert 0 == next_one.returncode


def test_again(home: Path) -> None:
    """What is there stays as it is."""
    (home / "config.toml").write_text("[storm]\nwaiting = 5\n")
    first, second = run(home, "bootstrap"), run(home, "bootstrap")

    assert "there  config.toml" in first.stdout
    assert "made   secrets.env" in first.stdout
    assert (0, True) == (second.returncode, "made" not in second.stdout)
    assert "[storm]\nwaiting = 5\n" == (home / "config.toml").read_text()


def test_examples_are_right() -> None:
    """As written all is default; with its keys uncommented it is a configuration without a
    problem, and speaks of every section but the one that does nothing."""
    lines = [re.sub(r"^# (?=\[|\w+ = )", "", line) for line in CONFIG.splitlines()]
    config, problems = read_config("\n".join(lines).encode(), app.drivers())
    named = {line.strip("[]").split("]")[0] for line in lines if line.startswith("[")}

    assert (Config(), ()) == read_config(CONFIG.encode(), app.drivers())
    assert () == problems
    assert config is not None
    assert Config().daemon.stop_grace_ms == config.daemon.stop_grace_ms
    assert (Config().logging, Config().retention) == (config.logging, config.retention)
    assert (Config().storm, Config().summary.at_minute) == (config.storm, config.summary.at_minute)
    assert {*_SECTIONS} - {"telemetry"} == named


def test_secrets_are_empty() -> None:
    """The file begins without a secret, and without a flaw."""
    assert SECRETS.startswith("#")
    assert all(line.startswith("#") for line in SECRETS.splitlines())
