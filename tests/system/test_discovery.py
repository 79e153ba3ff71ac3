"""What is found, what is refused and why, and what merely could not be seen."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dotagent.core.model import Problem
from dotagent.system import discovery
from dotagent.system.discovery import Reading, read, roots, scan
from tests.support.system import require_root
from tests.system import stage


def agent(folder: Path, content: bytes = b"[agent]\n") -> Path:
    """An agent's manifest in ``folder``."""
    folder.mkdir(parents=True)
    path = folder / "agent.toml"
    path.write_bytes(content)
    path.chmod(0o644)
    return path


def found(*folders: Path) -> list[str]:
    """The manifests that a scan finds."""
    return [candidate.path for candidate in scan([str(folder) for folder in folders]).found]


def problems(folder: Path) -> list[tuple[str, str, str | None]]:
    """What a scan complains about."""
    return [(it.file, it.message, it.hint) for it in scan([str(folder)]).problems]


# ---------------------------------------------------------------------------------------- roots


def test_the_daemon_looks_where_it_is_told_and_into_the_home() -> None:
    """DOTAGENT_ROOT first, empty elements and repetitions left out; never the current directory."""
    env = {"DOTAGENT_ROOT": ":/srv/a::/srv/b/:/h/agents:/srv/a"}

    assert ("/srv/a", "/srv/b", "/h/agents") == roots(env, "/h/agents")
    assert ("/h/agents",) == roots({}, "/h/agents")


def test_an_interactive_command_also_looks_beside_you() -> None:
    """``./agents`` comes last, and only where the caller says where "here" is."""
    assert ("/h/agents", "/here/agents") == roots({}, "/h/agents", here="/here")


def test_a_relative_root_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts from the current directory, once, and the file system's root stays what it is."""
    monkeypatch.chdir(tmp_path)

    assert (f"{tmp_path}/mine", "/", "/h") == roots({"DOTAGENT_ROOT": "mine:/"}, "/h")


def test_a_relative_root_without_a_current_directory_is_an_error(tmp_path: Path) -> None:
    """It is not guessed."""
    message = stage.play("roots_from_deleted_folder", str(tmp_path / "gone"))

    assert "DOTAGENT_ROOT names 'mine', which counts from the current directory" in message


# ----------------------------------------------------------------------------------------- scans


def test_manifests_are_found_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Root by root, each sorted, direct children only, and the root itself is no agent."""
    first, second = tmp_path / "1", tmp_path / "2"
    paths = [agent(first / name) for name in ("a", "b", "é")] + [agent(second / "0")]
    agent(first / "a" / "deeper")
    (first / "agent.toml").write_text("[agent]")
    (first / "file").touch()
    (first / "no-agent").mkdir()

    assert [str(path) for path in paths] == found(first, second)
    assert () == scan([str(first), str(second)]).problems


def test_links_to_agents_are_followed(tmp_path: Path) -> None:
    """An agent may live elsewhere; it is known by the path of its link."""
    agent(tmp_path / "elsewhere" / "disk")
    root = tmp_path / "root"
    root.mkdir()
    (root / "disk").symlink_to("../elsewhere/disk")
    (root / "note").symlink_to("../elsewhere/disk/agent.toml")

    assert [f"{root}/disk/agent.toml"] == found(root)
    assert [] == problems(root)


def test_a_candidate_is_unchanged_until_its_file_changes(tmp_path: Path) -> None:
    """Two scans of an untouched folder are equal; any edit shows, one that hides its time too."""
    path = agent(tmp_path / "disk")
    before = scan([str(tmp_path)]).found
    again = scan([str(tmp_path)]).found
    times = path.stat()
    path.write_bytes(b"[Agent]\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = scan([str(tmp_path)]).found

    assert before == again
    assert (before[0].mtime_ns, before[0].size) == (after[0].mtime_ns, after[0].size)
    assert before != after


def test_a_root_that_is_not_there_has_vanished(tmp_path: Path) -> None:
    """A missing folder, a dead link and a file in the folder's place are no empty folder."""
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    names = [str(tmp_path / name) for name in ("none", "link", "file", "empty")]
    seen = scan(names)

    assert tuple(names[:3]) == seen.vanished_roots
    assert [names[3]] == [listed.path for listed in seen.listed]
    assert () == seen.problems


def test_a_remounted_root_has_another_identity(tmp_path: Path) -> None:
    """An empty folder where a full one was mounted can be told from one that was emptied."""
    root = tmp_path / "root"
    root.mkdir()
    before = scan([str(root)]).listed
    emptied = scan([str(root)]).listed
    root.rename(tmp_path / "aside")
    root.mkdir()

    assert before == emptied
    assert before != scan([str(root)]).listed


def test_what_may_not_be_looked_into_is_a_problem() -> None:
    """A closed root counts as vanished, a closed agent is refused: neither stops the scan."""
    with stage.public_folder() as folder:
        said = stage.play_without_privileges("unlistable_root", str(folder))

    assert {"vanished": ["closed"], "problems": ["closed", "root/agent/agent.toml"]} == said


