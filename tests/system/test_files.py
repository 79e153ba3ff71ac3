"""Files are replaced whole or not at all, and nothing is left lying about."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dotagent.system import files
from tests.support.system import linux_only


def mode(path: Path) -> int:
    """The permission bits of ``path``."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def no_umask() -> Iterator[None]:
    """A process that takes no permission away, so that ours are seen to be our own choice."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.usefixtures("no_umask")
def test_a_new_file_is_the_user_s_alone(tmp_path: Path, durable: bool) -> None:
    """What is written is there, 0600, and there is nothing else in the folder."""
    target = tmp_path / "file"
    files.write_atomic(str(target), b"new", durable=durable)

    assert b"new" == target.read_bytes()
    assert 0o600 == mode(target)
    assert [target] == list(tmp_path.iterdir())


def test_an_old_file_is_replaced_not_written_over(tmp_path: Path) -> None:
    """Whoever has the old file open goes on reading the old bytes."""
    target = tmp_path / "file"
    target.write_bytes(b"old and longer")
    with target.open("rb") as reader:
        files.write_atomic(str(target), b"new", durable=False)

        assert (b"old and longer", b"new") == (reader.read(), target.read_bytes())


def test_a_failed_write_changes_nothing(tmp_path: Path) -> None:
    """Where the target cannot be replaced, it stays, and no temporary file does."""
    target = tmp_path / "file"
    target.mkdir()

    with pytest.raises(IsADirectoryError):
        files.write_atomic(str(target), b"new", durable=True)
    assert [target] == list(tmp_path.iterdir())


def test_a_bare_name_lies_in_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path without a folder works like any other."""
    monkeypatch.chdir(tmp_path)
    files.write_atomic("file", b"new", durable=True)

    assert b"new" == (tmp_path / "file").read_bytes()


@linux_only
def test_a_folder_that_cannot_be_synced_has_no_need_of_it() -> None:
    """Some file systems have nothing to sync and say so (EINVAL); a missing folder is an error."""
    files.sync_folder("/proc")

    with pytest.raises(FileNotFoundError):
        files.sync_folder("/nowhere")


@pytest.mark.usefixtures("no_umask")
def test_folders_are_made_down_to_the_last(tmp_path: Path) -> None:
    """Missing folders are made, closed to others, and named from the outside in."""
    made = files.make_folder(str(tmp_path / "a" / "b"))

    assert [str(tmp_path / "a"), str(tmp_path / "a" / "b")] == made
    assert [0o700, 0o700] == [mode(Path(folder)) for folder in made]
    assert [] == files.make_folder(str(tmp_path / "a" / "b"))


@pytest.mark.parametrize("what", ["file", "link"])
def test_folders_that_cannot_all_be_made_are_not_made(tmp_path: Path, what: str) -> None:
    """A file or a dead link in the way is an error that names it."""
    obstacle = tmp_path / "a"
    if what == "file":
        obstacle.touch()
    else:
        obstacle.symlink_to("nowhere")

    with pytest.raises(FileExistsError) as error:
        files.make_folder(str(obstacle / "b" / "c"))
    assert str(obstacle) == error.value.filename
    assert [obstacle] == list(tmp_path.iterdir())


def test_a_name_too_long_takes_its_parents_with_it(tmp_path: Path) -> None:
    """Folders made on the way to one that cannot be made are removed again."""
    with pytest.raises(OSError, match="File name too long"):
        files.make_folder(str(tmp_path / "a" / ("x" * 300)))

    assert [] == list(tmp_path.iterdir())


def test_undoing_spares_what_is_in_use(tmp_path: Path) -> None:
    """A folder that somebody has put something into meanwhile stays."""
    made = files.make_folder(str(tmp_path / "a" / "b"))
    (tmp_path / "a" / "mine").touch()
    files.remove_folders(made)

    assert [tmp_path / "a" / "mine"] == list((tmp_path / "a").iterdir())


def test_reading_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    """No file is None, an empty one is empty, a long one can be cut."""
    (tmp_path / "empty").touch()
    (tmp_path / "long").write_bytes(b"long")

    assert [None, b"", b"lo"] == [
        files.read_if_there(str(tmp_path / "none")),
        files.read_if_there(str(tmp_path / "empty")),
        files.read_if_there(str(tmp_path / "long"), 2),
    ]


def test_only_old_temporary_files_are_swept(tmp_path: Path) -> None:
    """What a crash left is removed; what is being written, and what is not ours, is not."""
    left, fresh = tmp_path / f"{files.TEMPORARY}1-aa", tmp_path / f"{files.TEMPORARY}2-bb"
    folder, other = tmp_path / f"{files.TEMPORARY}folder", tmp_path / "file"
    for path in (left, fresh, other):
        path.touch()
    folder.mkdir()
    for path in (left, folder, other):
        os.utime(path, (1000, 1000))
    os.utime(fresh, (3000, 3000))

    assert 1 == files.sweep(str(tmp_path), before_at=2_000_000)
    assert sorted([fresh, folder, other]) == sorted(tmp_path.iterdir())
    assert 0 == files.sweep(str(tmp_path / "none"), before_at=2_000_000)


def test_a_pipe_holds_nobody_up(tmp_path: Path) -> None:
    """Opening one would wait for a writer who never comes."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is not a regular file"):
        files.read_if_there(str(tmp_path / "pipe"))
    with pytest.raises(IsADirectoryError):
        files.read_if_there(str(tmp_path))


def test_what_a_file_is(tmp_path: Path) -> None:
    """Another name is the same file, the same name may be another; where nobody can look, that is
    an error and not an absence."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.touch()
    one = files.identity(str(first))
    first.rename(second)
    first.touch()

    assert one == files.identity(str(second))
    assert one != files.identity(str(first))
    assert files.identity(str(tmp_path / "none")) is None
    with pytest.raises(NotADirectoryError):
        files.identity(str(first / "below"))
