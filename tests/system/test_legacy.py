"""The state files of dotagent 0.1.x as they lie there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

import pytest

from dotagent.core.errors import OldDaemon
from dotagent.system import legacy
from dotagent.system.legacy import Files
from dotagent.system.paths import Paths
from tests.core.walls import DAY_MS, at
from tests.support.old_home import OldHome
from tests.support.patience import until

EIGHT = at("2026-06-03T08:00:00Z")


@pytest.fixture
def old(tmp_path: Path) -> OldHome:
    return OldHome(tmp_path, UTC)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(Paths(str(tmp_path)))


def test_a_home_of_our_own_has_none_of_it(old: OldHome, files: Files) -> None:
    """A heartbeat alone proves nothing: we write them too."""
    old.heartbeat("a", started_at=EIGHT)

    assert not files.are_there()
    old.window("a", "s", EIGHT)
    assert files.are_there()


def test_what_is_in_a_window_decides_whose_it_is(old: OldHome, files: Files) -> None:
    """The name of ``a-b`` and ``c`` is that of ``a`` and ``b-c``; of a schedule the last counts."""
    old.window("a", "s", EIGHT, slug="b-c")
    old.window("a-b", "s", EIGHT + DAY_MS, slug="c", attempts=2)
    old.window("other", "s", EIGHT)

    assert {("a", "s"): EIGHT, ("a-b", "s"): EIGHT + DAY_MS} == {
        key: window.expected_at for key, window in files.windows({"a", "a-b"}).items()
    }


def test_years_of_windows_are_not_read(old: OldHome, files: Files) -> None:
    """0.1.x removed none of them."""
    for day in range(500):
        path = old.window("a", "s", EIGHT + day * DAY_MS)
        if day < 490:
            path.write_text("nobody reads this")

    assert EIGHT + 499 * DAY_MS == files.windows({"a"})["a", "s"].expected_at
    assert [] == files.bad


def test_what_is_malformed_is_set_aside_and_said(old: OldHome, files: Files) -> None:
    """All else is read; the bytes are kept."""
    bad = old.window("a", "s", EIGHT)
    bad.write_text("{torn")
    old.window("b", "s", EIGHT)

    assert [("b", "s")] == list(files.windows({"a", "b"}))
    assert [f"{bad} is malformed (not JSON); now {bad}.malformed"] == files.bad
    assert "{torn" == bad.with_name(f"{bad.name}.malformed").read_text()


def test_a_pipe_in_place_of_a_file_holds_up_nothing(old: OldHome, files: Files) -> None:
    """Nobody may ever write to it."""
    path = old.state / "known_manifests.json"
    path.parent.mkdir(parents=True)
    os.mkfifo(path)

    assert {} == files.known()
    assert [f"{path} cannot be read: it is not a regular file"] == files.bad


def test_reading_changes_nothing(old: OldHome, files: Files) -> None:
    """Tools made for 0.1.x find what they found before."""
    written = [
        old.heartbeat("a", started_at=EIGHT),
        old.window("a", "s", EIGHT),
        old.sent("+5511", EIGHT),
        old.known(at=EIGHT),
    ]
    before = [path.read_bytes() for path in written]
    files.known()
    files.beat("a", "default")
    files.windows({"a"})

    assert EIGHT == files.sent("+5511")
    assert before == [path.read_bytes() for path in written]
    assert files.beat("../a", "default") is None


# ---------------------------------------------------------------------------------- its daemon


@contextmanager
def process(tmp_path: Path, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process with this command line, which says when it is there."""
    (tmp_path / argv[1]).write_text("import signal\nprint(flush=True)\nsignal.pause()\n")
    child = subprocess.Popen(argv, executable=sys.executable, cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        yield child
    finally:
        child.kill()
        child.communicate()


def named(old: OldHome, pid: int) -> Paths:
    old.state.mkdir(exist_ok=True)
    (old.state / "daemon.pid").write_text(str(pid))
    return Paths(str(old.home))


def test_a_daemon_of_old_is_refused(old: OldHome, tmp_path: Path) -> None:
    """It holds no lock; everything would run twice."""
    with process(tmp_path, "dotagent", "daemon") as daemon:
        paths = named(old, daemon.pid)
        with pytest.raises(OldDaemon, match=f"still runs this home, as process {daemon.pid}"):
            legacy.refuse_running(paths)
    until(lambda: legacy.running(paths) is None, what="the process to be gone")
    legacy.refuse_running(paths)


def test_a_number_that_was_given_again_is_ignored(old: OldHome, tmp_path: Path) -> None:
    """A crash left daemon.pid behind; the process of that number is another program."""
    with process(tmp_path, "editor", "daemon") as other:
        assert legacy.running(named(old, other.pid)) is None


@pytest.mark.parametrize("text", ["", "-1", "0", "1", "x", "9" * 40])
def test_what_is_no_number_is_ignored(old: OldHome, text: str) -> None:
    """Nothing is signalled for it, nothing refused."""
    paths = named(old, 0)
    (old.state / "daemon.pid").write_text(text)

    assert legacy.running(paths) is None
