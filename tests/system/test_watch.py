"""The kernel's file notices."""

from __future__ import annotations

import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from dotagent.system.watch import Watch

NAMES = ("agent.toml", "config.toml")


@pytest.fixture
def watch() -> Iterator[Watch]:
    """A watch for manifests and the configuration."""
    made = Watch()
    yield made
    made.close()


def worth(watch: Watch) -> bool:
    """Whether there is a notice, and one that is worth a look. The kernel queues it in the very
    call that caused it, so nothing has to be waited for."""
    readable, _, _ = select.select([watch], [], [], 0)
    return bool(readable) and watch.drain()


def test_a_written_manifest_is_noticed_once_its_writer_closes(watch: Watch, tmp_path: Path) -> None:
    """A file that is only created, or still being written, is no news yet."""
    watch.follow([str(tmp_path)], NAMES)
    with open(tmp_path / "agent.toml", "w") as file:
        created = worth(watch)
        file.write("[agent]")

    assert (created, worth(watch)) == (False, True)


@pytest.mark.parametrize("name", ["notes.txt", "agent.toml.swp", "state.json"])
def test_other_files_are_no_news(watch: Watch, tmp_path: Path, name: str) -> None:
    """What an agent writes into its own folder makes nobody look."""
    watch.follow([str(tmp_path)], NAMES)
    (tmp_path / name).write_text("x")

    assert not worth(watch)


def test_a_renamed_file_is_noticed(watch: Watch, tmp_path: Path) -> None:
    """Editors write beside the file and rename over it."""
    watch.follow([str(tmp_path)], NAMES)
    (tmp_path / "other").write_text("x")
    worth(watch)
    (tmp_path / "other").rename(tmp_path / "agent.toml")

    assert worth(watch)


def test_removal_and_mode_are_noticed(watch: Watch, tmp_path: Path) -> None:
    """A manifest that goes, or that others may suddenly write, matters."""
    file = tmp_path / "agent.toml"
    file.write_text("x")
    watch.follow([str(tmp_path)], NAMES)
    file.chmod(0o666)
    mode = worth(watch)
    file.unlink()

    assert (mode, worth(watch)) == (True, True)


def test_a_new_folder_is_noticed(watch: Watch, tmp_path: Path) -> None:
    """A new agent's folder: the caller follows it from then on."""
    watch.follow([str(tmp_path)], NAMES)
    (tmp_path / "new").mkdir()

    assert worth(watch)


def test_a_folder_no_longer_followed_is_silent(watch: Watch, tmp_path: Path) -> None:
    """``follow`` is exact: what it is not given any more is let go."""
    watch.follow([str(tmp_path)], NAMES)
    watch.follow([], NAMES)
    worth(watch)
    (tmp_path / "agent.toml").write_text("x")

    assert not worth(watch)


def test_a_missing_folder_is_no_failure(watch: Watch, tmp_path: Path) -> None:
    """Its parent tells when it comes."""
    assert watch.follow([str(tmp_path / "missing")], NAMES) == ()


def test_a_replaced_folder_is_followed_anew(watch: Watch, tmp_path: Path) -> None:
    """A folder that was removed and made again under its name is another one."""
    folder = tmp_path / "agents"
    folder.mkdir()
    watch.follow([str(folder)], NAMES)
    folder.rmdir()
    folder.mkdir()
    watch.follow([str(folder)], NAMES)
    worth(watch)
    (folder / "agent.toml").write_text("x")

    assert worth(watch)
