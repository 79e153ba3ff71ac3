"""A place to print to that takes nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.daemon import argv, environment


@pytest.mark.parametrize("command", [["status"], ["inbox", "--json"], ["doctor"], ["--help"]])
def test_output_that_cannot_be_written_is_said(tmp_path: Path, command: list[str]) -> None:
    """A full disk behind a redirection is one clear line and exit 1, not a traceback."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            argv(*command),
            env=environment(tmp_path),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr.startswith("dotagent: cannot print: No space left")
    assert "Traceback" not in done.stderr
