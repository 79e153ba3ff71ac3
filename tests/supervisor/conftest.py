"""What the supervisor's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervisor.children import Field, fields


@pytest.fixture
def field(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Field]:
    """A folder, a spawner and a marker of this test; what it leaves running is killed."""
    yield from fields(request.node.name, tmp_path)
