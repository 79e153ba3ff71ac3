"""What the store's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.store.builder import Home, database


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    """A new home with one holder, at ``SEEN``."""
    made = await Home.open(database(tmp_path))
    yield made
    made.close()
