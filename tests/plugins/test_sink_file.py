"""What an agent printed, in a file."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from dotagent.supervisor.speak import speak
from tests.plugins.test_program import ENV, installed


async def sink(config: dict[str, Any], message: str | None, **more: Any) -> tuple[int, Any]:
    """Its exit status and its answer."""
    said = {"kind": "sink", "message": message, "config": config, **more}
    payload = json.dumps(said).encode()
    spoken = await speak((installed("sink-file"), "invoke"), payload, ENV, 20_000)
    return spoken.exit_code, json.loads(spoken.stdout or b"null")


@pytest.mark.parametrize(("mode", "expected"), [("append", "one\ntwo"), ("overwrite", "two")])
async def test_the_message_and_nothing_else(tmp_path: Path, mode: str, expected: str) -> None:
    """Its bytes exactly, folders made on the way."""
    path = tmp_path / "a" / "b" / "out.txt"
    config = {"path": str(path), "mode": mode}
    await sink(config, "one\n")

    assert (0, {"ok": True, "written_to": str(path)}) == await sink(config, "two")
    assert expected == path.read_text()
    assert ["out.txt"] == os.listdir(path.parent)


async def test_an_overwritten_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    """Whoever has it open goes on reading the old text; its mode stays, and a link stays a link."""
    path, link = tmp_path / "out.txt", tmp_path / "link.txt"
    path.write_text("old text")
    path.chmod(0o640)
    link.symlink_to(path)
    with path.open() as reader:
        await sink({"path": str(link)}, "new")
        old = reader.read()

    assert ("old text", "new") == (old, path.read_text())
    assert 0o640 == stat.S_IMODE(path.stat().st_mode)
    assert link.is_symlink()


async def test_all_of_the_output(tmp_path: Path) -> None:
    """With ``full_output`` what the message's limit has cut is there too."""
    whole = tmp_path / "whole"
    whole.write_text("all\nof\nit")
    path = tmp_path / "out"
    await sink({"path": str(path), "full_output": True}, "it", output_path=str(whole))

    assert "all\nof\nit" == path.read_text()


async def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    """Exit 1, with the system's own words, and nothing left behind."""
    (tmp_path / "file").write_text("x")
    status, said = await sink({"path": str(tmp_path / "file" / "out")}, "x")

    assert (1, False) == (status, said["ok"])
    assert "File exists" in said["error"]
    assert ["file"] == os.listdir(tmp_path)
