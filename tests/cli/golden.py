"""Outputs that people read, kept as files: a change of one is seen in the diff.

``UPDATE_GOLDEN=1 pytest …`` writes them anew; they are then read before they are kept.
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def check_golden(name: str, text: str) -> None:
    """``text`` is what ``golden/NAME.txt`` holds."""
    path = FOLDER / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")

    assert path.read_text(encoding="utf-8") == text