def test_an_agent_behind_a_dead_link_is_not_overlooked(tmp_path: Path) -> None:
    """A link to an unmounted folder, or to a manifest that has gone, is told: the agent is meant
    to be there."""
    (tmp_path / "gone").symlink_to("/nowhere/at/all")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "agent.toml").symlink_to("nowhere")

    assert [
        (
            f"{tmp_path}/gone/agent.toml",
            f"{tmp_path}/gone is a link to a folder that does not exist",
            None,
        ),
        (
            f"{tmp_path}/half/agent.toml",
            f"{tmp_path}/half/agent.toml is a link to a file that does not exist",
            None,
        ),
    ] == problems(tmp_path)


@pytest.mark.parametrize("what", ["root", "folder", "manifest"])
def test_what_others_can_write_is_refused(tmp_path: Path, what: str) -> None:
    """The manifest, its folder and the root each decide what runs in the user's name."""
    root = tmp_path / "the root"
    path = agent(root / "disk")
    other = agent(root / "other")
    culprit = {"root": root, "folder": path.parent, "manifest": path}[what]
    culprit.chmod(0o777)
    refused = [path, other] if what == "root" else [path]

    assert [
        (str(it), f"{culprit} can be written by everybody", f"chmod go-w '{culprit}'")
        for it in refused
    ] == problems(root)
    assert [str(it) for it in (path, other) if it not in refused] == found(root)


def test_everything_wrong_with_a_manifest_is_said_at_once(tmp_path: Path) -> None:
    """Nobody wants to run the second command only after the first."""
    path = agent(tmp_path / "disk")
    for culprit in (path, path.parent):
        culprit.chmod(0o777)

    assert [f"chmod go-w {path.parent}", f"chmod go-w {path}"] == [
        hint for _, _, hint in problems(tmp_path)
    ]


def test_somebody_else_s_manifest_is_refused() -> None:
    """A manifest that its owner can change at any time never runs in another's name."""
    require_root("to give a file away")
    with stage.public_folder() as folder:
        path = agent(folder / "disk")
        os.chown(path, 12345, 12345)
        said = stage.play_without_privileges("foreign_manifest", str(folder))

    assert [f"{path} belongs to 12345, neither to you nor to root"] == said


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """It could be neither stored nor shown; it stops nobody else."""
    odd, plain = tmp_path / os.fsdecode(b"\xff"), tmp_path / os.fsdecode(b"\xfe")
    agent(odd)
    plain.mkdir()
    fine = agent(tmp_path / "fine")
    seen = scan([str(tmp_path)])

    assert [str(fine)] == [it.path for it in seen.found]
    assert [f"{tmp_path}/\\xff/agent.toml"] == [it.file for it in seen.problems]


# --------------------------------------------------------------------------------------- reading


def test_the_bytes_that_are_hashed_are_the_bytes_that_are_read(tmp_path: Path) -> None:
    """A manifest that changed since the scan comes with its new bytes, hash and times."""
    path = agent(tmp_path / "disk", b"old")
    (candidate,) = scan([str(tmp_path)]).found
    path.write_bytes(b"newer")
    reading = read(candidate)

    assert isinstance(reading, Reading)
    assert b"newer" == reading.data
    assert hashlib.sha256(b"newer").hexdigest() == reading.sha256
    assert scan([str(tmp_path)]).found == (reading.candidate,)


def become_writable(path: Path) -> None:
    """Let everybody write it."""
    path.chmod(0o666)


def become_folder(path: Path) -> None:
    """Put a folder in its place."""
    path.unlink()
    path.mkdir(0o700)


def become_pipe(path: Path) -> None:
    """Put a pipe that nobody writes into in its place."""
    path.unlink()
    os.mkfifo(path, 0o600)


def become_huge(path: Path) -> None:
    """Let it grow beyond reason."""
    os.truncate(path, discovery.MAX_BYTES + 1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (become_writable, "can be written by everybody"),
        (Path.unlink, "cannot be read: No such file"),
        (become_folder, "is not a regular file"),
        (become_pipe, "is not a regular file"),
        (become_huge, "is larger than 1024 KiB"),
    ],
)
def test_what_became_of_a_manifest_meanwhile_is_seen(
    tmp_path: Path, change: Callable[[Path], None], expected: str
) -> None:
    """Trust is decided on the file that was opened, not on the one that was scanned."""
    path = agent(tmp_path / "disk")
    (candidate,) = scan([str(tmp_path)]).found
    change(path)
    reading = read(candidate)

    assert isinstance(reading, Problem)
    assert str(path) == reading.file
    assert expected in reading.message


def test_a_manifest_of_the_largest_size_is_read(tmp_path: Path) -> None:
    """The limit itself is allowed."""
    agent(tmp_path / "disk", b"#" * discovery.MAX_BYTES)
    (candidate,) = scan([str(tmp_path)]).found
    reading = read(candidate)

    assert isinstance(reading, Reading)
    assert discovery.MAX_BYTES == len(reading.data)


@pytest.mark.parametrize("what", ["folder", "pipe"])
def test_what_is_called_a_manifest_but_is_no_file_is_a_problem(tmp_path: Path, what: str) -> None:
    """A folder or a pipe of that name is told and never opened."""
    path = tmp_path / "disk" / "agent.toml"
    path.parent.mkdir()
    if what == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)

    assert [(str(path), f"{path} is not a regular file", None)] == problems(tmp_path)
