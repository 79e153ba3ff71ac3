"""An ``osascript`` made for a test: a real program on PATH that keeps what it was given."""

from __future__ import annotations

import json
import sys
from pathlib import Path

PROGRAM = """\
#!{python} -I
import json, os, sys, time
with open({kept!r}, "a") as kept:
    kept.write(json.dumps([sys.argv[1:], sys.stdin.read()]) + "\\n")
if {hangs}:
    time.sleep(600)
sys.stderr.write({says!r})
sys.exit({status})
"""


class Osascript:
    """``env`` is that of whoever shall find it."""

    def __init__(
        self, folder: Path, *, status: int = 0, says: str = "", hangs: bool = False
    ) -> None:
        self._kept = folder / "kept"
        program = folder / "osascript"
        text = PROGRAM.format(
            python=sys.executable, kept=str(self._kept), hangs=hangs, says=says, status=status
        )
        program.write_text(text)
        program.chmod(0o700)
        self.env = {"PATH": f"{folder}:/usr/bin:/bin"}

    def given(self) -> list[tuple[list[str], str]]:
        """The arguments and the input of each run."""
        if not self._kept.exists():
            return []
        lines = self._kept.read_text().splitlines()
        return [(argv, stdin) for argv, stdin in map(json.loads, lines)]
