"""All that a busy home writes is its user's alone, whatever umask it was started with."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.home import Home
from tests.plugins.scripts import bash
from tests.support import daemon as program
from tests.support.patience import until

LOUD = """
[[schedules]]
id = "s"
every = "1h"
run_at_start = true
max_attempts = 2
retry_backoff = ["100ms"]
[limits]
log_max_mb = 1
[[on_failure]]
plugin = "talker"
[[on_success]]
plugin = "sink-file"
config = { path = "/dev/null", full_output = true }
[[notifiers]]
driver = "imessage"
to = "+1"
rate_limit_minutes = 5
"""
TALKS = "cat >/dev/null; echo words >&2; echo '{\"ok\": true}'"
PRINTS = 'head -c 3000000 /dev/zero | tr "\\0" "x" | fold -w 99; echo no >&2; exit 1'


@contextmanager
def umask_of_zero() -> Iterator[None]:
    """What is started in here may give everything to everybody."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def open_to_others(home: Home) -> set[str]:
    """All that is not 0600 or 0700, as it is now. What a person wrote is theirs to close."""
    found = set()
    for top in (home.path / "state", home.path / "logs"):
        found |= _open(top)
        for folder, folders, names in os.walk(top):
            for name in (*folders, *names):
                found |= _open(Path(folder) / name)
    return found


def _open(path: Path) -> set[str]:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return set()
    right = 0o700 if stat.S_ISDIR(status.st_mode) else 0o600
    mode = stat.S_IMODE(status.st_mode)
    return set() if mode == right else {f"{path} is {mode:o}"}


def test_nothing_is_open_to_others(tmp_path: Path) -> None:
    """Folders 0700, files, pipes and sockets 0600: while it works, after a kill, after commands
    that act themselves; in old pieces of logs, in copies, requests, what plugins said."""
    home = Home(tmp_path / "home", DOTAGENT_PLUGIN_PATH=str(tmp_path / "plugins"))
    home.agent("loud", LOUD, script=PRINTS)
    home.agent("other", '[[schedules]]\nid = "s"\nevery = "1h"\nrun_at_start = true\n')
    home.config("[summary]\nenabled = false\n")
    (tmp_path / "plugins").mkdir()
    bash(tmp_path / "plugins", TALKS, "talker")
    found: set[str] = set()
    with umask_of_zero():
        with program.daemon(home.path, env=home.env) as daemon:
            until(lambda: "given_up" in home.kinds("loud"), what="both attempts")
            found |= open_to_others(home)
            for words in ("run-now other", "pause loud --for 1h", "reload"):
                home.run(*words.split())
            found |= open_to_others(home)
            daemon.stop(signal.SIGKILL)
        for words in ("run-now loud", "run other", "tick", "run loud --dry-run"):
            home.run(*words.split())
    found |= open_to_others(home)

    assert set() == found
    written = {path.name for path in home.path.rglob("*")}
    assert {"audit.jsonl", "dotagent.db", "bell", "lock", "default.heartbeat.json"} <= written
    assert {"loud.toml", "talker.log"} <= written
    assert 1 < len([name for name in written if name.startswith("loud") and ".log" in name])


def test_a_home_that_is_made_is_closed(tmp_path: Path) -> None:
    """Made under any umask, from its first folder on."""
    home = Home(tmp_path / "new" / "home")
    (tmp_path / "new").mkdir()
    with umask_of_zero():
        said = home.run("init", "first")

    assert 0 == said.returncode, said.stderr
    folders = [path for path in (home.path, *home.path.rglob("*")) if path.is_dir()]
    assert {0o700} == {stat.S_IMODE(path.stat().st_mode) for path in folders}
    files = [path for path in home.path.rglob("*") if path.is_file()]
    assert not [path for path in files if path.stat().st_mode & 0o022]
