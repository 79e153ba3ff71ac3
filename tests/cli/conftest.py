"""Fixtures of the command line's tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty folder to be a home."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder
