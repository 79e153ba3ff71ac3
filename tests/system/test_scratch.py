"""Temporary folders of attempts."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dotagent.system import scratch


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything here happens in a temporary place of its own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delattr(tempfile, "tempdir")
    tempfile.tempdir = None
    return tmp_path


def test_a_folder_is_fresh_and_private() -> None:
    """Two attempts never share one, nobody else can look into it, and the part of it that is
    the agent's is empty."""
    one, other = scratch.make("home-1"), scratch.make("home-2")

    assert one.folder != other.folder
    assert stat.S_IMODE(os.stat(one.folder).st_mode) == 0o700
    assert [] == os.listdir(one.tmp)


def test_what_another_time_left_is_not_shown_again() -> None:
    """Where a home was set back, a number has had a folder before: the new one is empty."""
    (Path(scratch.make("home-1").tmp) / "left").write_text("x")
    made = scratch.make("home-1")

    assert [] == os.listdir(made.tmp)
    assert made == scratch.of("home-1")


def test_a_name_that_somebody_took(tmp_path: Path) -> None:
    """Who puts something of our name there first only makes us take another one."""
    taken = tmp_path / "dotagent-home-1-0"
    taken.symlink_to(tmp_path / "elsewhere")
    made = scratch.make("home-1")

    assert made.folder != str(taken)
    assert made == scratch.of("home-1")
    scratch.remove("home-1")
    assert not os.path.exists(made.folder)
    assert taken.is_symlink()


def test_one_folder_costs_no_look_at_all_others(tmp_path: Path) -> None:
    """What others keep in the shared place, a million files perhaps, is not listed for one."""
    code = (
        "import os, sys\n"
        "from dotagent.system import scratch\n"
        "seen = []\n"
        "names = ('os.listdir', 'os.scandir', 'glob.glob')\n"
        "sys.addaudithook(lambda name, args: seen.append(args[0]) if name in names else None)\n"
        "made = scratch.make('home-1')\n"
        "assert made == scratch.of('home-1')\n"
        "scratch.remove('home-1')\n"
        "assert not os.path.exists(made.folder)\n"
        "print([each for each in seen if isinstance(each, str) and each.startswith(sys.argv[1])"
        " and not each.startswith(made.folder)])\n"
    )
    argv = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)

    assert "[]\n" == done.stdout


def test_a_folder_is_found_again_by_its_marker() -> None:
    """Whoever is told of the attempt later finds it, and no other attempt's."""
    made, longer = scratch.make("home-1"), scratch.make("home-11")

    assert (made, longer, None) == tuple(scratch.of(f"home-{n}") for n in (1, 11, 2))
    scratch.remove("home-1")
    assert (None, longer) == (scratch.of("home-1"), scratch.of("home-11"))


def test_a_sweep_takes_what_the_home_left_and_nothing_else() -> None:
    """All attempts of one home but those that are kept, and none of another whose name begins
    alike."""
    mine = [scratch.make("home-1"), scratch.make("home-11")]
    others = [scratch.make("home2-1"), scratch.make("else-1"), scratch.make("home-7")]
    (Path(mine[0].tmp) / "left").write_text("x")
    scratch.sweep("home", keep=["home-7"])

    assert not any(os.path.exists(one.folder) for one in mine)
    assert all(os.path.isdir(other.folder) for other in others)


def test_a_link_that_somebody_put_there_is_not_followed(tmp_path: Path) -> None:
    """In a shared folder anybody can make a name: it is neither used nor emptied."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    (tmp_path / "dotagent-home-1-x").symlink_to(precious)
    scratch.sweep("home")

    assert scratch.of("home-1") is None
    assert (precious / "file").exists()
