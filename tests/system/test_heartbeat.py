"""Heartbeat files on disk never stop a run, whatever became of them."""

from __future__ import annotations

import os
import stat
from datetime import UTC
from pathlib import Path

import pytest

from dotagent.core.heartbeat import Heartbeat, text
from dotagent.system import heartbeat


def beat(last_success_at: int | None) -> str:
    """The content of a heartbeat file."""
    return text(
        Heartbeat(
            name="disk",
            slug="daily",
            args=(),
            started_at=1_700_000_000_000,
            last_success_at=last_success_at,
        ),
        UTC,
    )


def test_what_was_written_is_found(tmp_path: Path) -> None:
    """The agent's folder is made on the way, and both are closed to others."""
    path = tmp_path / "disk" / "daily.heartbeat.json"

    assert heartbeat.write(str(path), beat(1_700_000_123_456)) is None
    assert heartbeat.Found(last_success_at=1_700_000_123_000) == heartbeat.last_success(str(path))
    assert [0o700, 0o600] == [stat.S_IMODE(os.stat(it).st_mode) for it in (path.parent, path)]


def test_no_file_is_no_success_yet(tmp_path: Path) -> None:
    """A schedule that never ran has no heartbeat, and that is in order."""
    assert heartbeat.Found() == heartbeat.last_success(str(tmp_path / "none"))


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"\xff\xfe\x00", b'{"name": "disk"}'])
def test_a_malformed_file_is_set_aside(tmp_path: Path, content: bytes) -> None:
    """It is told, moved out of the way, and the next write starts afresh."""
    path = tmp_path / "daily.heartbeat.json"
    path.write_bytes(content)
    found = heartbeat.last_success(str(path))
    aside = tmp_path / "daily.heartbeat.json.malformed"

    assert found.last_success_at is None
    assert found.problem is not None
    assert f"now {aside}" in found.problem
    assert content == aside.read_bytes()
    assert heartbeat.Found() == heartbeat.last_success(str(path))


def test_what_is_set_aside_never_piles_up(tmp_path: Path) -> None:
    """A file that is damaged again and again leaves one copy aside."""
    path = tmp_path / "daily.heartbeat.json"
    for content in ("{first", "{second"):
        path.write_text(content)
        heartbeat.last_success(str(path))

    assert ["daily.heartbeat.json.malformed"] == os.listdir(tmp_path)


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    """A file that grew beyond reason costs no memory: what counts is its beginning."""
    path = tmp_path / "daily.heartbeat.json"
    path.write_text(beat(5_000) + " " * heartbeat.MAX_BYTES)
    with path.open("ab") as file:
        file.truncate(10 * 1024**3)

    assert heartbeat.Found(last_success_at=5_000) == heartbeat.last_success(str(path))


def test_what_cannot_be_read_or_written_is_told_not_raised(tmp_path: Path) -> None:
    """A folder in the file's place, or a file in the folder's, is a problem for the record."""
    (tmp_path / "file").touch()
    found = heartbeat.last_success(str(tmp_path))
    unwritten = heartbeat.write(str(tmp_path / "file" / "daily.heartbeat.json"), "{}")

    assert heartbeat.Found(problem=f"{tmp_path} cannot be read: Is a directory") == found
    assert unwritten is not None
    assert "cannot be written" in unwritten
