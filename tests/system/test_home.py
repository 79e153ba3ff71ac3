"""A home is either ready or refused, in words that help, with nothing left behind."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dotagent.core.errors import HomeError
from dotagent.system import home
from dotagent.system.paths import Paths
from tests.system import stage


def tree(folder: Path) -> list[str]:
    """All that lies below ``folder``."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_new_home_has_all_its_folders_and_no_files(tmp_path: Path) -> None:
    """Everything is made, 0700, and the probe has gone."""
    root = tmp_path / "deep" / "home"
    home.prepare(Paths(str(root)))

    assert [
        "agents",
        "logs",
        "logs/agents",
        "logs/daemon",
        "logs/plugins",
        "state",
        "state/agents",
        "state/manifests",
        "state/requests",
    ] == tree(root)
    assert {0o700} == {stat.S_IMODE(path.stat().st_mode) for path in [root, *root.rglob("*")]}


def test_preparing_twice_changes_nothing(tmp_path: Path) -> None:
    """A home in use is ready already."""
    paths = Paths(str(tmp_path / "home"))
    home.prepare(paths)
    Path(paths.heartbeat("disk", "daily")).parent.mkdir()
    before = tree(tmp_path)
    home.prepare(paths)

    assert before == tree(tmp_path)


@pytest.mark.parametrize("link", [False, True])
def test_agents_that_are_gone_are_not_made_anew(tmp_path: Path, link: bool) -> None:
    """An empty folder in their place, or in that of a link to a disk that is not mounted, would
    read as if people had removed them all."""
    paths = Paths(str(tmp_path))
    home.prepare(paths)
    Path(paths.database).touch()
    Path(paths.agents).rmdir()
    if link:
        Path(paths.agents).symlink_to(tmp_path / "not-mounted")
    home.prepare(paths)

    assert not Path(paths.agents).exists()


def test_what_is_ours_alone_is_closed_and_what_people_keep_is_not_touched(tmp_path: Path) -> None:
    """A home of 0.1.x is closed where state and output lie; its agents' folder stays as it is."""
    paths = Paths(str(tmp_path))
    for folder in (paths.agents, paths.state, paths.logs):
        os.mkdir(folder)
        os.chmod(folder, 0o755)
    os.chmod(tmp_path, 0o755)
    home.prepare(paths)
    modes = [
        stat.S_IMODE(os.stat(folder).st_mode)
        for folder in (paths.home, paths.agents, paths.state, paths.logs)
    ]

    assert [0o755, 0o755, 0o700, 0o700] == modes


@pytest.mark.parametrize("where", ["home", "home/deep", "home/state"])
def test_a_file_in_the_way_is_named(tmp_path: Path, where: str) -> None:
    """A home that is a file, lies in a file or has a file for a folder is refused by name."""
    obstacle = tmp_path / ("home/state" if where == "home/state" else "home")
    obstacle.parent.mkdir(exist_ok=True)
    obstacle.write_text("mine")
    named = tmp_path / ("home/deep" if where == "home/deep" else "home")

    with pytest.raises(HomeError, match=f"{obstacle} is a file, or a link to nowhere") as refused:
        home.prepare(Paths(str(named)))
    assert refused.value.hint is not None
    assert f"move {obstacle} out of the way" in refused.value.hint
    assert "mine" == obstacle.read_text()
    assert not (tmp_path / "home" / "logs").exists()


def test_a_closed_folder_is_refused() -> None:
    """Without permission nothing is made, and the message says whose permission is wanting."""
    with stage.public_folder() as folder:
        said = stage.play_without_privileges("refused_home_in_closed_folder", str(folder))

    assert f"you may not write in the home {folder}/home: permission denied" == said["message"]
    assert f"ls -ld {folder}/home" in said["hint"]
    assert not said["left"]


@pytest.mark.parametrize("there", [True, False])
def test_a_read_only_disk_is_refused(tmp_path: Path, there: bool) -> None:
    """A read-only file system is called by its name, whether the home is there or is to be made."""
    root = tmp_path / "home"
    if there:
        home.prepare(Paths(str(root)))
    said = stage.play_read_only("refused_home", tmp_path, str(root))

    assert said["message"].startswith(f"the home {root} lies on a read-only file system")
    assert "mount it writable" in said["hint"]
    assert ".tmp-" not in said["message"]  # what it was tried with is gone: no place to look


def test_a_full_disk_is_refused_as_full(tmp_path: Path) -> None:
    """No space is its own kind of refusal, and the folders made meanwhile are gone again."""
    root = tmp_path / "home"
    said = stage.play_on_disk("refused_home", tmp_path, str(root), size="8k")

    assert ("HomeFull", False) == (said["error"], said["left"])
    assert f"no space is left on the disk that holds the home {root}" == said["message"]
    assert f"free some space (df -h {root}), then try again" == said["hint"]


def test_the_reserve_lets_what_is_in_flight_settle(tmp_path: Path) -> None:
    """A disk that fills up leaves the reserve; giving it up makes the home usable once more."""
    said = stage.play_on_disk("full_disk", tmp_path, str(tmp_path), size="2m")

    assert {
        "kept": True,
        "full": "HomeFull",
        "second": False,
        "given_up": True,
        "after": "NoneType",
        "names": ["home", "junk"],
    } == said


def test_the_reserve_really_takes_its_place(tmp_path: Path) -> None:
    """It is no hole in the disk, is the user's alone, and is made anew only if it is not whole."""
    reserve = tmp_path / "reserve"
    reserve.write_bytes(b"cut")
    kept = home.keep_reserve(str(reserve))
    status = reserve.stat()
    home.keep_reserve(str(reserve))

    assert kept
    assert (home.RESERVE_BYTES, 0o600) == (status.st_size, stat.S_IMODE(status.st_mode))
    assert home.RESERVE_BYTES <= status.st_blocks * 512
    assert status.st_ino == reserve.stat().st_ino


def test_a_reserve_can_be_given_up_once(tmp_path: Path) -> None:
    """The second time there is nothing to give."""
    reserve = str(tmp_path / "reserve")
    home.keep_reserve(reserve)

    assert [True, False] == [home.give_up_reserve(reserve), home.give_up_reserve(reserve)]


def test_a_reserve_that_cannot_be_kept_for_another_reason_is_an_error(tmp_path: Path) -> None:
    """Only a full disk is an answer; a folder that is not there is a mistake."""
    with pytest.raises(HomeError, match="cannot keep the reserve"):
        home.keep_reserve(str(tmp_path / "nowhere" / "reserve"))


def test_somebody_else_s_home_is_refused() -> None:
    """Root in a user's home, or a user in another's, would leave files that their owner cannot
    use: refused by name, before anything is tried."""
    said = stage.play_without_privileges("refused_home", "/usr")

    assert said["message"].startswith("/usr belongs to root, not to you (")
    assert said["hint"] == "run dotagent as root, or set DOTAGENT_HOME to a folder of your own"


def test_a_path_that_no_system_takes_is_refused(tmp_path: Path) -> None:
    """Whatever else is wrong is told in the system's own words."""
    root = tmp_path / ("x" * 300)

    with pytest.raises(HomeError, match="cannot be used: File name too long"):
        home.prepare(Paths(str(root)))
