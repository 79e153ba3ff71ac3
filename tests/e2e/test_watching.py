"""The kernel tells the daemon of changed files; while nothing happens the daemon does nothing."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from time import monotonic

from tests.e2e.home import Home
from tests.support.daemon import Daemon
from tests.support.patience import until

NEVER = '[[schedules]]\nid = "s"\ndaily = "04:00"\n'
AT_ONCE = '[[schedules]]\nid = "s"\nevery = "1h"\nrun_at_start = true\n'
IDLE_S = 4.0
CALM_S = 0.7


def test_a_new_manifest_is_noticed(tmp_path: Path) -> None:
    """An agent that is put there while the daemon idles runs without a restart or a signal; one
    that is taken away is gone; both in folders that did not exist before."""
    home = Home(tmp_path / "home")
    with home.daemon() as daemon:
        idle(home)
        home.agent("new", AT_ONCE)
        until(lambda: ["success"] == home.kinds("new"), what="the new agent to run")
        at_rest = home.rows("SELECT health, gone_at FROM schedules")
        folder = home.path / "agents" / "new"
        folder.rename(home.path / "new-elsewhere")
        until(lambda: home.values("SELECT 1 FROM agents WHERE gone_at NOT NULL"), what="its end")
        assert daemon.process.poll() is None

    assert [{"health": "ok", "gone_at": None}] == at_rest
    assert ["off"] == home.values("SELECT health FROM schedules")
    assert ["daemon"] == home.values("SELECT role FROM holders")


def test_an_edit_is_noticed(tmp_path: Path) -> None:
    """A schedule that is added by an editor that writes in place runs at once; one that is
    taken out of the file ends, while its sister goes on."""
    home = Home(tmp_path / "home")
    manifest = home.agent("edited", NEVER)
    before = manifest.read_text()
    with home.daemon():
        idle(home)
        manifest.write_text(before + AT_ONCE.replace('"s"', '"extra"'))
        until(lambda: ["success"] == home.kinds("edited"), what="the added schedule to run")
        manifest.write_text(before)
        until(
            lambda: ["extra"] == home.values("SELECT id FROM schedules WHERE gone_at NOT NULL"),
            what="the end of the schedule",
        )

    assert ["s"] == home.values("SELECT id FROM schedules WHERE gone_at IS NULL")


def test_settings_and_secrets_are_noticed(tmp_path: Path) -> None:
    """A changed config.toml is in force without a restart: a notifier that is added there is
    known at once, and so is what is wrong with it."""
    home = Home(tmp_path / "home")
    with home.daemon():
        idle(home)
        home.config('[[notifiers]]\nid = "me"\ndriver = "ntfy"\ntopic = "t"\nevents = ["missed"]\n')
        until(lambda: ["me"] == home.values("SELECT name FROM routing"), what="the notifier")
        home.config("[[notifiers]]\n")
        until(lambda: home.count("config_invalid"), what="the problem to be told")
        home.config("")
        until(lambda: not home.values("SELECT name FROM routing"), what="the notifier to be gone")

    assert 1 == home.count("config_invalid")


def test_hanging_up_reads_everything_again(tmp_path: Path) -> None:
    """SIGHUP makes the daemon look, also at what no notice told it of: a manifest that is a link to
    a file elsewhere. It goes on as the same holder."""
    home = Home(tmp_path / "home")
    manifest = home.agent("linked", NEVER)
    elsewhere = tmp_path / "dotfiles.toml"
    manifest.rename(elsewhere)
    manifest.symlink_to(elsewhere)
    with home.daemon() as daemon:
        idle(home)
        elsewhere.write_text(elsewhere.read_text() + AT_ONCE.replace('"s"', '"extra"'))
        os.kill(daemon.pid, signal.SIGHUP)
        until(lambda: ["success"] == home.kinds("linked"), what="the added schedule to run")
        assert daemon.process.poll() is None

    assert 1 == len(home.rows("SELECT * FROM holders"))


def test_idle_means_idle(tmp_path: Path) -> None:
    """With agents that are not due, the daemon writes nothing to disk, commits nothing and
    sleeps: it is not even woken."""
    home = Home(tmp_path / "home")
    for number in range(20):
        home.agent(f"quiet{number}", NEVER)
    with home.daemon() as daemon:
        until(lambda: 20 == len(home.values("SELECT name FROM agents")), what="all agents")
        idle(home)
        until(lambda: is_calm(daemon), what="the last thing that the start has left to do")
        begin = state(home, daemon)
        let_pass(IDLE_S)
        end = state(home, daemon)

    assert begin == end


def idle(home: Home) -> None:
    """Wait until the daemon has looked at everything and the record stands on disk."""
    audit = home.path / "state" / "audit.jsonl"
    until(
        lambda: (
            audit.exists()
            and len(audit.read_bytes().splitlines()) == len(home.values("SELECT seq FROM audit"))
            and home.values("SELECT 1 FROM roots")
            and home.settled()
        ),
        what="the daemon to idle",
    )


def state(home: Home, daemon: Daemon) -> dict[str, object]:
    """What the kernel knows of a process and its files."""
    written = re.search(r"^write_bytes: (\d+)", Path(f"/proc/{daemon.pid}/io").read_text(), re.M)
    assert written
    files = {
        path.relative_to(home.path): (os.stat(path).st_size, os.stat(path).st_mtime_ns)
        for path in home.path.rglob("*")
    }
    return {"woken": woken(daemon), "written": written[1], "files": files}


def woken(daemon: Daemon) -> int:
    """How often its threads have gone to sleep so far."""
    return sum(
        int(found[1])
        for task in Path(f"/proc/{daemon.pid}/task").iterdir()
        if (found := re.search(r"^voluntary_ctxt\w+:\s*(\d+)", (task / "status").read_text(), re.M))
    )


def is_calm(daemon: Daemon) -> bool:
    """Whether it slept through a moment."""
    before = woken(daemon)
    let_pass(CALM_S)
    return before == woken(daemon)


def let_pass(seconds: float) -> None:
    """Wait for nothing but time: that nothing happens is seen only so."""
    end = monotonic() + seconds
    until(lambda: monotonic() > end, what="time to pass", seconds=seconds + 1)
